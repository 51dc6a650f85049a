-- Sessions of WhatsApp Web, which a bridge process keeps open: who may open one, its keys, and what came through it.

create table provider_sessions (
  tenant_id uuid not null,
  bot_id uuid not null,
  -- The bridge that has the session's only socket; null: none has.
  owner uuid,
  -- Grows with each owner: what an earlier one still writes is refused.
  fence bigint not null default 0,
  -- From then on another bridge may take the session. By the clock of the database.
  lease_expires_at timestamptz,
  -- Where the owner listens.
  url text,
  -- wanted: a socket is to be open. The others: not before somebody connects it again, for this reason.
  state text not null default 'wanted' check (state in ('wanted', 'ended', 'refused', 'logged_out')),
  reason text,
  primary key (tenant_id, bot_id),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

-- Each value sealed: together they are the account. Of the type 'sent': what was sent, for a phone that asks again.
create table provider_session_keys (
  tenant_id uuid not null,
  bot_id uuid not null,
  type text not null,
  id text not null,
  sealed bytea not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, type, id),
  foreign key (tenant_id, bot_id) references provider_sessions on delete cascade
);

-- What came through a session, until it was handed over. A message is written in the transaction that advances the keys
-- which decrypted it, before WhatsApp is told that it arrived. Sealed: it holds the keys of files.
create table provider_session_events (
  tenant_id uuid not null,
  bot_id uuid not null,
  kind text not null check (kind in ('message', 'status')),
  id text not null,
  seq bigint not null generated always as identity,
  sealed bytea not null,
  due_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, kind, id),
  foreign key (tenant_id, bot_id) references provider_sessions on delete cascade
);
create index provider_session_events_order on provider_session_events (tenant_id, bot_id, seq);
alter table provider_session_events set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index bots_baileys on bots (id) where provider = 'baileys';

-- The bridge alone reads and writes these: no request does.
do $$
declare table_name text;
begin
  foreach table_name in array array['provider_sessions', 'provider_session_keys', 'provider_session_events'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_worker', table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
