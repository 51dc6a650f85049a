-- What each day and each week has brought a tenant, made once and kept as it was made.

-- starts_on: the first day by the tenant's calendar; the period, from and before which moment, by its clock.
create table reports (
  tenant_id uuid not null references tenants,
  id uuid not null,
  kind text not null check (kind in ('daily', 'weekly')),
  starts_on date not null,
  period_start timestamptz not null,
  period_end timestamptz not null,
  time_zone text not null,
  data jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint reports_period unique (tenant_id, kind, starts_on)
);

-- Whom a report is sent to, and how far that has come. due_at: queued, when to try; sending, when its process is taken for
-- dead.
create table report_mails (
  tenant_id uuid not null,
  report_id uuid not null,
  address text not null,
  state text not null default 'queued' check (state in ('queued', 'sending', 'sent', 'failed')),
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  -- Why the last try failed.
  error text,
  ended_at timestamptz,
  primary key (tenant_id, report_id, address),
  foreign key (tenant_id, report_id) references reports on delete cascade
);
create index report_mails_due on report_mails (due_at) where state in ('queued', 'sending');

do $$
declare table_name text;
begin
  foreach table_name in array array['reports', 'report_mails'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app, dashoffice_worker', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
