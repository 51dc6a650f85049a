// What a reader of the API notices while what is too old is removed, in the same process and on the same database.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { connect } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { freePort, startProcess } from '../support/process.ts'
import { encryptionKey } from '../support/seed.ts'
import { embeddedConnection } from './embedded.ts'
import { register } from './register.ts'

export type CleaningFigures = {
  /** Of reads that are in no cache, in milliseconds: while nothing is removed, and while it is. */
  readonly quiet: Latencies
  readonly cleaning: Latencies
  /** Rows that the cleaner removed in a second meanwhile. */
  readonly removedPerSecond: number
}

type Latencies = { readonly p50Ms: number; readonly p95Ms: number }

const oldConversations = 40_000
const openConversations = 5_000
const eventsEach = 10
const messagesEach = 8
const readsPerSecond = 100
const warmUpReads = 500
const reads = 2_000

/** Forty thousand conversations that are all too old, beside those that are read. */
export async function benchCleaning(): Promise<CleaningFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const [port, analyticsPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const environment = {
    ...{ DASHOFFICE_DATA_DIR: dataDir, ENCRYPTION_KEY: encryptionKey, LOG_LEVEL: 'warn' },
    ...{ GATEWAY_PORT: String(port), ADAPTER_PORT: '0', ORCHESTRATOR_PORT: '0', ANALYTICS_PORT: String(analyticsPort) },
    ...{ RATE_LIMIT_API_PER_MINUTE: '10000000', ANALYTICS_INTERVAL_SECONDS: '86400' },
  }
  const start = () => startProcess(['up'], environment, `${url}/health`)
  const removed = () => removedRows(`http://127.0.0.1:${analyticsPort}/metrics`)
  let server = await start()
  try {
    const { tenantId, headers } = await register(url)
    const admin = connect(embeddedConnection(dataDir), 1)
    const conversations = await store(admin, tenantId)
    const read = (count: number) => readMessages(url, headers, conversations, count)
    await read(warmUpReads)
    const quiet = await read(reads)
    await admin`update tenants set settings = ${{ retention: { conversations_days: 30 } }} where id = ${tenantId}`
    await admin.close()
    // The cleaner begins with the process.
    await server.stop()
    server = await start()
    await until(async () => (await removed()) > 0, 60_000)
    await read(warmUpReads)
    const [before, startMs] = [await removed(), performance.now()]
    const cleaning = await read(reads)
    const [after, seconds] = [await removed(), (performance.now() - startMs) / 1_000]
    await Bun.sleep(2_000)
    if ((await removed()) === after) throw new Error('the cleaner was done before the reads were')
    return { quiet, cleaning, removedPerSecond: (after - before) / seconds }
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Returns the ids of those that are open. */
async function store(admin: SQL, tenantId: string): Promise<readonly string[]> {
  const bot = crypto.randomUUID()
  const connection = await admin.reserve()
  // The keys that the rows point to are there.
  await connection`set session_replication_role = replica`
  await connection`insert into bots (tenant_id, id, name, provider, config) values (${tenantId}, ${bot}, 'Bot', 'meta', '{}')`
  await connection`insert into customers (tenant_id, id, name)
    select ${tenantId}, uuidv7(), 'Customer ' || i from generate_series(1, ${oldConversations}::int) i`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, status, seq, last_message_at)
    select tenant_id, uuidv7(), ${bot}, id, 'closed', ${eventsEach}::int, now() - interval '60 days'
    from customers where tenant_id = ${tenantId}`
  const open = await connection`insert into conversations
      (tenant_id, id, bot_id, customer_id, status, seq, last_message_at)
    select tenant_id, uuidv7(), ${bot}, id, 'bot', ${eventsEach}::int, now()
    from customers where tenant_id = ${tenantId} limit ${openConversations}::int returning id`
  await connection`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select tenant_id, id, i, 'message.received', jsonb_build_object('message_id', uuidv7()), last_message_at
    from conversations, generate_series(1, ${eventsEach}::int) i where bot_id = ${bot}`
  await connection`insert into messages
      (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id)
    select tenant_id, id, uuidv7(), bot_id, 'outbound', jsonb_build_object('type', 'text', 'text', repeat('hola ', 20)),
      'read', id || ' ' || i from conversations, generate_series(1, ${messagesEach}::int) i where bot_id = ${bot}`
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze)`
  connection.release()
  return open.map((row: { id: string }) => row.id)
}

/** At an even rate, each of another conversation: none is in a cache. */
async function readMessages(
  url: string,
  headers: Readonly<Record<string, string>>,
  conversations: readonly string[],
  count: number,
): Promise<Latencies> {
  const tookMs: number[] = []
  const one = async (index: number) => {
    const id = conversations[Math.floor(Math.random() * conversations.length)]
    const path = `/api/conversations/${id}/messages?limit=${1 + (index % 100)}`
    const start = performance.now()
    const response = await fetch(`${url}${path}`, { headers })
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`reading answered ${response.status}`)
    tookMs.push(performance.now() - start)
  }
  const start = performance.now()
  const running: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    running.push(one(index))
    await Bun.sleep(Math.max(0, start + ((index + 1) * 1_000) / readsPerSecond - performance.now()))
  }
  await Promise.all(running)
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.floor(count * share)] ?? Number.NaN
  return { p50Ms: at(0.5), p95Ms: at(0.95) }
}

async function removedRows(url: string): Promise<number> {
  const text = await (await fetch(url)).text()
  const lines = text.split('\n').filter(line => /^\w*rows_cleaned\w*\{/.test(line))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

if (import.meta.main) console.log(await benchCleaning())
