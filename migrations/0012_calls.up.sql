-- What flows ask and tell outside: calls, the secrets that they carry, webhooks and what is delivered to them.

-- What waits to be asked outside, or is being asked: deleted once its result is in the conversation's mail. The id goes
-- with every try as its Idempotency-Key.
create table calls (
  tenant_id uuid not null,
  conversation_id uuid not null,
  id uuid not null,
  -- What the conversation knows it by.
  call_id text not null,
  handler text not null,
  -- Without secrets: it names them.
  request jsonb not null,
  state text not null default 'queued' check (state in ('queued', 'running')),
  -- Tries that were begun. What a try leaves behind counts only while there was none after it.
  attempts int not null default 0,
  -- Queued: when to try; running: when the process that tries is taken for dead.
  due_at timestamptz not null default now(),
  -- When it was tried first.
  started_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index calls_id on calls (id);
create index calls_queued on calls (tenant_id, due_at, id) where state = 'queued';
create index calls_running on calls (tenant_id, due_at) where state = 'running';

-- What flows may send, and nobody may read: sealed for the tenant and the name.
create table tenant_secrets (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  key_id text not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint tenant_secrets_name unique (tenant_id, name)
);

create table webhooks (
  tenant_id uuid not null references tenants,
  id uuid not null,
  url text not null,
  description text not null default '',
  -- Names of events, or * for every one.
  events text[] not null,
  active boolean not null default true,
  -- Why it was switched off, where nobody of the tenant did it.
  disabled_reason text,
  -- Since when nothing could be delivered; null: the last delivery was taken.
  failing_since timestamptz,
  key_id text not null,
  sealed bytea not null,
  -- The secret before this one, which signs too until then.
  previous_sealed bytea,
  previous_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table webhook_deliveries (
  tenant_id uuid not null,
  webhook_id uuid not null,
  id uuid not null,
  -- The same for all webhooks that are told of the event, and for every try.
  event_id uuid not null,
  event text not null,
  -- Byte for byte what is signed and sent.
  payload text not null,
  state text not null default 'queued' check (state in ('queued', 'sending', 'delivered', 'failed')),
  attempts int not null default 0,
  -- Queued: when to try; sending: when the process that tries is taken for dead.
  due_at timestamptz not null default now(),
  -- Of the last try.
  response_status int,
  latency_ms int,
  error jsonb,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (tenant_id, webhook_id, id),
  foreign key (tenant_id, webhook_id) references webhooks on delete cascade
);
create unique index webhook_deliveries_id on webhook_deliveries (id);
create index webhook_deliveries_queued on webhook_deliveries (tenant_id, webhook_id, due_at, id) where state = 'queued';
create index webhook_deliveries_sending on webhook_deliveries (tenant_id, webhook_id, due_at) where state = 'sending';
create index webhook_deliveries_state on webhook_deliveries (tenant_id, webhook_id, state, id);
create index webhook_deliveries_old on webhook_deliveries (ended_at) where ended_at is not null;

do $$
declare table_name text;
begin
  foreach table_name in array array['calls', 'tenant_secrets', 'webhooks', 'webhook_deliveries'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
grant select, insert, update, delete on calls, webhook_deliveries to dashoffice_worker;
grant select on tenant_secrets to dashoffice_worker;
grant select, update on webhooks to dashoffice_worker;

-- Mostly written and deleted: vacuumed often, so that a claim never walks over many dead rows.
alter table calls set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table webhook_deliveries set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
