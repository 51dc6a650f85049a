// Turns through PostgreSQL: the real runner on the embedded server, fsync on, mail that was stored beforehand.
import type { SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeLog } from '../../src/lib/log.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { makeTurnRunner, turnsBatchMax } from '../../src/orchestrator/run-turns.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { makeMemorySnapshots } from '../../src/stores/memory/state-snapshots.ts'
import type { Database } from '../../src/stores/postgres/database.ts'
import { echoFlow, orderFlow, seedShop } from '../support/seed.ts'
import { postgresCpuSeconds } from './cpu.ts'
import { type BenchDatabase, type BenchPostgres, startBenchPostgres } from './embedded.ts'

/** CPU µs of one turn, ours and PostgreSQL's, and how many a second on this machine. */
export type TurnFigures = {
  readonly perSecond: number
  readonly oursMicros: number
  readonly postgresMicros: number
}

/** Conversations whose turns are under way at the same time: `loops` batches of `batchMax`. */
export type InFlight = { readonly loops: number; readonly batchMax: number }

/** One conversation after the other, 16 and 64 at the same time, and as many as the orchestrator plays where there is enough mail. */
export const inFlight = {
  1: { loops: 1, batchMax: 1 },
  16: { loops: 1, batchMax: 16 },
  64: { loops: 2, batchMax: 32 },
  200: { loops: 2, batchMax: turnsBatchMax },
} as const satisfies Record<string | number, InFlight>

/** What customers write, one round after the other, as SQL for the content of a message to conversation `c`. */
type Script = { readonly flow: unknown; readonly rounds: readonly string[] }

/** One message, one reply. */
export const echo: Script = {
  flow: echoFlow,
  rounds: [`jsonb_build_object('type', 'text', 'text', 'hello, this is message ' || random())`],
}

/** The demo's flow, from "hola" to the order, which is made with the last message. */
export const order: Script = {
  flow: orderFlow,
  rounds: [
    `'{"type": "text", "text": "Hola"}'::jsonb`,
    `(select jsonb_build_object('type', 'choice', 'id', p.id, 'title', p.name) from products p
      where p.tenant_id = c.tenant_id limit 1)`,
    `'{"type": "text", "text": "2"}'::jsonb`,
    `'{"type": "choice", "id": "yes", "title": "Sí, confirmar"}'::jsonb`,
  ],
}

const shops = 50
const customersPerShop = 40

/** Shops with customers who have a conversation each. */
export async function seedConversations({ admin }: BenchDatabase, { flow }: Script): Promise<void> {
  for (let index = 0; index < shops; index++)
    await seedShop(admin, { number: String(1_000 + index), flow, stock: 1_000_000_000 })
  await admin.unsafe(`
    with c as (
      insert into customers (tenant_id, id, name, phone)
      select b.tenant_id, uuidv7(), 'Ada ' || n, '+34600' || lpad(n::text, 6, '0')
      from bots b, generate_series(1, ${customersPerShop}) n returning tenant_id, id)
    insert into conversations (tenant_id, id, bot_id, customer_id)
    select c.tenant_id, uuidv7(), b.id, c.id from c join bots b using (tenant_id)`)
  await admin.unsafe('vacuum analyze')
}

/** A message of every customer, in no order. Nothing sends what the turns before have left to be sent: it is removed. */
async function deliver(admin: SQL, content: string): Promise<void> {
  await admin.unsafe('truncate outbox')
  await admin.unsafe(`
    with m as (
      insert into messages
        (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, provider_at)
      select c.tenant_id, c.id, uuidv7(), c.bot_id, 'inbound', ${content}, 'received', uuidv7()::text, now()
      from (select * from conversations order by random()) c
      returning tenant_id, conversation_id, id, bot_id)
    insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select tenant_id, conversation_id, id, 'message', '{}', bot_id from m`)
}

const log = makeLog({ level: 'error', dir: undefined })

/** Plays all mail there is. */
export function makePlayer(database: Database, { loops, batchMax }: InFlight): () => Promise<void> {
  const bus = makeMemoryBus()
  const runner = makeTurnRunner({
    ...{ database, bus, log, actions, batchMax },
    ...{ clock: systemClock, ids: uuids, metrics: makeMetrics() },
    feed: makeFeed({ bus, gate: makeMemoryGate(systemClock), log }),
    snapshots: makeMemorySnapshots(systemClock),
  })
  const loop = async () => {
    while ((await runner.runBatch()) > 0);
  }
  return async () => void (await Promise.all(Array.from({ length: loops }, loop)))
}

/** Delivers a script's messages and plays them, `times` times; only the playing is measured. Throws where mail is left. */
export async function benchTurns(
  { postmaster }: BenchPostgres,
  { admin, database }: BenchDatabase,
  { rounds }: Script,
  at: InFlight,
  times: number,
): Promise<TurnFigures> {
  const play = makePlayer(database, at)
  let [ours, postgres, ms] = [0, 0, 0]
  for (let time = 0; time < times; time++)
    for (const content of rounds) {
      await deliver(admin, content)
      const [server, used, start] = [postgresCpuSeconds(postmaster), process.cpuUsage(), performance.now()]
      await play()
      ms += performance.now() - start
      const { user, system } = process.cpuUsage(used)
      ours += user + system
      postgres += (postgresCpuSeconds(postmaster) - server) * 1e6
    }
  const [left] = await admin`select count(*)::int as mail from inbox`
  if (left.mail > 0) throw new Error(`${left.mail} messages could not be played`)
  const turns = times * rounds.length * shops * customersPerShop
  return {
    perSecond: Math.round((turns / ms) * 1_000),
    oursMicros: Math.round(ours / turns),
    postgresMicros: Math.round(postgres / turns),
  }
}

if (import.meta.main) {
  const postgres = await startBenchPostgres()
  try {
    for (const [name, script, times] of [
      ['echo', echo, 4],
      ['order', order, 1],
    ] as const) {
      const database = await postgres.open(`turns_${name}`)
      await seedConversations(database, script)
      await benchTurns(postgres, database, script, inFlight[200], 1)
      for (const [count, at] of Object.entries(inFlight))
        console.log(name, count, await benchTurns(postgres, database, script, at, count === '1' ? 1 : times))
    }
  } finally {
    await postgres.stop()
  }
}
