-- Whose mail it is: a claim takes a share of each bot's.
alter table inbox add column bot_id uuid not null default '00000000-0000-0000-0000-000000000000';
update inbox i set bot_id = c.bot_id from conversations c where c.tenant_id = i.tenant_id and c.id = i.conversation_id;
drop index inbox_waiting;
create index inbox_waiting on inbox (bot_id, id) where failed_reason is null and not held;
