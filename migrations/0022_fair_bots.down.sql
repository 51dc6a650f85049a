drop index inbox_waiting;
create index inbox_waiting on inbox (tenant_id, id) where failed_reason is null and not held;
alter table inbox drop column bot_id;
