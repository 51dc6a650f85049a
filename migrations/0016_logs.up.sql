-- What happened, for the figures and for whoever looks for a fault, where no MongoDB keeps it. A table a day, so that what
-- is too old goes at once and leaves no dead rows.

do $$
declare
  log text;
begin
  foreach log in array array['message_logs', 'analytics_events', 'system_logs'] loop
    -- created_at is part of the key because it decides where a row lies: it never changes, so an id is there once all the
    -- same. Ids are compared byte by byte, as MongoDB does.
    execute format($table$create table %I (
      id text collate "C" not null,
      -- Null: the system's own.
      tenant_id uuid,
      created_at timestamptz not null,
      log_type text not null,
      bot_id uuid,
      conversation_id uuid,
      key text not null,
      value double precision,
      bucket int,
      data jsonb not null,
      primary key (created_at, id)
    ) partition by range (created_at)$table$, log);
    execute format('create index on %I (tenant_id, created_at, id)', log);
    execute format('create index on %I (tenant_id, log_type, created_at)', log);
    execute format('create index on %I (conversation_id) where conversation_id is not null', log);
    execute format('alter table %I enable row level security', log);
    execute format('alter table %I force row level security', log);
    execute format('grant select on %I to dashoffice_app', log);
    execute format('grant select, insert, delete on %I to dashoffice_worker', log);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, log);
    execute format('create policy worker on %I to dashoffice_worker using (true)', log);
  end loop;
end $$;

-- Only who owns a table makes and drops its partitions, and the program's roles own none: these two do just that, with the
-- three logs, a day (UTC) each. Nobody is granted anything on a partition: its rows are reached through its log.

-- Makes the partitions of these days that are missing; says how many.
create function make_log_partitions(log text, days date[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
  made int := 0;
  day date;
  partition_name text;
begin
  if log not in ('message_logs', 'analytics_events', 'system_logs') then
    raise exception '% is no log', log;
  end if;
  -- Two processes that miss the same day take turns.
  perform pg_advisory_xact_lock(7246019);
  foreach day in array days loop
    if day not between current_date - 3700 and current_date + 31 then
      raise exception 'no log is kept for %', day;
    end if;
    partition_name := log || to_char(day, '_YYYYMMDD');
    continue when to_regclass('public.' || partition_name) is not null;
    -- Made first, then attached: that lets everybody go on reading and writing.
    execute format('create table public.%I (like public.%I including storage)', partition_name, log);
    execute format('alter table public.%I enable row level security', partition_name);
    execute format('alter table public.%I force row level security', partition_name);
    execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)', log, partition_name,
      day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    made := made + 1;
  end loop;
  return made;
end $$;

-- Drops the partitions whose day has ended by a moment; says how many. Whoever drops waits for those who read, and those
-- who come after wait for it: after a second it gives up instead.
create function drop_log_partitions(log text, before timestamptz) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
  dropped int := 0;
  partition_name text;
begin
  if log not in ('message_logs', 'analytics_events', 'system_logs') then
    raise exception '% is no log', log;
  end if;
  perform pg_advisory_xact_lock(7246019);
  for partition_name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('public.' || log) and c.relname ~ '_\d{8}$'
      and (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC' <= before
    order by c.relname
  loop
    execute format('drop table public.%I', partition_name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;

revoke all on function make_log_partitions(text, date[]), drop_log_partitions(text, timestamptz) from public;
grant execute on function make_log_partitions(text, date[]), drop_log_partitions(text, timestamptz) to dashoffice_worker;
