-- What is too old is removed, and what is known of a person, or of a tenant, is handed out and erased.

-- Two more database roles, as in 0001. dashoffice_cleaner: rows of every tenant, of the tables in which something grows too
-- old. dashoffice_privacy: all rows of one tenant, to hand them out or to erase them.
do $$
declare role_name text;
begin
  foreach role_name in array array['dashoffice_cleaner', 'dashoffice_privacy'] loop
    begin
      execute format('create role %I nologin nosuperuser nobypassrls', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
    execute format('grant %I to current_user', role_name);
    execute format('grant usage on schema public to %I', role_name);
  end loop;
end $$;

-- Conversations that are removed already, while their messages and events still are.
create table gone_conversations (
  tenant_id uuid not null,
  id uuid not null,
  gone_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

-- People who were erased, and how far that has come. Without anything of the person once it is done.
create table erasures (
  tenant_id uuid not null references tenants,
  id uuid not null,
  customer_id uuid not null,
  actor_kind text not null check (actor_kind in ('user', 'api_key')),
  actor_id uuid not null,
  reason text,
  requested_at timestamptz not null default now(),
  -- What the person is found by where nothing names them by an id, sealed.
  subject bytea,
  key_id text,
  -- Looks through everything that were made, and when the next is due: or, while one is made, when its process is taken for
  -- dead.
  passes int not null default 0,
  due_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (tenant_id, id),
  constraint erasures_customer unique (tenant_id, customer_id),
  check ((done_at is null) = (subject is not null))
);
create index erasures_due on erasures (due_at) where done_at is null;

-- Who wanted no messages when they were erased: by a keyed hash of what WhatsApp knew them by. Those of one person have one
-- erasure, and go together when the person is known again, and opted out.
create table suppressions (
  tenant_id uuid not null references tenants,
  hash text not null,
  erasure_id uuid not null,
  opted_out_at timestamptz not null,
  primary key (tenant_id, hash)
);
create index suppressions_erasure on suppressions (tenant_id, erasure_id);

-- The key of a tenant's hashes, sealed: without it the few phone numbers there are could be tried one by one.
create table suppression_keys (
  tenant_id uuid primary key references tenants,
  key_id text not null,
  sealed bytea not null
);

-- Whose the orders of erased people are: one customer a tenant, of whom nothing is known.
alter table customers add column is_erased boolean not null default false;
create unique index customers_erased on customers (tenant_id) where is_erased;

-- erasure: said before the customer was erased.
alter table consents drop constraint consents_source_check;
alter table consents add constraint consents_source_check check (source in ('customer', 'agent', 'api', 'erasure'));

-- What is too old is found by its age, and what is of a conversation, or of a message, by that.
create index message_statuses_age on message_statuses (received_at);
create index own_message_ids_age on own_message_ids (created_at);
create index own_message_ids_message on own_message_ids (tenant_id, message_id);
create index refresh_tokens_age on refresh_tokens (expires_at);
create index user_invites_age on user_invites (expires_at);
create index ignored_webhooks_age on ignored_webhooks (received_at);
create index provider_memo_age on provider_memo (expires_at) where expires_at is not null;
create index media_conversation on media (tenant_id, conversation_id) where conversation_id is not null;

do $$
declare
  table_name text;
  of_tenant text := '(tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))';
  cleaned text[] := array['conversations', 'conversation_events', 'messages', 'message_statuses', 'own_message_ids', 'inbox',
    'outbox', 'timers', 'calls', 'media', 'gone_conversations', 'audit_log', 'refresh_tokens', 'user_invites',
    'ignored_webhooks', 'provider_memo', 'analytics_rollups', 'reports', 'erasures'];
begin
  foreach table_name in array array['gone_conversations', 'erasures', 'suppressions', 'suppression_keys'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
  end loop;
  foreach table_name in array cleaned loop
    continue when to_regclass(table_name) is null;
    execute format('grant select, update, delete on %I to dashoffice_cleaner', table_name);
    execute format('create policy cleaner on %I to dashoffice_cleaner using (true)', table_name);
  end loop;
  -- Every table of a tenant that there is by now; a migration that adds one does this for it.
  for table_name in
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  loop
    execute format('grant select, insert, update, delete on %I to dashoffice_privacy', table_name);
    execute format('create policy privacy on %I to dashoffice_privacy using ' || of_tenant, table_name);
  end loop;
  -- A request shows erasures, and knows whom not to write to; so does whoever takes messages in.
  execute 'create policy app on erasures to dashoffice_app using ' || of_tenant;
  foreach table_name in array array['suppressions', 'suppression_keys'] loop
    execute format('create policy app on %I to dashoffice_app using ' || of_tenant, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
grant select on erasures to dashoffice_app;
grant select, update, delete on suppressions to dashoffice_app, dashoffice_worker;
grant select on suppression_keys to dashoffice_app, dashoffice_worker;
grant insert on gone_conversations to dashoffice_cleaner;
-- An order outlives its conversation.
grant select, update (conversation_id) on orders to dashoffice_cleaner;
create policy cleaner on orders to dashoffice_cleaner using (true);

create policy cleaner on tenants to dashoffice_cleaner using (true);
create policy privacy on tenants to dashoffice_privacy
  using (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select on tenants to dashoffice_cleaner;
grant select, update, delete on tenants to dashoffice_privacy;
