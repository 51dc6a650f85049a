import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { type DatabaseProxy, startDatabaseProxy } from '../../test/support/database-proxy.ts'
import { until } from '../../test/support/installation.ts'
import { openOnPostgres } from '../../test/support/log-stores.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { uuids } from '../lib/ids.ts'
import { type Log, listenToLines, makeLog } from '../lib/log.ts'
import { type Metrics, makeMetrics } from '../lib/metrics.ts'
import { keepLogLines } from './keep-log-lines.ts'
import type { LogEntry, LogStore } from './log-store.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let proxy: DatabaseProxy
let store: LogStore
let reader: LogStore
let log: Log
let metrics: Metrics
let lines: ReturnType<typeof keepLogLines>

beforeAll(async () => {
  created = await createTestDatabase()
  proxy = await startDatabaseProxy(created.connection)
  reader = openOnPostgres(created.connection)
})
beforeEach(() => {
  store = openOnPostgres(proxy.connection)
  log = makeLog({ level: 'info', dir: undefined })
  metrics = makeMetrics()
  lines = keepLogLines({ log, store, metrics, ids: uuids, role: 'all' })
})
afterEach(async () => {
  await lines.stop()
  await store.close()
})
afterAll(async () => {
  await reader.close()
  await proxy.cut()
  await created.drop()
})

/** Oldest first; what bears the mark of a test is its own. */
async function kept(mark: string): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for (let page = await reader.read('system_logs', { tenantId: null, limit: 1_000 }); page.length > 0; ) {
    all.push(...page)
    page = await reader.read('system_logs', { tenantId: null, limit: 1_000, before: page.at(-1) })
  }
  return all.filter(entry => entry.data.mark === mark).reverse()
}

async function counted(outcome: string): Promise<number> {
  const { values } = await metrics.systemLogLines.get()
  return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0
}

const newMark = () => crypto.randomUUID()

test('what is logged is kept in system_logs: with its level, its role and its fields, in order, and no secret', async () => {
  const mark = newMark()
  const [bot_id, conversation_id] = [uuids.next(), uuids.next()]
  const since = Date.now()
  log.info({ mark, bot_id, conversation_id, n: 1 }, 'first')
  log.child({ role: 'gateway' }).warn({ mark, request: { authorization: 'Bearer abc', path: '/x' } }, 'second')
  log.error({ mark, role: 'adapter', password: 'abc' }, 'third')
  log.debug({ mark }, 'below the level')
  await until(async () => (await kept(mark)).length === 3)
  const entries = await kept(mark)
  expect(entries.map(({ log_type, data }) => [log_type, data])).toEqual([
    ['info', { role: 'all', message: 'first', mark, bot_id, conversation_id, n: 1 }],
    ['warn', { role: 'gateway', message: 'second', mark, request: { authorization: '••••', path: '/x' } }],
    ['error', { role: 'adapter', message: 'third', mark, password: '••••' }],
  ])
  expect(entries[0]).toMatchObject({ tenant_id: null, bot_id, conversation_id, key: '', value: null })
  expect(entries[0]?.created_at.getTime()).toBeGreaterThanOrEqual(since)
  expect(await counted('kept')).toBe(3)
})

test('of a flood as much is kept as there is room for; the rest is counted, and a line says so', async () => {
  const mark = newMark()
  for (let n = 0; n < 5_000; n++) log.info({ mark, n }, 'one of many')
  expect(await counted('dropped')).toBe(3_000)
  log.info({ mark, long: 'x'.repeat(2_000_000) }, 'longer than there is room for')
  await until(async () => (await kept(mark)).length === 2_000)
  expect((await kept(mark)).map(({ data }) => data.n)).toEqual(Array.from({ length: 2_000 }, (_, n) => n))
  const told = await reader.read('system_logs', { tenantId: null, logType: 'warn', limit: 100 })
  expect(told.map(({ data }) => data.message)).toContain('3001 lines were dropped: more came than could be kept')
  expect([await counted('kept'), await counted('dropped')]).toEqual([2_001, 3_001])
})

test('while the store is away nothing fails, lines wait, and what is said of it goes round in no circle', async () => {
  const mark = newMark()
  const written: string[] = []
  listenToLines(log, line => written.push(line))
  const told = (text: string) => written.filter(line => line.includes(text)).length
  log.info({ mark }, 'before')
  await until(async () => (await kept(mark)).length === 1)
  await proxy.cut()
  log.info({ mark }, 'meanwhile')
  await until(() => told('lines of the log wait for system_logs') === 1)
  log.warn({ mark }, 'meanwhile too')
  await proxy.mend()
  await until(() => told('lines of the log are kept in system_logs again') === 1)
  await until(async () => (await kept(mark)).length === 3)
  expect((await kept(mark)).map(({ data }) => data.message)).toEqual(['before', 'meanwhile', 'meanwhile too'])
  const all = await reader.read('system_logs', { tenantId: null, limit: 1_000 })
  expect(all.filter(({ data }) => String(data.message).includes('system_logs'))).toEqual([])
  expect([await counted('dropped'), written.length]).toEqual([0, 5])
})

test('stopping writes what waits, and gives up on a store that is away', async () => {
  const mark = newMark()
  log.info({ mark }, 'the last')
  await lines.stop()
  expect((await kept(mark)).length).toBe(1)
  log.info({ mark }, 'after the last')
  lines = keepLogLines({ log, store, metrics, ids: uuids, role: 'all' })
  await proxy.cut()
  log.info({ mark }, 'for nobody')
  await lines.stop()
  await proxy.mend()
  expect((await kept(mark)).map(({ data }) => data.message)).toEqual(['the last'])
  expect(await counted('dropped')).toBe(1)
})
