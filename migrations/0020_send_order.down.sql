alter table outbox drop column sends;
alter table outbox drop column seq;
