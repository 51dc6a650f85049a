-- In which order a conversation's messages were queued. Their ids do not say it: they are made by the clocks of several
-- machines.
alter table outbox add column seq bigint not null generated always as identity;
-- How often a send of it has begun: what an earlier one came to is heard too late, and changes nothing.
alter table outbox add column sends int not null default 0;
