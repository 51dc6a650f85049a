-- What the other providers need: pairing by a phone, what providers call things of ours, a second bot, what was left out.

-- The number that is to pair by a code instead of a QR code; null: by QR code.
alter table bots add column pairing_phone text;
-- Where this bot cannot send, that one does.
alter table bots add column fallback_bot_id uuid;
alter table bots add foreign key (tenant_id, fallback_bot_id) references bots on delete set null (fallback_bot_id);
create index bots_fallback on bots (tenant_id, fallback_bot_id) where fallback_bot_id is not null;
-- Whether what customers write is shown to them as read, and that an answer is being written.
alter table bots add column read_receipts boolean not null default false;

-- The code that pairs a bot with its phone: whoever has it takes the account over, so it is sealed, and ends.
create table bot_pairings (
  tenant_id uuid not null,
  bot_id uuid not null,
  sealed bytea not null,
  expires_at timestamptz not null,
  primary key (tenant_id, bot_id),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

-- What a provider calls something of ours, at one bot. May be lost: it is made again.
create table provider_memo (
  tenant_id uuid not null,
  bot_id uuid not null,
  key text not null,
  value text not null,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, key),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

-- Parts of webhooks that could not be taken, as they came.
create table ignored_webhooks (
  tenant_id uuid not null,
  bot_id uuid not null,
  id uuid not null,
  reason text not null,
  raw jsonb not null,
  received_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, id),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

-- The bot whose messages reach the customer while this conversation's own cannot send.
alter table conversations add column via_bot_id uuid;
create index conversations_via on conversations (tenant_id, via_bot_id, customer_id)
  where via_bot_id is not null and status <> 'closed';

-- urgent: 0 for answers, 1 for what nobody waits for. parts_sent: of a message that goes out in several.
alter table outbox add column urgency smallint not null default 0 check (urgency in (0, 1));
alter table outbox add column parts_sent smallint not null default 0;
drop index outbox_due;
create index outbox_due_answers on outbox (due_at, id) where state = 'queued' and urgency = 0;
create index outbox_due_bulk on outbox (due_at, id) where state = 'queued' and urgency = 1;

-- A bot that waits to be scanned is looked at too, since its code runs out, and one whose session is to be ended.
alter table bots add column leaving text check (leaving in ('end', 'logout'));
drop index bots_connecting;
create index bots_due on bots (check_due_at) where status in ('connecting', 'qr') or leaving is not null;

-- What did not go out is looked for among all messages.
create index messages_failed on messages (tenant_id, id)
  where direction = 'outbound' and status in ('failed', 'unknown');

do $$
declare table_name text;
begin
  foreach table_name in array array['bot_pairings', 'provider_memo', 'ignored_webhooks'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app, dashoffice_worker', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
