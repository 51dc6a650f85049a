import type { OutboundContent } from './content.ts'
import { type ConversationEvent, type EndReason, SENDING_EVENTS } from './events.ts'
import type { Replay, ReplayedTurn } from './replay-against.ts'
import type { HistoryTurn } from './replay-history.ts'
import { applyEvent, type ConversationState, initialState, type Waiting } from './state.ts'

/** Where a conversation has come to, as far as flows of different versions can be compared. */
export type Ending = {
  readonly status: ConversationState['status']
  /** What its run waits for; null where none runs. */
  readonly waits_for: Waiting['kind'] | null
  /** Why the last run ended; null where one runs, or none ever did. */
  readonly ended: EndReason | null
  /** Where the run stands, or stood when it ended. */
  readonly step: string | null
  /** The actions that were called, with whether they went well; null where no answer came. */
  readonly actions: readonly { readonly handler: string; readonly ok: boolean | null }[]
}

/** The first thing that went otherwise: one side is null where that side has nothing more. */
export type Difference = {
  readonly before: Told | null
  readonly after: Told | null
}

/** An event, and the turn in which it happened (they count from 1, on each side); `content` is what was sent with it. */
export type Told = {
  readonly turn: number
  readonly at: number
  readonly event: ConversationEvent
  readonly content: OutboundContent | null
}

/** What the same message says in other words. */
export type ReplyDifference = {
  readonly step: string | null
  readonly before: OutboundContent
  readonly after: OutboundContent
}

/** How a history, and its replay in other flows, differ. */
export type Comparison = {
  /** `untold`: the replay could not be played to its end. */
  readonly verdict: 'same' | 'different' | 'untold'
  readonly untold: string | null
  readonly first: Difference | null
  /** Of the messages before the first difference, as many as are named at most. */
  readonly replies: readonly ReplyDifference[]
  readonly ends: { readonly before: Ending; readonly after: Ending }
}

const repliesMax = 20

/**
 * Holds a replay against the history. The verdict is about the end alone: the same where the conversation has come to the
 * same step for the same reason, and the same actions went well. `sentBefore` gives what was sent then, where it is known.
 */
export function compareReplay(
  history: readonly HistoryTurn[],
  replay: Replay,
  sentBefore: (messageId: string) => OutboundContent | undefined,
): Comparison {
  const before = tellAll(history).map(told => ({ ...told, content: sentBefore(messageIdOf(told.event)) ?? null }))
  const after = withReplies(tellAll(replay.turns), replay)
  const index = before.findIndex((one, at) => !isSame(one.event, after[at]?.event))
  const common = index === -1 ? before.length : index
  const ends = { before: endingOf(before), after: endingOf(after) }
  const isDifferent = JSON.stringify(ends.before) !== JSON.stringify(ends.after)
  const first = { before: before[common] ?? null, after: after[common] ?? null }
  const untold = history.some(turn => turn.unknown.length > 0) ? 'a newer program wrote some of it' : replay.untold
  return {
    verdict: untold !== null ? 'untold' : isDifferent ? 'different' : 'same',
    untold,
    first: first.before === null && first.after === null ? null : first,
    replies: otherWords(before.slice(0, common), after),
    ends,
  }
}

/** Moves between versions are no doing of a flow. */
const leftOut: ReadonlySet<string> = new Set(['flow.moved', 'flow.move_refused'])

function tellAll(turns: readonly (HistoryTurn | ReplayedTurn)[]): Told[] {
  return turns.flatMap(({ at, events }, index) =>
    events.flatMap(event => (leftOut.has(event.type) ? [] : [{ turn: index + 1, at, event, content: null }])),
  )
}

/** What two tellings of the same thing may differ in: names that are made up anew, versions, moments. */
const volatile: ReadonlySet<string> = new Set(['token', 'call_id', 'message_id', 'version', 'name', 'until'])

function isSame(a: ConversationEvent, b: ConversationEvent | undefined): boolean {
  return b !== undefined && a.type === b.type && comparable(a) === comparable(b)
}

function comparable({ data }: ConversationEvent): string {
  return canonical(Object.fromEntries(Object.entries(data).filter(([name]) => !volatile.has(name))))
}

/** JSON with the keys of its objects in order: the database gives them in another. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function endingOf(told: readonly Told[]): Ending {
  let state = initialState
  let ended: EndReason | null = null
  const calls = new Map<string, { readonly handler: string; ok: boolean | null }>()
  for (const { event } of told) {
    state = applyEvent(state, event)
    if (event.type === 'flow.started' || event.type === 'flow.revived') ended = null
    else if (event.type === 'flow.ended') ended = event.data.reason
    else if (event.type === 'action.requested') calls.set(event.data.call_id, { handler: event.data.handler, ok: null })
    else if (event.type === 'action.completed' || event.type === 'action.failed') {
      const call = calls.get(event.data.call_id)
      if (call !== undefined) call.ok = event.type === 'action.completed'
    }
  }
  const run = state.run ?? state.last_run
  const waits_for = state.run?.waiting?.kind ?? null
  return { status: state.status, waits_for, ended, step: run?.step ?? null, actions: [...calls.values()] }
}

/** The n-th event that sends goes with the n-th reply. */
function withReplies(told: readonly Told[], { turns }: Replay): Told[] {
  const replies = turns.flatMap(turn => turn.replies)
  let sent = 0
  return told.map(one => (SENDING_EVENTS.has(one.event.type) ? { ...one, content: replies[sent++] ?? null } : one))
}

/** Both sides have the same events so far. */
function otherWords(before: readonly Told[], after: readonly Told[]): ReplyDifference[] {
  return before
    .flatMap(({ event, content: old }, index): ReplyDifference[] => {
      const now = after[index]?.content ?? null
      if (old === null || now === null || canonical(old) === canonical(now)) return []
      return [{ step: 'step' in event.data ? (event.data.step ?? null) : null, before: old, after: now }]
    })
    .slice(0, repliesMax)
}

/** Which message went out with an event: the turn that sent it put that there. Empty where it did not. */
export function messageIdOf({ data }: ConversationEvent): string {
  return 'message_id' in data ? data.message_id : ''
}
