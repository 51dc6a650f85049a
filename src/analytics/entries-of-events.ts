import type { ConversationEvent } from '../flow/events.ts'
import type { JsonObject } from '../flow/json.ts'
import { applyEvent, type ConversationState, initialState } from '../flow/state.ts'
import { type StoredEvent, upcastEvent } from '../flow/upcast.ts'
import { keyOfEvent } from '../messaging/analytics/entry-dimensions.ts'
import type { EventRow, FirstConversion } from '../messaging/analytics/read-events.ts'
import type { LogEntry } from '../stores/log-store.ts'
import { entryOf } from './entry.ts'

/** The actions that make an order where they succeed. */
export const orderHandlers: readonly string[] = ['order.create']

/** What is known of a conversation before an event: the run it is in, and the calls that may make an order. */
export type Story = { readonly state: ConversationState; readonly orderCalls: ReadonlySet<string> }

const unknownStory: Story = { state: initialState, orderCalls: new Set() }

/** A goal, or an order: a conversion, where it is the first of its conversation. */
export type PossibleConversion = {
  readonly row: EventRow
  readonly kind: 'order' | 'goal'
  readonly step: string
  readonly flowId: string | null
}

/**
 * What events have to tell. `stories`: of the conversations, by their ids, what was before their first event here; those
 * that are missing begin with it. The rows of a conversation are in order. Of what was written nothing gets in.
 */
export function entriesOfEvents(
  rows: readonly EventRow[],
  stories: ReadonlyMap<string, Story>,
): { readonly entries: readonly LogEntry[]; readonly conversions: readonly PossibleConversion[] } {
  const current = new Map(stories)
  const entries: LogEntry[] = []
  const conversions: PossibleConversion[] = []
  for (const row of rows) {
    const story = current.get(row.conversation_id) ?? unknownStory
    const event = upcastEvent(row)
    if (row.type !== 'message.received') entries.push(entryOfEvent(row, event, story.state))
    conversions.push(...possibleConversion(row, event, story))
    current.set(row.conversation_id, storyAfter(story, event))
  }
  return { entries, conversions }
}

/** What stored events tell of the run they belong to. */
export function storyOf(events: readonly StoredEvent[]): Story {
  return events.reduce<Story>((story, event) => storyAfter(story, upcastEvent(event)), unknownStory)
}

/** Whether an event says something of the run before it. */
export function isOfRun({ type }: Pick<EventRow, 'type'>): boolean {
  return type !== 'message.received' && type !== 'flow.started'
}

function storyAfter({ state, orderCalls }: Story, event: ConversationEvent | undefined): Story {
  if (event === undefined) return { state, orderCalls }
  const isOrder = event.type === 'action.requested' && orderHandlers.includes(event.data.handler)
  return { state: applyEvent(state, event), orderCalls: isOrder ? new Set([event.data.call_id]) : orderCalls }
}

function entryOfEvent(row: EventRow, event: ConversationEvent | undefined, before: ConversationState): LogEntry {
  return entryOf({
    id: `${row.conversation_id}:${row.seq}`,
    log_type: row.type,
    ...ownerOf(row),
    key: event === undefined ? '' : keyOfEvent(event, before),
    data: event === undefined ? {} : { ...flowOf(event, before), ...toldOf(event) },
  })
}

function ownerOf({ tenant_id, at, bot_id, conversation_id }: EventRow) {
  return { tenant_id, created_at: at, bot_id, conversation_id }
}

/** Fields that say nothing anybody wrote but whoever made the flow. */
const plainFields = ['flow_id', 'version', 'step', 'trigger', 'handler', 'code', 'attempt', 'notice', 'source'] as const

function toldOf({ type, data }: ConversationEvent): JsonObject {
  const told = plainFields.flatMap(name => (name in data ? [[name, Reflect.get(data, name)] as const] : []))
  return { ...Object.fromEntries(told), ...reasonOf(type, data), ...(type === 'handed_off' && { by: data.by }) }
}

/** Whoever closes a conversation may write any reason. */
function reasonOf(type: ConversationEvent['type'], data: ConversationEvent['data']): JsonObject {
  if (!('reason' in data) || type === 'flow.move_refused') return {}
  return type === 'closed' && data.reason !== 'silence' ? {} : { reason: data.reason }
}

/** The flow that it happened in, where the event does not say it. */
function flowOf({ type }: ConversationEvent, { run }: ConversationState): JsonObject {
  const frame = type === 'flow.started' ? undefined : run?.frames.at(-1)
  return frame === undefined ? {} : { flow_id: frame.flow_id, version: frame.version }
}

function possibleConversion(row: EventRow, event: ConversationEvent | undefined, story: Story): PossibleConversion[] {
  const flowId = story.state.run?.frames.at(-1)?.flow_id ?? null
  if (event?.type === 'goal.reached') return [{ row, kind: 'goal', step: event.data.step, flowId }]
  if (event?.type !== 'action.completed' || !story.orderCalls.has(event.data.call_id)) return []
  return [{ row, kind: 'order', step: event.data.step, flowId }]
}

/** The entries of those that are the first of their conversations. */
export function entriesOfConversions(
  possible: readonly PossibleConversion[],
  first: readonly FirstConversion[],
): LogEntry[] {
  const orders = new Map(first.map(one => [`${one.conversation_id} ${one.seq}`, one]))
  return possible.flatMap(conversion => {
    const { row } = conversion
    const found = orders.get(`${row.conversation_id} ${row.seq}`)
    return found === undefined ? [] : [entryOfConversion(conversion, found)]
  })
}

function entryOfConversion({ row, kind, step, flowId }: PossibleConversion, first: FirstConversion): LogEntry {
  const { order_id, total_minor, currency } = first
  const order = kind === 'order' && order_id !== null ? { order_id, total_minor, currency } : {}
  return entryOf({
    id: `${row.conversation_id}:conversion`,
    log_type: 'conversion',
    ...ownerOf(row),
    key: flowId ?? '',
    data: { kind, step, ...(flowId !== null && { flow_id: flowId }), ...order },
  })
}
