-- A bot is asked for at its provider before it sends, and what lists of conversations are filtered by is found through an
-- index, in the order of the list.

alter table bots add column check_attempts int not null default 0;
alter table bots add column check_due_at timestamptz not null default now();
alter table bots alter column status set default 'connecting';
create index bots_connecting on bots (check_due_at) where status = 'connecting';

-- Row-level security is forced: an owner who is no superuser sees the rows only in one of the program's roles.
set local role dashoffice_worker;
-- Until now a bot was called disconnected until its webhook was verified, and sent all the same. From now on a bot that is
-- disconnected does not send, so these are asked for.
update bots set status = 'connecting', status_reason = null, updated_at = now() where status = 'disconnected';
reset role;

create index conversations_bot on conversations (tenant_id, bot_id, status, last_message_at, id);
drop index conversations_seller;
create index conversations_seller on conversations (tenant_id, seller_id, status, last_message_at, id)
  where seller_id is not null;
