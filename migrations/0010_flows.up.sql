-- What flows that a shop can live on need: a tenant's settings, consent, several flows a bot, mail that is put aside.

-- Language, opening hours, holidays, words, time-outs of hand-overs; see src/identity/tenant-settings.ts.
alter table tenants add column settings jsonb not null default '{}';

-- Since when the customer wants no messages; the evidence is in consents.
alter table customers add column opted_out_at timestamptz;
alter table customers add column tags text[] not null default '{}';
create index customers_opted_out on customers (tenant_id, id) where opted_out_at is not null;

-- Who said when and by what that a customer wants no messages, or wants them again. Only appended to.
create table consents (
  tenant_id uuid not null references tenants,
  id uuid not null,
  customer_id uuid not null,
  kind text not null check (kind in ('opted_out', 'opted_in')),
  source text not null check (source in ('customer', 'agent', 'api')),
  word text,
  message_id uuid,
  conversation_id uuid,
  user_id uuid,
  note text,
  at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, customer_id) references customers on delete cascade
);
create index consents_customer on consents (tenant_id, customer_id, id);

-- Besides the main flow, in the order in which their triggers are tried.
alter table bots add column flow_ids uuid[] not null default '{}' check (cardinality(flow_ids) <= 20);

alter table inbox drop constraint inbox_kind_check;
alter table inbox add constraint inbox_kind_check
  check (kind in ('message', 'timer', 'result', 'handoff', 'resume', 'close', 'agent_message', 'move'));
-- A message that came while the flow waits for an answer from outside: it is taken with that answer.
alter table inbox add column held boolean not null default false;
drop index inbox_waiting;
create index inbox_waiting on inbox (tenant_id, id) where failed_reason is null and not held;

-- The confirmation that a customer is opted out is sent although they are.
alter table outbox add column consent boolean not null default false;
-- Of outbound messages; null: the bot's.
alter table messages add column source text check (source in ('agent', 'api', 'phone'));

-- Since when a conversation waits for a person; null while it does not.
alter table conversations add column waiting_since timestamptz;

alter table consents enable row level security;
alter table consents force row level security;
grant select, insert on consents to dashoffice_app, dashoffice_worker;
-- Merging two customers keeps the evidence of both.
grant update (customer_id) on consents to dashoffice_app, dashoffice_worker;
create policy app on consents to dashoffice_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy worker on consents to dashoffice_worker using (true);
