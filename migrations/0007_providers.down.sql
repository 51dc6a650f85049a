drop index bots_due;
create index bots_connecting on bots (check_due_at) where status = 'connecting';
drop index outbox_due_answers, outbox_due_bulk;
create index outbox_due on outbox (due_at, id) where state = 'queued';
alter table outbox drop column parts_sent, drop column urgency;
drop index conversations_via;
alter table conversations drop column via_bot_id;
drop table ignored_webhooks, provider_memo, bot_pairings;
alter table bots drop column leaving, drop column read_receipts, drop column fallback_bot_id, drop column pairing_phone;
