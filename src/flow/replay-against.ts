import type { InboundContent, OutboundContent } from './content.ts'
import type { ConversationEvent } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { type RecordedCalls, recordedCalls } from './replay-calls.ts'
import { type AgentInput, type Cause, type HistoryTurn, isAgentInput } from './replay-history.ts'
import { type RecordedTimer, recordedTimers } from './replay-timers.ts'
import { type ConversationState, initialState } from './state.ts'
import { type Context, type Effect, type FlowVersion, type Input, isAwaitingAction, step } from './step.ts'

/** What a history is played again in. */
export type ReplayWorld = {
  /** The flows as they are to be at a moment, and those that the bot answers with, the main one first. */
  readonly flowsAt: (atMs: number) => { readonly library: FlowLibrary; readonly flows: readonly FlowVersion[] }
  /** What the customer wrote; undefined where it is kept no more. */
  readonly contentOf: (messageId: string) => InboundContent | undefined
  /** The customer and the business, for all of the history. Whether the customer is opted out follows from it. */
  readonly context: Omit<Context, 'now' | 'window_expires_at'>
  /** How long after what the customer wrote last free text may be sent; null: always. */
  readonly windowMs: number | null
}

/** One input that was played again, and what came of it. */
export type ReplayedTurn = {
  readonly at: number
  readonly cause: Cause
  readonly events: readonly ConversationEvent[]
  readonly replies: readonly OutboundContent[]
}

/** A history that was played again. `untold`: why it could not be played to its end; null where it was. */
export type Replay = {
  readonly turns: readonly ReplayedTurn[]
  readonly state: ConversationState
  readonly untold: string | null
}

/** More of them in one conversation are no conversation: a question that is asked again every ten seconds for a month. */
const turnsMax = 10_000

/**
 * Plays what came in once, at the times it came, in other flows. Timers run as those flows set them, until the history's
 * last event; one that was set then as well fires when it did then. A call of an action is answered as that action's calls were then, in their order and as late; one more call
 * than there was then cannot be answered, and ends the replay. Moves to other versions are left out: the flows are given.
 */
export function replayHistory(history: readonly HistoryTurn[], world: ReplayWorld): Replay {
  const play = newPlay(history, world)
  try {
    for (const { at, cause } of history) {
      catchUp(play, at)
      if (cause.kind === 'message') takeMessage(play, at, cause.message_id)
      else if (isAgentInput(cause)) takeAgentInput(play, at, cause)
    }
    catchUp(play, history.at(-1)?.at ?? 0)
    return { turns: play.turns, state: play.state, untold: null }
  } catch (error) {
    if (!(error instanceof Untold)) throw error
    return { turns: play.turns, state: play.state, untold: error.message }
  }
}

/** What stops a replay; it never leaves this file. */
class Untold extends Error {}

type Play = {
  readonly world: ReplayWorld
  readonly calls: RecordedCalls
  readonly timers: ReadonlyMap<string, RecordedTimer>
  readonly turns: ReplayedTurn[]
  /** Messages that came while an action's result was awaited. */
  readonly held: string[]
  state: ConversationState
  isOptedOut: boolean
  lastMessageAt: number | null
  timer: { readonly token: string; readonly due: number } | null
  result: { readonly input: Input; readonly due: number } | null
}

function newPlay(history: readonly HistoryTurn[], world: ReplayWorld): Play {
  return {
    ...{ world, calls: recordedCalls(history), timers: recordedTimers(history) },
    ...{ turns: [], held: [], state: initialState, isOptedOut: false, lastMessageAt: null },
    ...{ timer: null, result: null },
  }
}

/** Lets every timer end, and every result come, that is due by then. */
function catchUp(play: Play, untilMs: number): void {
  for (;;) {
    const { result, timer } = play
    if (result !== null && result.due <= Math.min(untilMs, timer?.due ?? untilMs)) {
      play.result = null
      give(play, result.due, { kind: 'result' }, result.input)
      releaseHeld(play, result.due)
    } else if (timer !== null && timer.due <= untilMs) {
      play.timer = null
      give(play, timer.due, { kind: 'timer' }, { kind: 'timer', token: timer.token })
    } else return
  }
}

function takeMessage(play: Play, at: number, message_id: string): void {
  if (isAwaitingAction(play.state)) {
    play.held.push(message_id)
    return
  }
  const content = play.world.contentOf(message_id)
  if (content === undefined) throw new Untold('what the customer wrote is kept no more')
  play.lastMessageAt = at
  const { flows } = play.world.flowsAt(at)
  give(play, at, { kind: 'message', message_id }, { kind: 'message', message_id, content, flows })
}

function takeAgentInput(play: Play, at: number, input: AgentInput): void {
  give(play, at, input, input)
  releaseHeld(play, at)
}

function releaseHeld(play: Play, at: number): void {
  for (const message_id of play.held.splice(0)) takeMessage(play, at, message_id)
}

/** One input, and the results that come at once. */
function give(play: Play, at: number, firstCause: Cause, first: Input): void {
  let cause = firstCause
  for (let input: Input | null = first; input !== null; cause = { kind: 'result' }) {
    if (play.turns.length >= turnsMax) throw new Untold(`it goes on for more than ${turnsMax} turns`)
    const { library } = play.world.flowsAt(at)
    const { state, events, effects } = step(library, play.state, input, contextAt(play, at))
    play.state = state
    if (events.length > 0) play.turns.push({ at, cause, events, replies: repliesIn(effects) })
    input = takeEffects(play, at, effects)
  }
}

function contextAt({ world, isOptedOut, lastMessageAt }: Play, now: number): Context {
  const { context, windowMs } = world
  const window_expires_at = windowMs === null || lastMessageAt === null ? null : lastMessageAt + windowMs
  return { ...context, customer: { ...context.customer, opted_out: isOptedOut }, now, window_expires_at }
}

function repliesIn(effects: readonly Effect[]): OutboundContent[] {
  return effects.flatMap(effect => (effect.kind === 'send' ? [effect.content] : []))
}

/** The result that comes at once, if one does; others are put down for later. */
function takeEffects(play: Play, at: number, effects: readonly Effect[]): Input | null {
  let next: Input | null = null
  for (const effect of effects) {
    if (effect.kind === 'timer') play.timer = timerOf(play, effect.token, at + effect.after_ms)
    else if (effect.kind === 'timer_clear') play.timer = null
    else if (effect.kind === 'consent') play.isOptedOut = effect.opted === 'out'
    else if (effect.kind === 'action') next = callAgain(play, at, effect)
  }
  return next
}

/** The same timer that ran then: no message came sooner or later because of when it fired. */
function timerOf({ timers }: Play, token: string, due: number): Play['timer'] {
  const then = timers.get(token)
  if (then === undefined || then.due !== due) return { token, due }
  return then.firedAt === null ? null : { token, due: then.firedAt }
}

function callAgain(play: Play, at: number, { call_id, handler }: Extract<Effect, { kind: 'action' }>): Input | null {
  const answered = play.calls.next(handler)
  if (answered === undefined) throw new Untold(`it calls ${handler} more often than it was called then`)
  if (answered.kind === 'never') return null
  if (answered.kind === 'not_kept' && isValueWanted(play, at))
    throw new Untold(`what ${handler} gave then was not kept in a variable`)
  const result = answered.kind === 'not_kept' ? { ok: true as const, value: null } : answered.result
  const input: Input = { kind: 'action_result', call_id, result }
  if (answered.afterMs === 0) return input
  play.result = { input, due: at + answered.afterMs }
  return null
}

/** Whether the step that calls keeps what it gets. */
function isValueWanted({ state, world }: Play, at: number): boolean {
  const frame = state.run?.frames.at(-1)
  const flow = frame && world.flowsAt(at).library.byId(frame.flow_id, frame.version)
  const caller = state.run?.waiting === null ? undefined : flow?.steps.get(state.run?.waiting.step ?? '')
  return caller?.type === 'action' && caller.variable !== null
}
