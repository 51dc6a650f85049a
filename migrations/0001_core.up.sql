-- Database roles. They belong to the whole cluster, so they may exist already; a transaction takes one of them at its
-- start. None owns a table or passes row-level security by.
do $$
declare role_name text;
begin
  foreach role_name in array array['dashoffice_app', 'dashoffice_worker', 'dashoffice_auth'] loop
    begin
      execute format('create role %I nologin nosuperuser nobypassrls', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
    execute format('grant %I to current_user', role_name);
    execute format('grant usage on schema public to %I', role_name);
  end loop;
end $$;

create table tenants (
  id uuid primary key,
  name text not null,
  time_zone text not null default 'UTC',
  next_order_number bigint not null default 1,
  created_at timestamptz not null default now()
);

create table users (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  email text not null,
  password_hash text not null,
  role text not null check (role in ('owner', 'admin', 'agent', 'viewer')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index users_email on users (lower(email));

create table refresh_tokens (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  family_id uuid not null,
  token_hash text not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references users on delete cascade
);
create unique index refresh_tokens_hash on refresh_tokens (token_hash);
create index refresh_tokens_family on refresh_tokens (tenant_id, family_id);

create table flows (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  document jsonb not null,
  published_version int,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint flows_name unique (tenant_id, name)
);

create table flow_versions (
  tenant_id uuid not null,
  flow_id uuid not null,
  version int not null,
  document jsonb not null,
  published_by uuid,
  published_at timestamptz not null default now(),
  primary key (tenant_id, flow_id, version),
  foreign key (tenant_id, flow_id) references flows on delete cascade
);

create table bots (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  provider text not null check (provider in ('baileys', 'official', 'twilio', 'evolution', 'meta')),
  config jsonb not null,
  flow_id uuid,
  status text not null default 'disconnected'
    check (status in ('disconnected', 'connecting', 'qr', 'connected', 'logged_out', 'error')),
  status_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, flow_id) references flows
);
create index bots_flow on bots (tenant_id, flow_id);
-- A webhook names the bot only.
create unique index bots_id on bots (id);

create table bot_secrets (
  tenant_id uuid not null,
  bot_id uuid not null,
  key_id text not null,
  sealed bytea not null,
  primary key (tenant_id, bot_id),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

create table customers (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null default '',
  phone text,
  email text,
  variables jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table customer_identities (
  tenant_id uuid not null,
  bot_id uuid not null,
  kind text not null check (kind in ('phone', 'bsuid', 'lid')),
  value text not null,
  customer_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, kind, value),
  foreign key (tenant_id, customer_id) references customers on delete cascade
);
create index customer_identities_customer on customer_identities (tenant_id, customer_id);

-- The tables of the hot path have no foreign keys to conversations: each would take a lock on the conversation's row,
-- which a turn holds. What they would guard is written in one transaction with the conversation.
create table conversations (
  tenant_id uuid not null,
  id uuid not null,
  bot_id uuid not null,
  customer_id uuid not null,
  status text not null default 'bot' check (status in ('bot', 'waiting', 'agent', 'closed')),
  -- The fold of the conversation's events up to seq, written by the turn that appended them.
  state jsonb,
  seq bigint not null default 0,
  window_expires_at timestamptz,
  last_message_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index conversations_open on conversations (tenant_id, bot_id, customer_id) where status <> 'closed';
create index conversations_recent on conversations (tenant_id, status, last_message_at, id);

create table conversation_events (
  tenant_id uuid not null,
  conversation_id uuid not null,
  seq bigint not null,
  type text not null,
  data jsonb not null,
  at timestamptz not null,
  primary key (tenant_id, conversation_id, seq)
);

create table messages (
  tenant_id uuid not null,
  conversation_id uuid not null,
  id uuid not null,
  bot_id uuid not null,
  direction text not null check (direction in ('inbound', 'outbound')),
  content jsonb not null,
  status text not null check (status in ('received', 'queued', 'sent', 'delivered', 'read', 'failed', 'unknown')),
  error jsonb,
  provider_message_id text,
  -- The provider's own time: of writing for inbound, of the last status for outbound.
  provider_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index messages_provider_id on messages (tenant_id, bot_id, provider_message_id)
  where provider_message_id is not null;

-- Every status that a provider reported, once. One that arrives before the answer to the send finds its message later.
create table message_statuses (
  tenant_id uuid not null,
  bot_id uuid not null,
  provider_message_id text not null,
  status text not null,
  error jsonb,
  -- Our ids, where the provider hands back what we gave it with the send.
  conversation_id uuid,
  message_id uuid,
  provider_at timestamptz not null,
  received_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, provider_message_id, status)
);

-- What waits for its conversation's next turn. A row is deleted by the turn that took it; one that failed for good
-- stays, with the reason.
create table inbox (
  tenant_id uuid not null,
  conversation_id uuid not null,
  id uuid not null,
  kind text not null check (kind in ('message', 'timer', 'result', 'handoff', 'resume', 'close')),
  body jsonb not null,
  attempts int not null default 0,
  failed_reason text,
  received_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index inbox_id on inbox (id);
-- By tenant first: a claim takes a share of each tenant's mail, so that one tenant's burst delays nobody else's.
create index inbox_waiting on inbox (tenant_id, id) where failed_reason is null;

-- What waits to be sent: deleted when it has ended, the outcome is in its message's row.
-- due_at: queued, when to try; sending, when the sender is taken for dead; unknown, when to settle without a status.
create table outbox (
  tenant_id uuid not null,
  conversation_id uuid not null,
  id uuid not null,
  bot_id uuid not null,
  state text not null default 'queued' check (state in ('queued', 'sending', 'unknown')),
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  sent_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index outbox_id on outbox (id);
create index outbox_due on outbox (due_at, id) where state = 'queued';
create index outbox_expiring on outbox (due_at) where state <> 'queued';
create index outbox_bot on outbox (bot_id);

create table timers (
  tenant_id uuid not null,
  conversation_id uuid not null,
  kind text not null check (kind in ('answer')),
  token text not null,
  due_at timestamptz not null,
  primary key (tenant_id, conversation_id, kind)
);
create index timers_due on timers (due_at);

create table products (
  tenant_id uuid not null references tenants,
  id uuid not null,
  sku text not null,
  name text not null,
  description text not null default '',
  price_minor bigint not null check (price_minor >= 0),
  currency text not null,
  stock int not null default 0 check (stock >= 0),
  active boolean not null default true,
  image_url text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint products_sku unique (tenant_id, sku)
);

create table orders (
  tenant_id uuid not null,
  id uuid not null,
  number bigint not null,
  customer_id uuid not null,
  conversation_id uuid,
  status text not null default 'pending'
    check (status in ('pending', 'confirmed', 'paid', 'shipped', 'delivered', 'cancelled')),
  total_minor bigint not null check (total_minor >= 0),
  currency text not null,
  notes text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint orders_number unique (tenant_id, number),
  foreign key (tenant_id, customer_id) references customers
);
create index orders_customer on orders (tenant_id, customer_id, id);

create table order_items (
  tenant_id uuid not null,
  order_id uuid not null,
  line int not null,
  product_id uuid not null,
  name text not null,
  quantity int not null check (quantity > 0),
  price_minor bigint not null check (price_minor >= 0),
  primary key (tenant_id, order_id, line),
  foreign key (tenant_id, order_id) references orders on delete cascade,
  foreign key (tenant_id, product_id) references products
);

create index order_items_product on order_items (tenant_id, product_id);

-- Row-level security: forced on every table, a policy for each role that may see it at all. The setting is read once a
-- statement (a scalar subquery), not once a row.
do $$
declare
  table_name text;
  all_tables text[] := array['users', 'refresh_tokens', 'flows', 'flow_versions', 'bots', 'bot_secrets', 'customers',
    'customer_identities', 'conversations', 'conversation_events', 'messages', 'message_statuses', 'inbox', 'outbox',
    'timers', 'products', 'orders', 'order_items'];
  auth_tables text[] := array['users', 'refresh_tokens'];
begin
  foreach table_name in array all_tables loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    if table_name = any(auth_tables) then
      execute format('grant select, update on %I to dashoffice_auth', table_name);
      execute format('create policy auth on %I to dashoffice_auth using (true)', table_name);
    else
      execute format('grant select, insert, update, delete on %I to dashoffice_worker', table_name);
      execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
    end if;
  end loop;
end $$;

alter table tenants enable row level security;
alter table tenants force row level security;
grant select, insert, update on tenants to dashoffice_app;
grant select on tenants to dashoffice_worker, dashoffice_auth;
grant update (next_order_number) on tenants to dashoffice_worker;
create policy app on tenants to dashoffice_app
  using (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy worker on tenants to dashoffice_worker using (true);
create policy auth on tenants to dashoffice_auth using (true);

-- Tables that are mostly written and deleted: vacuumed often, so that a claim never walks over many dead rows.
alter table inbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
