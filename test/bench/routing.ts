// What a message costs where few bots are stored and where many are: found, stored, played.
import type { SQL } from 'bun'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { findBotWithSecrets } from '../../src/messaging/find-bot.ts'
import { type InboundMessage, receiveMessages } from '../../src/messaging/receive-messages.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'
import { postgresCpuSeconds } from './cpu.ts'
import { type BenchDatabase, type BenchPostgres, startBenchPostgres } from './embedded.ts'
import { inFlight, makePlayer } from './turns.ts'

/** How much is stored: the conversations are shared out among the bots, ten of which each tenant has. */
export type Stored = { readonly bots: number; readonly conversations: number }

const botsPerTenant = 10
/** Customers who write: the same number wherever they are found. */
const writers = 2_000
const rounds = 6
const messagesPerTransaction = 50
const lookups = 1_000
const sealer = makeSealer(encryptionKey)

export type RoutingFigures = {
  /** CPU µs of one message, ours and PostgreSQL's, of each of the two. */
  readonly fewMicros: number
  readonly manyMicros: number
  /** From asking for a bot by its id, as a webhook does, to having it: the slowest but one in twenty, in milliseconds. */
  readonly findBotP95Ms: number
}

/** Measures few and many in turn, so that whatever else the machine does is in both. */
export async function benchRouting(few: Stored, many: Stored): Promise<RoutingFigures> {
  const postgres = await startBenchPostgres()
  try {
    const [small, large] = [await open(postgres, 'few', few), await open(postgres, 'many', many)]
    for (const place of [small, large]) await measure(postgres, place)
    const costs = { few: 0, many: 0 }
    for (let round = 0; round < rounds; round++) {
      costs.few += await measure(postgres, small)
      costs.many += await measure(postgres, large)
    }
    return {
      fewMicros: Math.round(costs.few / rounds),
      manyMicros: Math.round(costs.many / rounds),
      findBotP95Ms: await findBots(large),
    }
  } finally {
    await postgres.stop()
  }
}

type Place = BenchDatabase & {
  readonly writers: readonly { readonly tenant_id: string; readonly bot_id: string; readonly phone: string }[]
  readonly play: () => Promise<void>
}

async function open(postgres: BenchPostgres, name: string, stored: Stored): Promise<Place> {
  const opened = await postgres.open(name)
  await seed(opened.admin, stored)
  const found = await opened.admin`
    select c.tenant_id, c.bot_id, k.phone from conversations c
    join customers k on k.tenant_id = c.tenant_id and k.id = c.customer_id order by random() limit ${writers}`
  return { ...opened, writers: found, play: makePlayer(opened.database, inFlight[200]) }
}

async function seed(admin: SQL, { bots, conversations }: Stored): Promise<void> {
  const document = JSON.stringify(echoFlow)
  const connection = await admin.reserve()
  // The keys that the rows point to are there.
  await connection.unsafe('set session_replication_role = replica')
  await connection.unsafe(
    `insert into tenants (id, name) select uuidv7(), 'Shop ' || n from generate_series(1, ${bots / botsPerTenant}) n`,
  )
  await connection`insert into flows (tenant_id, id, name, document, published_version)
    select id, uuidv7(), 'Echo', ${document}::text::jsonb, 1 from tenants`
  await connection`insert into flow_versions (tenant_id, flow_id, version, document)
    select tenant_id, id, 1, document from flows`
  await connection.unsafe(`insert into bots (tenant_id, id, name, provider, config, flow_id, status)
    select f.tenant_id, uuidv7(), 'Bot ' || n, 'meta', '{"phone_number_id": "1"}', f.id, 'connected'
    from flows f, generate_series(1, ${botsPerTenant}) n`)
  await connection.unsafe(`create temp table given as
    select b.tenant_id, b.id as bot_id, uuidv7() as customer_id, '+34' || (600000000 + row_number() over ()) as phone
    from bots b, generate_series(1, ${conversations / bots}) n`)
  await connection.unsafe(
    `insert into customers (tenant_id, id, name, phone) select tenant_id, customer_id, 'Ada', phone from given`,
  )
  await connection.unsafe(`insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select tenant_id, bot_id, 'phone', phone, customer_id from given`)
  await connection.unsafe(`insert into conversations (tenant_id, id, bot_id, customer_id)
    select tenant_id, uuidv7(), bot_id, customer_id from given`)
  await connection.unsafe('set session_replication_role = origin')
  await connection.unsafe('vacuum analyze')
  connection.release()
}

/** CPU µs of one message, for a message of each writer: stored as the adapter does, played as the orchestrator does. */
async function measure({ postmaster }: BenchPostgres, place: Place): Promise<number> {
  await place.admin.unsafe('truncate outbox')
  const messages = place.writers.map(messageOf)
  const [server, used] = [postgresCpuSeconds(postmaster), process.cpuUsage()]
  for (let index = 0; index < messages.length; index += messagesPerTransaction)
    await receiveMessages(place.database, uuids, messages.slice(index, index + messagesPerTransaction), sealer)
  await place.play()
  const { user, system } = process.cpuUsage(used)
  return (user + system + (postgresCpuSeconds(postmaster) - server) * 1e6) / messages.length
}

function messageOf({ tenant_id, bot_id, phone }: Place['writers'][number]): InboundMessage {
  return {
    ...{ tenantId: tenant_id, botId: bot_id, providerMessageId: `wamid.${crypto.randomUUID()}`, at: new Date() },
    sender: { identities: [{ kind: 'phone', value: phone }], name: 'Ada' },
    content: { type: 'text', text: 'hello' },
  }
}

async function findBots({ database, writers: some }: Place): Promise<number> {
  const took: number[] = []
  for (const { bot_id } of some.slice(0, lookups)) {
    const start = performance.now()
    await database.read({ role: 'worker' }, tx => findBotWithSecrets(tx, sealer, bot_id))
    took.push(performance.now() - start)
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length * 0.95)] ?? Number.NaN
}

if (import.meta.main)
  console.log(await benchRouting({ bots: 10, conversations: 2_000 }, { bots: 10_000, conversations: 1_000_000 }))
