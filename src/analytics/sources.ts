import { firstId } from '../lib/ids.ts'
import {
  type EventKey,
  type EventRow,
  findFirstConversions,
  readAllEvents,
  readCommittedEvents,
  readEventsOfRuns,
} from '../messaging/analytics/read-events.ts'
import { type MessageRow, readAllMessages, readCommittedMessages } from '../messaging/analytics/read-messages.ts'
import { type Key, keyOf, type Part } from '../messaging/analytics/read-source.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import {
  entriesOfConversions,
  entriesOfEvents,
  isOfRun,
  orderHandlers,
  type Story,
  storyOf,
} from './entries-of-events.ts'
import { entriesOfMessages } from './entries-of-messages.ts'
import type { Entries } from './entry.ts'

/** Some rows of a source, as entries. */
export type Batch = {
  readonly rows: number
  readonly entries: Entries
  /** The place of the last row: its transaction, null where it is older than these are noted, and its key. */
  readonly last: { readonly tx: number | null; readonly key: Key } | null
  /** When the first of them happened; null where there is none. */
  readonly since: Date | null
}

/** A table that is read into the logs. */
export type Source = {
  readonly name: string
  /** A key as it is stored, whole: one that is missing is before all others. */
  keyOf(stored: readonly string[]): Key
  /** Rows in the order of the transactions that wrote them. */
  readCommitted(tx: Transaction, part: Part): Promise<Batch>
  /** Rows in the order of their keys, whoever wrote them. */
  readAll(tx: Transaction, part: Pick<Part, 'key' | 'limit'>): Promise<Batch>
}

const events: Source = {
  name: 'conversation_events',
  keyOf: stored => keyOf(stored, '0'),
  readCommitted: async (tx, part) => await batchOfEvents(tx, await readCommittedEvents(tx, part)),
  readAll: async (tx, part) => await batchOfEvents(tx, await readAllEvents(tx, part)),
}

const messages: Source = {
  name: 'messages',
  keyOf: stored => keyOf(stored, firstId),
  readCommitted: async (tx, part) => batchOfMessages(await readCommittedMessages(tx, part)),
  readAll: async (tx, part) => batchOfMessages(await readAllMessages(tx, part)),
}

/** Orders are told by the events of their conversations. */
export const sources: readonly Source[] = [events, messages]

async function batchOfEvents(tx: Transaction, rows: readonly EventRow[]): Promise<Batch> {
  const { entries, conversions } = entriesOfEvents(rows, await storiesBefore(tx, rows))
  const first = await findFirstConversions(
    tx,
    conversions.map(conversion => keyOfEvent(conversion.row)),
    orderHandlers,
  )
  const last = rows.at(-1)
  return {
    rows: rows.length,
    entries: { message_logs: [], analytics_events: [...entries, ...entriesOfConversions(conversions, first)] },
    last: last === undefined ? null : { tx: last.tx, key: [last.tenant_id, last.conversation_id, String(last.seq)] },
    since: rows[0]?.at ?? null,
  }
}

/** Of the conversations whose first event here needs it: a run that begins with it needs nothing. */
async function storiesBefore(tx: Transaction, rows: readonly EventRow[]): Promise<ReadonlyMap<string, Story>> {
  const asked = [...Map.groupBy(rows, row => row.conversation_id).values()].flatMap(own => {
    const [first] = own
    const telling = own.find(row => row.type !== 'message.received')
    return first === undefined || first.seq === 1 || telling === undefined || !isOfRun(telling)
      ? []
      : [keyOfEvent(first)]
  })
  const runs = await readEventsOfRuns(tx, asked)
  return new Map([...runs].map(([id, run]) => [id, storyOf(run)]))
}

function keyOfEvent({ tenant_id, conversation_id, seq }: EventRow): EventKey {
  return { tenantId: tenant_id, conversationId: conversation_id, seq }
}

function batchOfMessages(rows: readonly MessageRow[]): Batch {
  const last = rows.at(-1)
  return {
    rows: rows.length,
    entries: entriesOfMessages(rows),
    last: last === undefined ? null : { tx: last.tx, key: [last.tenant_id, last.conversation_id, last.id] },
    since: rows[0] === undefined ? null : changedAt(rows[0]),
  }
}

function changedAt({ created_at, sent_at, delivered_at, read_at, failed_at, unknown_at }: MessageRow): Date {
  const times = [created_at, sent_at, delivered_at, read_at, failed_at, unknown_at]
  return new Date(Math.max(...times.map(time => time?.getTime() ?? 0)))
}
