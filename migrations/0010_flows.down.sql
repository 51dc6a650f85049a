alter table conversations drop column waiting_since;
alter table messages drop column source;
alter table outbox drop column consent;
drop index inbox_waiting;
delete from inbox where held or kind in ('agent_message', 'move');
alter table inbox drop column held;
create index inbox_waiting on inbox (tenant_id, id) where failed_reason is null;
alter table inbox drop constraint inbox_kind_check;
alter table inbox add constraint inbox_kind_check
  check (kind in ('message', 'timer', 'result', 'handoff', 'resume', 'close'));
alter table bots drop column flow_ids;
drop table consents;
drop index customers_opted_out;
alter table customers drop column tags;
alter table customers drop column opted_out_at;
alter table tenants drop column settings;
