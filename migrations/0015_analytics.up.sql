-- What the analytics engine needs: where each source is to be read from, when each message had its statuses, and the figures.

-- The transaction that wrote a row, which the engine reads up to: whatever commits later has a later one. Null in rows
-- from before, and in messages that wait to be sent: the first are read once by their keys, the others have nothing to
-- tell yet. A change that is to be told again sets it to its default.
alter table conversation_events add column tx bigint;
alter table conversation_events alter column tx set default pg_current_xact_id()::text::bigint;
create index conversation_events_tx on conversation_events (tx) where tx is not null;

alter table messages add column tx bigint;
alter table messages alter column tx set default pg_current_xact_id()::text::bigint;
create index messages_tx on messages (tx) where tx is not null;

-- Of the first message that answers a customer: when they wrote, by the provider's clock.
alter table messages add column reply_to_at timestamptz;
-- When each status was reached for the first time; see src/messaging/status-times.ts.
alter table messages add column sent_at timestamptz;
alter table messages add column delivered_at timestamptz;
alter table messages add column read_at timestamptz;
alter table messages add column failed_at timestamptz;
alter table messages add column unknown_at timestamptz;

-- An order that came of a conversation.
create index orders_conversation on orders (tenant_id, conversation_id, id) where conversation_id is not null;

-- position: of the transactions before it everything was told. cluster: whose transactions these are. walk: the key up to
-- which the whole source was read, where it is; null: it is through.
create table projector_positions (
  name text primary key,
  cluster text not null,
  position bigint not null,
  after_key text[] not null default '{}',
  walk text[],
  at timestamptz not null default now()
);

-- Which process does a thing that one is enough for. Only economy: nothing goes wrong where two do it.
create table analytics_leases (
  name text primary key,
  owner uuid not null,
  until timestamptz not null
);

-- bot_id: the nil UUID where there is no bot. buckets: how many entries fell into each bucket of the histogram.
create table analytics_rollups (
  tenant_id uuid not null,
  hour timestamptz not null,
  bot_id uuid not null,
  log_type text not null,
  key text not null,
  count bigint not null,
  sum double precision not null,
  buckets bigint[] not null,
  primary key (tenant_id, hour, bot_id, log_type, key)
);
create index analytics_rollups_type on analytics_rollups (tenant_id, log_type, hour);

-- Hours of which the log knows more than the figures. mark: another one each time; who has recomputed an hour takes its row
-- away only where nothing was marked since.
create table analytics_dirty_hours (
  hour timestamptz not null,
  tenant_id uuid not null,
  mark bigint not null,
  primary key (hour, tenant_id)
);
create sequence analytics_marks;
grant usage on sequence analytics_marks to dashoffice_app, dashoffice_worker;

do $$
declare table_name text;
begin
  foreach table_name in array array['analytics_rollups', 'analytics_dirty_hours'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app, dashoffice_worker', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
  foreach table_name in array array['projector_positions', 'analytics_leases'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_worker', table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
