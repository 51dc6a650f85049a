-- What the whole API needs: invited users, API keys, sellers, the audit log, idempotency keys, a limit per tenant.

-- Null: the installation's setting.
alter table tenants add column requests_per_minute int check (requests_per_minute between 1 and 10000000);
grant update (requests_per_minute) on tenants to dashoffice_worker;

create table sellers (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  email text,
  phone text,
  active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

-- No password: invited, and not here yet. An agent with a seller sees that seller's orders and conversations only.
alter table users alter column password_hash drop not null;
alter table users add column seller_id uuid;
alter table users add column updated_at timestamptz not null default now();
alter table users add column last_login_at timestamptz;
alter table users add foreign key (tenant_id, seller_id) references sellers;
create index users_seller on users (tenant_id, seller_id) where seller_id is not null;

-- One invitation a user: another takes its place.
create table user_invites (
  tenant_id uuid not null,
  user_id uuid not null,
  token_hash text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references users on delete cascade
);
create unique index user_invites_hash on user_invites (token_hash);

-- Kept by their hash. scopes: a JSON array of permissions.
create table api_keys (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  -- The first characters, so that a person can tell which key this is.
  prefix text not null,
  key_hash text not null,
  scopes jsonb not null,
  created_by uuid,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index api_keys_hash on api_keys (key_hash);

create index customers_phone on customers (tenant_id, phone) where phone is not null;

alter table orders add column seller_id uuid;
alter table orders add foreign key (tenant_id, seller_id) references sellers;
create index orders_status on orders (tenant_id, status, id);
create index orders_seller on orders (tenant_id, seller_id, id) where seller_id is not null;

-- Without a foreign key, as all of the hot path: a seller with conversations is not deleted but made inactive.
alter table conversations add column seller_id uuid;
create index conversations_seller on conversations (tenant_id, seller_id, last_message_at, id) where seller_id is not null;

-- Who changed what. Only appended to: before and after are as the API shows them, without secrets.
create table audit_log (
  tenant_id uuid not null references tenants,
  id uuid not null,
  actor_kind text not null check (actor_kind in ('user', 'api_key')),
  actor_id uuid not null,
  action text not null,
  resource text not null,
  resource_id uuid,
  before jsonb,
  after jsonb,
  address text,
  user_agent text,
  request_id text not null,
  at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index audit_log_resource on audit_log (tenant_id, resource, resource_id, id);
create index audit_log_actor on audit_log (tenant_id, actor_id, id);

-- What a POST with an Idempotency-Key was answered, sealed: it may hold a secret that is shown once.
create table idempotency_keys (
  tenant_id uuid not null references tenants,
  caller_id uuid not null,
  key text not null,
  request_hash text not null,
  status int,
  answer bytea,
  created_at timestamptz not null default now(),
  primary key (tenant_id, caller_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Text as it is searched: in lower case, without accents.
create function plain_text(text) returns text language sql immutable parallel safe strict
  return lower(regexp_replace(normalize($1, nfd), '[' || chr(768) || '-' || chr(879) || ']', '', 'g'));

do $$
declare
  table_name text;
begin
  foreach table_name in array array['sellers', 'user_invites', 'api_keys', 'audit_log', 'idempotency_keys'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
  end loop;
end $$;
grant select, insert, update, delete on sellers, user_invites, api_keys, idempotency_keys to dashoffice_app;
grant select, insert on audit_log to dashoffice_app;
grant select on sellers to dashoffice_worker;
create policy worker on sellers to dashoffice_worker using (true);
grant select, delete on idempotency_keys to dashoffice_worker;
create policy worker on idempotency_keys to dashoffice_worker using (true);
grant select, update on api_keys, user_invites to dashoffice_auth;
create policy auth on api_keys to dashoffice_auth using (true);
create policy auth on user_invites to dashoffice_auth using (true);
