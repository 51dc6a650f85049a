// Turns through PostgreSQL: the real runner on the embedded server, fsync on, mail that was stored beforehand.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeLog } from '../../src/lib/log.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { makeTurnRunner } from '../../src/orchestrator/run-turns.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { startEmbeddedPostgres } from '../../src/stores/postgres/embedded.ts'
import { readMigrations, runMigrations } from '../../src/stores/postgres/migrate.ts'
import { echoFlow, orderFlow, seedShop } from '../support/seed.ts'
import { postgresCpuSeconds } from './cpu.ts'

/** CPU µs of one turn, ours and PostgreSQL's, and how many a second on this machine. */
export type TurnFigures = {
  readonly turns: number
  readonly perSecond: number
  readonly oursMicros: number
  readonly postgresMicros: number
}

/** Conversations in flight, as batches that run at the same time. */
export type InFlight = { readonly loops: number; readonly batchMax: number }

const tenants = 50
const conversationsPerTenant = 40
const log = makeLog({ level: 'error', dir: undefined })

export type TurnBench = {
  readonly admin: SQL
  readonly database: Database
  readonly postmaster: number
  stop(): Promise<void>
}

/** An embedded PostgreSQL of its own, as durable as in production. */
export async function startTurnBench(): Promise<TurnBench> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const server = await startEmbeddedPostgres({ dataDir, password: 'bench', log })
  const admin = connect(server.connection, 2)
  await runMigrations(admin, readMigrations())
  const database = openDatabase(server.connection, makeMetrics())
  return {
    admin,
    database,
    postmaster: server.pid,
    async stop() {
      await database.close()
      await admin.close()
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Conversations of many tenants, all with the same flow. `rounds`: what every customer writes, as SQL for its content. */
export async function seedConversations(admin: SQL, flow: unknown): Promise<void> {
  await admin.unsafe(
    'truncate tenants, flows, bots, customers, conversations, inbox, outbox, messages, conversation_events, timers, products, orders, order_items cascade',
  )
  for (let index = 0; index < tenants; index++)
    await seedShop(admin, { number: String(1_000 + index), flow, stock: 1_000_000 })
  await admin.unsafe(`
    with b as (select tenant_id, id from bots), c as (
      insert into customers (tenant_id, id, name, phone)
      select b.tenant_id, uuidv7(), 'Ada ' || n, '+34600' || lpad(n::text, 6, '0') from b, generate_series(1, ${conversationsPerTenant}) n
      returning tenant_id, id)
    insert into conversations (tenant_id, id, bot_id, customer_id)
    select c.tenant_id, uuidv7(), b.id, c.id from c join b using (tenant_id)`)
  await admin.unsafe('vacuum analyze')
}

/** A message of every customer, in no order. */
export async function deliver(admin: SQL, content: string): Promise<void> {
  await admin.unsafe('truncate outbox')
  await admin.unsafe(`
    with m as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, provider_at)
      select c.tenant_id, c.id, uuidv7(), c.bot_id, 'inbound', ${content}, 'received', uuidv7()::text, now()
      from (select * from conversations order by random()) c
      returning tenant_id, conversation_id, id)
    insert into inbox (tenant_id, conversation_id, id, kind, body)
    select tenant_id, conversation_id, id, 'message', '{}' from m`)
}

export const echoRounds = [`jsonb_build_object('type', 'text', 'text', 'hola, esto es un mensaje ' || random())`]
export const orderRounds = [
  `'{"type": "text", "text": "Hola"}'`,
  `(select jsonb_build_object('type', 'choice', 'id', p.id, 'title', p.name) from products p where p.tenant_id = c.tenant_id limit 1)`,
  `'{"type": "text", "text": "2"}'`,
  `'{"type": "choice", "id": "yes", "title": "Sí, confirmar"}'`,
]

/** Plays all mail there is. */
export async function drain(database: Database, { loops, batchMax }: InFlight): Promise<number> {
  const bus = makeMemoryBus()
  const feed = makeFeed({ bus, gate: makeMemoryGate(systemClock), log })
  const runner = makeTurnRunner({
    database,
    bus,
    feed,
    clock: systemClock,
    ids: uuids,
    log,
    metrics: makeMetrics(),
    actions,
    batchMax,
  })
  const one = async () => {
    let turns = 0
    for (let taken = 1; taken > 0; ) turns += taken = await runner.runBatch()
    return turns
  }
  const counts = await Promise.all(Array.from({ length: loops }, one))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Delivers and plays `rounds`, `times` times; only the playing is measured. */
export async function benchTurns(
  { admin, database, postmaster }: TurnBench,
  inFlight: InFlight,
  rounds: readonly string[],
  times: number,
): Promise<TurnFigures> {
  let [turns, ours, postgres, ms] = [0, 0, 0, 0]
  for (let time = 0; time < times; time++)
    for (const content of rounds) {
      await deliver(admin, content)
      const [used, server, start] = [process.cpuUsage(), postgresCpuSeconds(postmaster), performance.now()]
      turns += await drain(database, inFlight)
      ms += performance.now() - start
      const { user, system } = process.cpuUsage(used)
      ours += user + system
      postgres += (postgresCpuSeconds(postmaster) - server) * 1e6
    }
  return {
    turns,
    perSecond: Math.round((turns / ms) * 1_000),
    oursMicros: Math.round(ours / turns),
    postgresMicros: Math.round(postgres / turns),
  }
}

if (import.meta.main) {
  const bench = await startTurnBench()
  try {
    for (const [name, flow, rounds, times] of [
      ['echo', echoFlow, echoRounds, 5],
      ['order', orderFlow, orderRounds, 2],
    ] as const) {
      await seedConversations(bench.admin, flow)
      await benchTurns(bench, { loops: 2, batchMax: 50 }, rounds, 2)
      for (const inFlight of [
        { loops: 1, batchMax: 1 },
        { loops: 1, batchMax: 16 },
        { loops: 2, batchMax: 32 },
        { loops: 2, batchMax: 50 },
        { loops: 3, batchMax: 100 },
      ])
        console.log(name, inFlight, await benchTurns(bench, inFlight, rounds, inFlight.batchMax === 1 ? 1 : times))
    }
    const [row] =
      await bench.admin`select (select count(*) from inbox) as mail, (select count(*) from orders) as orders, (select count(*) from outbox) as sends`
    console.log(row)
  } finally {
    await bench.stop()
  }
}
