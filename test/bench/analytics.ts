// The analytics role by itself, beside ten million entries of the logs: what a pass takes, what telling a message costs,
// how much memory it needs. `node bin/bun.mjs test/bench/analytics.ts [FOLDER]` prints the figures; in a folder the entries
// stay for the next time.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { makeLog } from '../../src/lib/log.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { startEmbeddedPostgres } from '../../src/stores/postgres/embedded.ts'
import { readMigrations, runMigrations } from '../../src/stores/postgres/migrate.ts'
import { until } from '../support/installation.ts'
import { databaseUrl } from '../support/postgres.ts'
import { freePort, startProcess } from '../support/process.ts'
import { startTestRedis } from '../support/redis.ts'
import { echoFlow, encryptionKey, seedShop } from '../support/seed.ts'
import { cpuSeconds, postgresCpuSeconds, residentMb } from './cpu.ts'
import { fillLogs } from './log-rows.ts'

// Of the last day there is only what has passed.
const entries = 10_500_000
const days = 30
const shopsCount = 50
const customersPerShop = 40
/** Messages that are told while it is measured, each answered: one turn in fifty of a transaction. */
const messages = 10_000
const messagesPerSecond = 200
const batch = 50
const rebuildMaxMs = 600_000

export type AnalyticsFigures = {
  /** Entries that are stored. */
  readonly stored: number
  /** Making all figures anew from them, in seconds. */
  readonly rebuildSeconds: number
  /** Of the passes while messages were told: the mean, and what 95 in 100 stay below. */
  readonly passMs: number
  readonly passP95Ms: number
  /** CPU of telling one message and its answer, ours and PostgreSQL's. */
  readonly cpuMicros: number
  readonly databaseMicros: number
  readonly residentMb: number
}

/** `redis`: the path of a redis-server, which a role alone needs. `kept`: a folder that stays. */
export async function benchAnalytics(redis: string, kept?: string): Promise<AnalyticsFigures> {
  const dataDir = kept ?? mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  const isFilled = existsSync(join(dataDir, 'postgres'))
  mkdirSync(dataDir, { recursive: true })
  chmodSync(dataDir, 0o755)
  const postgres = await startEmbeddedPostgres({
    ...{ dataDir, password: 'bench-password' },
    log: makeLog({ level: 'error', dir: undefined }),
  })
  const cache = await startTestRedis(redis)
  const admin = connect(postgres.connection, 2)
  try {
    if (!isFilled) await fill(admin)
    const environment = {
      DATABASE_URL: databaseUrl(postgres.connection),
      REDIS_URL: cache.url,
      ...{ DASHOFFICE_DATA_DIR: join(dataDir, 'role'), ENCRYPTION_KEY: encryptionKey, LOG_LEVEL: 'warn' },
      ANALYTICS_INTERVAL_SECONDS: '5',
    }
    const rebuildSeconds = await rebuild(environment)
    const [row] =
      await admin`select (select count(*) from message_logs)::int + (select count(*) from analytics_events)::int as n`
    return { stored: row.n, rebuildSeconds, ...(await measureRole(admin, postgres.pid, environment)) }
  } finally {
    await admin.close()
    await cache.stop()
    await postgres.stop()
    if (kept === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
}

async function fill(admin: SQL): Promise<void> {
  await runMigrations(admin, readMigrations())
  for (let n = 0; n < shopsCount; n++) await seedShop(admin, { number: String(1_000 + n), flow: echoFlow })
  await fillLogs(admin, { count: entries, days })
  await admin`insert into customers (tenant_id, id)
    select tenant_id, uuidv7() from bots, generate_series(1, ${customersPerShop}::int)`
  await admin`insert into conversations (tenant_id, id, bot_id, customer_id)
    select b.tenant_id, uuidv7(), b.id, c.id from customers c join bots b using (tenant_id)`
  await admin`create table bench_conversations as
    select row_number() over (order by c.id) - 1 as n, c.tenant_id, c.id, c.bot_id, b.flow_id
    from conversations c join bots b on b.tenant_id = c.tenant_id and b.id = c.bot_id`
  await admin`create index on bench_conversations (n)`
}

async function rebuild(environment: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now()
  const running = await startProcess(['analytics', 'rebuild'], environment)
  await until(() => running.output().includes('are summed up again'), rebuildMaxMs)
  const seconds = (performance.now() - start) / 1_000
  await running.stop()
  return seconds
}

async function measureRole(
  admin: SQL,
  postmaster: number,
  environment: Readonly<Record<string, string>>,
): Promise<Omit<AnalyticsFigures, 'stored' | 'rebuildSeconds'>> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const own = { ...environment, ANALYTICS_PORT: String(port) }
  const role = await startProcess(['analytics'], own, `${url}/health`)
  let memoryMb = 0
  const look = () => {
    memoryMb = Math.max(memoryMb, residentMb(role.pid))
  }
  try {
    // It finds its place first, which is all the history there is.
    await play(admin, batch, look)
    await untilTold(admin, look)
    const [ours, database] = [cpuSeconds(role.pid), postgresCpuSeconds(postmaster)]
    const passes = await passSeconds(url)
    await play(admin, messages, look)
    await untilTold(admin, look)
    const played = postgresCpuSeconds(postmaster) - database
    const after = await passSeconds(url)
    const micros = (seconds: number) => (seconds * 1e6) / messages
    return {
      passMs: ((after.sum - passes.sum) * 1_000) / Math.max(1, after.count - passes.count),
      passP95Ms: percentileOf(passes, after, 0.95) * 1_000,
      cpuMicros: micros(cpuSeconds(role.pid) - ours),
      databaseMicros: micros(played - (await playAlone(admin, postmaster, role))),
      residentMb: memoryMb,
    }
  } finally {
    await role.stop()
  }
}

/** What the same messages cost PostgreSQL where nobody tells of them. */
async function playAlone(admin: SQL, postmaster: number, role: { stop(): Promise<number> }): Promise<number> {
  await role.stop()
  const before = postgresCpuSeconds(postmaster)
  await play(admin, messages, () => undefined)
  return postgresCpuSeconds(postmaster) - before
}

/** Customers write and are answered, as the tables have it afterwards: fifty to a transaction each, at an even rate. */
async function play(admin: SQL, count: number, look: () => void): Promise<void> {
  const start = performance.now()
  // After all that was there before.
  const firstSeq = Date.now()
  for (let from = 0; from < count; from += batch) {
    const first = from % (shopsCount * customersPerShop)
    const seq = firstSeq + Math.floor(from / (shopsCount * customersPerShop)) * 4
    const chosen = `bench_conversations c where c.n >= ${first} and c.n < ${first + batch}`
    await admin.unsafe(received(chosen)).simple()
    await admin.unsafe(answered(chosen, seq)).simple()
    look()
    await Bun.sleep(Math.max(0, start + ((from + batch) / messagesPerSecond) * 1_000 - performance.now()))
  }
}

function received(chosen: string): string {
  return `insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, provider_at)
    select tenant_id, id, uuidv7(), bot_id, 'inbound', '{"type": "text", "text": "a message of some words"}', 'received',
      'wamid.' || uuidv7(), now() from ${chosen}`
}

function answered(chosen: string, seq: number): string {
  return `insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select tenant_id, id, ${seq} + e.n, e.type, case e.n
        when 1 then jsonb_build_object('message_id', uuidv7())
        when 2 then jsonb_build_object('flow_id', flow_id, 'name', 'Echo', 'version', 1, 'trigger', 'fallback')
        when 3 then jsonb_build_object('step', 'reply', 'flow_id', flow_id, 'message_id', uuidv7())
        else '{"reason": "end"}' end, now()
    from (values (1, 'message.received'), (2, 'flow.started'), (3, 'replied'), (4, 'flow.ended')) e (n, type),
      ${chosen};
    insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, reply_to_at,
      sent_at)
    select tenant_id, id, uuidv7(), bot_id, 'outbound', '{"type": "text", "text": "an answer of some words"}', 'sent',
      'wamid.' || uuidv7(), now() - interval '1 second', now() from ${chosen}`
}

async function untilTold(admin: SQL, look: () => void): Promise<void> {
  const isTold = async () => {
    const [row] = await admin`select (select count(*) from messages m where not exists (select from message_logs l
        where l.id = m.id || ':' || case m.direction when 'inbound' then 'inbound' else 'accepted' end
          and l.created_at >= now() - interval '1 hour'))
      + (select count(*) from analytics_dirty_hours) as left`
    return Number(row.left) === 0
  }
  for (const until = Date.now() + 60_000; Date.now() < until; await Bun.sleep(500)) {
    look()
    if (await isTold()) return
  }
  throw new Error('not everything was told within a minute')
}

type Passes = { readonly sum: number; readonly count: number; readonly buckets: readonly (readonly [number, number])[] }

/** The roll-ups so far. */
async function passSeconds(url: string): Promise<Passes> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const own = text
    .split('\n')
    .filter(line => line.startsWith('analytics_pass_duration_seconds') && line.includes('roll_up'))
  const value = (suffix: string) =>
    Number(
      own
        .find(line => line.includes(`seconds_${suffix}{`))
        ?.split(' ')
        .at(-1) ?? 0,
    )
  const buckets = own.flatMap(line => {
    const [, bound] = /le="([^"]+)"/.exec(line) ?? []
    return bound === undefined
      ? []
      : [[Number(bound.replace('+Inf', 'Infinity')), Number(line.split(' ').at(-1))] as const]
  })
  return { sum: value('sum'), count: value('count'), buckets }
}

/** As if what is in a bucket were spread evenly over it. */
function percentileOf(before: Passes, after: Passes, share: number): number {
  const wanted = (after.count - before.count) * share
  const counts = after.buckets.map(([, count], index) => count - (before.buckets[index]?.[1] ?? 0))
  const index = counts.findIndex(count => count >= wanted)
  const [below, inside] = [counts[index - 1] ?? 0, (counts[index] ?? 0) - (counts[index - 1] ?? 0)]
  const [from, to] = [after.buckets[index - 1]?.[0] ?? 0, after.buckets[index]?.[0] ?? 0]
  return from + ((to - from) * (wanted - below)) / Math.max(1, inside)
}

if (import.meta.main) {
  const redis = Bun.which('redis-server')
  if (redis === null) throw new Error('redis-server is not installed: a role alone needs one')
  console.table(await benchAnalytics(redis, process.argv[2]))
}
