import type { ConversationEvent } from './events.ts'
import type { Input } from './step.ts'
import { type StoredEvent, upcastEvent } from './upcast.ts'

/** An event of a conversation's history; `at` is the moment of its turn, in milliseconds since 1970. */
export type HistoricEvent = StoredEvent & { readonly seq: number; readonly at: number }

/**
 * What came in, as the events tell it; a message is told by its id. `timer`: a time was over. `result`: an action's
 * answer came. `other`: what came in is not told.
 */
export type Cause =
  | { readonly kind: 'message'; readonly message_id: string }
  | { readonly kind: 'timer' | 'result' | 'move' | 'other' }
  | AgentInput

/** What a person did, as the engine takes it. */
export type AgentInput = Extract<Input, { readonly kind: 'handoff' | 'resume' | 'close' | 'agent_message' }>

/** Whether a person did it. */
export function isAgentInput(cause: Cause): cause is AgentInput {
  return ['handoff', 'resume', 'close', 'agent_message'].includes(cause.kind)
}

/** One input of the history, and what came of it. `unknown` are the events that this program does not know. */
export type HistoryTurn = {
  readonly at: number
  readonly cause: Cause
  readonly events: readonly ConversationEvent[]
  readonly unknown: readonly HistoricEvent[]
}

/** A history cut into its inputs, in order: each begins with the event that only an input of its kind gives. */
export function turnsOf(history: readonly HistoricEvent[]): readonly HistoryTurn[] {
  const turns: { at: number; cause: Cause; events: ConversationEvent[]; unknown: HistoricEvent[] }[] = []
  const known = history.map(stored => ({ stored, at: stored.at, event: upcastEvent(stored) }))
  for (const [index, { stored, at, event }] of known.entries()) {
    const cause = event && causeOf({ at, event }, known[index - 1], known[index + 1])
    if (cause !== undefined || turns.at(-1)?.at !== at)
      turns.push({ at, cause: cause ?? { kind: 'other' }, events: [], unknown: [] })
    const turn = turns.at(-1)
    if (event === undefined) turn?.unknown.push(stored)
    else turn?.events.push(event)
  }
  return turns
}

/** An event among others. */
type Neighbour = { readonly at: number; readonly event: ConversationEvent | undefined } | undefined

/** The input that an event begins the telling of; undefined where it tells what came of one. */
function causeOf(
  { at, event }: { readonly at: number; readonly event: ConversationEvent },
  before: Neighbour,
  after: Neighbour,
): Cause | undefined {
  switch (event.type) {
    case 'message.received':
      return { kind: 'message', message_id: event.data.message_id }
    case 'answer.timed_out':
    case 'handoff.timed_out':
      return { kind: 'timer' }
    case 'wait.ended':
      return event.data.reason === 'time' ? { kind: 'timer' } : undefined
    case 'action.completed':
    case 'action.failed':
      return { kind: 'result' }
    case 'flow.moved':
    case 'flow.move_refused':
      return { kind: 'move' }
    default:
      return agentInputOf(event, inSameTurn(before, at), inSameTurn(after, at))
  }
}

function inSameTurn(neighbour: Neighbour, at: number): ConversationEvent | undefined {
  return neighbour?.at === at ? neighbour.event : undefined
}

function agentInputOf(
  event: ConversationEvent,
  before: ConversationEvent | undefined,
  after: ConversationEvent | undefined,
): AgentInput | undefined {
  switch (event.type) {
    case 'handed_off':
      if (event.data.by !== 'agent') return undefined
      // Who writes to the customer takes over with that.
      if (after?.type === 'agent.replied') return agentMessage(after, true)
      return { kind: 'handoff', note: event.data.note, agent_id: event.data.agent_id }
    case 'agent.replied':
      return isTakeOver(before) ? undefined : agentMessage(event, false)
    case 'resumed':
      // Where a time is over, the bot takes the conversation back by itself.
      if (before?.type === 'handoff.timed_out') return undefined
      return { kind: 'resume', agent_id: event.data.by ?? undefined, step: event.data.step }
    case 'flow.ended':
      // The end of a run comes first, then the conversation is closed.
      return isClosing(event) && after?.type === 'closed' ? { kind: 'close', reason: after.data.reason } : undefined
    case 'closed':
      return isClosing(before) ? undefined : { kind: 'close', reason: event.data.reason }
    default:
      return undefined
  }
}

function agentMessage({ data }: Replied, takes_over: boolean): AgentInput {
  const { message_id, agent_id, source } = data
  return { kind: 'agent_message', message_id, agent_id, source, takes_over }
}

type Replied = Extract<ConversationEvent, { type: 'agent.replied' }>

function isTakeOver(event: ConversationEvent | undefined): boolean {
  return event?.type === 'handed_off' && event.data.by === 'agent'
}

function isClosing(event: ConversationEvent | undefined): boolean {
  return event?.type === 'flow.ended' && event.data.reason === 'closed'
}
