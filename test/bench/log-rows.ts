import type { SQL } from 'bun'

const dayMs = 86_400_000
/** Of a day's entries: the rest are events of conversations. */
const messageShare = 0.6

/**
 * Fills the logs with `count` entries of the last `days` days, evenly over the time and the bots, straight into tables that
 * then become the partitions of their days: their indexes are made once they are full. Days that are there stay as they are.
 */
export async function fillLogs(
  admin: SQL,
  { count, days }: { readonly count: number; readonly days: number },
): Promise<void> {
  await admin`create table bench_shops as select row_number() over () - 1 as n, tenant_id, id as bot_id, flow_id from bots`
  const perDay = Math.ceil(count / days)
  const messages = Math.round(perDay * messageShare)
  for (let back = days - 1; back >= 0; back--) {
    const start = new Date(Math.floor(Date.now() / dayMs) * dayMs - back * dayMs)
    // Of today there is what has passed.
    const seconds = back === 0 ? Math.floor((Date.now() - start.getTime()) / 1_000) : 86_400
    const part = seconds / 86_400
    await fillDay(admin, 'message_logs', start, messagesOf(start, seconds, Math.round(messages * part)))
    await fillDay(admin, 'analytics_events', start, eventsOf(start, seconds, Math.round((perDay - messages) * part)))
  }
  await admin`drop table bench_shops`
}

async function fillDay(admin: SQL, log: string, start: Date, rows: string): Promise<void> {
  const day = start.toISOString().slice(0, 10)
  const name = `${log}_${day.replaceAll('-', '')}`
  const [there] = await admin`select to_regclass(${name}) is not null as is_there`
  if (there.is_there) await admin.unsafe(`alter table ${log} detach partition ${name}; drop table ${name}`).simple()
  const end = new Date(start.getTime() + dayMs).toISOString()
  await admin
    .unsafe(
      `create table ${name} (like ${log} including storage);
      alter table ${name} enable row level security;
      alter table ${name} force row level security;
      insert into ${name} ${rows};
      alter table ${log} attach partition ${name} for values from ('${start.toISOString()}') to ('${end}');
      analyze ${name}`,
    )
    .simple()
}

const columns = 'id, tenant_id, created_at, log_type, bot_id, conversation_id, key, value, bucket, data'

/** An answer to each message, mostly delivered. */
function messagesOf(start: Date, seconds: number, count: number): string {
  return `(${columns})
    select gen_random_uuid() || ':' || log_type, tenant_id, at, log_type, bot_id, gen_random_uuid(), 'meta',
      case when log_type = 'accepted' then 100 + i % 5000 end,
      case log_type when 'accepted' then 2 + i % 4 when 'inbound' then floor(extract(minute from at) / 15) end,
      '{"provider": "meta", "content_type": "text", "source": "bot"}'
    from (
      select i, '${start.toISOString()}'::timestamptz + make_interval(secs => ${seconds}::float8 * i / ${count + 1}) as at,
        (array['inbound', 'accepted', 'delivered', 'read'])[1 + i % 4] as log_type
      from generate_series(1, ${count}) i) g
    join bench_shops s on s.n = g.i / 4 % (select count(*) from bench_shops)`
}

/** A run of a few steps. */
function eventsOf(start: Date, seconds: number, count: number): string {
  return `(${columns})
    select gen_random_uuid() || ':' || i, tenant_id, at, log_type, bot_id, gen_random_uuid(),
      case log_type when 'flow.started' then flow_id::text when 'flow.ended' then 'end ' || flow_id || ' thanks'
        else flow_id || ' step_' || i / 4 % 12 end,
      null, null, jsonb_build_object('flow_id', flow_id, 'version', 1)
    from (
      select i, '${start.toISOString()}'::timestamptz + make_interval(secs => ${seconds}::float8 * i / ${count + 1}) as at,
        (array['flow.started', 'question.asked', 'replied', 'flow.ended'])[1 + i % 4] as log_type
      from generate_series(1, ${count}) i) g
    join bench_shops s on s.n = g.i / 4 % (select count(*) from bench_shops)`
}
