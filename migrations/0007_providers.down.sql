drop index bots_due;
create index bots_connecting on bots (check_due_at) where status = 'connecting';
alter table outbox drop column parts_sent, drop column urgency;
drop index conversations_via;
alter table conversations drop column via_bot_id;
drop table ignored_webhooks, provider_memo, bot_pairings;
alter table bots drop column leaving, drop column read_receipts, drop column fallback_bot_id, drop column pairing_phone;
