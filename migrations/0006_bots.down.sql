drop index conversations_seller;
create index conversations_seller on conversations (tenant_id, seller_id, last_message_at, id) where seller_id is not null;
drop index conversations_bot;

drop index bots_connecting;
set local role dashoffice_worker;
update bots set status = 'disconnected', status_reason = null, updated_at = now() where status = 'connecting';
reset role;
alter table bots alter column status set default 'disconnected';
alter table bots drop column check_due_at;
alter table bots drop column check_attempts;
