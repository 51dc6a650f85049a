import type { SQL } from 'bun'
import { entryLogs } from '../../src/analytics/entry.ts'
import { makeProjector, type Projector } from '../../src/analytics/project.ts'
import { rollUp } from '../../src/analytics/roll-up.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Log } from '../../src/lib/log.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { receiveStatuses } from '../../src/messaging/receive-statuses.ts'
import { recordSends, type SendRecord } from '../../src/messaging/record-sends.ts'
import type { LogStore } from '../../src/stores/log-store.ts'
import type { Database } from '../../src/stores/postgres/database.ts'
import { makePostgresLogStore } from '../../src/stores/postgres/log-store.ts'
import { makeTestLog } from './log.ts'
import { type Shop, seedShop } from './seed.ts'
import { drain, openTestTurns, type TestTurns } from './turns.ts'

export const keptDays = 30
export const owner = '00000000-0000-7000-8000-00000000000a'

/** A database with shops whose conversations are played as the orchestrator does it, and the logs of it. */
export type TestAnalytics = TestTurns & {
  readonly logs: LogStore
  /** A projector as a process that has just started has it. */
  projector(parts?: Partial<Parameters<typeof makeProjector>[0]>): Projector
  /** Tells the logs all there is. */
  tellAll(): Promise<void>
  /** Sums up what is marked. Returns the tenants whose figures have changed. */
  sumUp(parts?: { readonly database?: Database; readonly logs?: LogStore }): Promise<ReadonlySet<string>>
}

export async function openTestAnalytics(): Promise<TestAnalytics> {
  const turns = await openTestTurns()
  const { database } = turns
  const logs = makePostgresLogStore({ database, clock: systemClock, keptDays })
  const common = { database, logs, clock: systemClock, keptDays }
  const projector: TestAnalytics['projector'] = parts =>
    makeProjector({ ...common, log: makeTestLog(), metrics: makeMetrics(), owner, ...parts })
  return {
    ...turns,
    logs,
    projector,
    tellAll: () => finish(projector()),
    sumUp: parts => rollUp({ ...common, ...parts }),
  }
}

/** Until there is nothing more. */
export async function finish(projector: Projector): Promise<void> {
  while ((await projector.work()) === 'more');
}

/** The logs as they are stored, in the order of their ids. */
export async function storedEntries(admin: SQL): Promise<readonly Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = []
  for (const log of entryLogs)
    rows.push(...(await admin.unsafe(`select * from ${log} order by id, created_at`)).map(plain))
  return rows
}

/** The figures as they are stored. */
export async function storedFigures(admin: SQL): Promise<readonly Record<string, unknown>[]> {
  const rows = await admin`select *, to_jsonb(buckets) as buckets from analytics_rollups
    order by tenant_id, hour, bot_id, log_type, key`
  return rows.map(plain)
}

function plain(row: object): Record<string, unknown> {
  return { ...row }
}

/** How the sender writes down how sends of this conversation ended, in the order in which they were queued. */
export async function recordEnds(
  { admin, database }: TestTurns,
  conversationId: string,
  end: Partial<SendRecord> & Pick<SendRecord, 'status'>,
): Promise<readonly string[]> {
  const rows: { tenant_id: string; conversation_id: string; id: string }[] = await admin`
    select tenant_id, conversation_id, id from outbox where conversation_id = ${conversationId} order by id`
  const records = rows.map(({ tenant_id, conversation_id, id }) => ({
    ...{ tenant_id, conversation_id, id, error: null, unreferencedAt: null, partId: null, row: null },
    providerMessageId: end.status === 'sent' ? `wamid.${id}` : null,
    ...end,
  }))
  await database.transaction({ role: 'worker' }, tx => recordSends(tx, records))
  return rows.map(row => row.id)
}

/** What the provider reports of messages. */
export async function report(
  { database }: TestTurns,
  { tenantId, botId }: Shop,
  messageIds: readonly string[],
  status: 'delivered' | 'read' | 'failed',
  error: SendRecord['error'] = null,
): Promise<void> {
  const statuses = messageIds.map(id => ({
    ...{ tenantId, botId, providerMessageId: `wamid.${id}`, status, error, at: new Date(), reference: null },
  }))
  await receiveStatuses(database, statuses)
}

/** Two shops: one where somebody orders and is told of it, one where somebody leaves and a message fails. */
export async function playTwoShops(turns: TestTurns): Promise<readonly [Shop, Shop]> {
  const [one, two] = [await seedShop(turns.admin, { number: '1' }), await seedShop(turns.admin, { number: '2' })]
  const runner = turns.runner()
  const say = async (shop: Shop, phone: string, text: string) => {
    const id = await turns.say(shop, phone, { type: 'text', text })
    await drain(runner)
    return id
  }
  const buyer = await say(one, '+34600000001', 'hola')
  for (const text of ['1', '2', '1']) await say(one, '+34600000001', text)
  const told = await recordEnds(turns, buyer, { status: 'sent' })
  await report(turns, one, told, 'delivered')
  await report(turns, one, told.slice(0, 1), 'read')
  const lost = await say(two, '+34600000002', 'hola')
  await say(two, '+34600000002', 'no sé')
  const error = { code: '131047', message: 'more than 24 hours' }
  await recordEnds(turns, lost, { status: 'failed', error })
  return [one, two]
}

/** What a log of `makeLog` writes from now on. */
export type Lines = { readonly log: Log; readonly lines: readonly string[] }
