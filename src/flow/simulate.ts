import type { InboundContent, OutboundContent } from './content.ts'
import { tooManyActions } from './continue-run.ts'
import { type ExplainedStep, explainEvents } from './explain-events.ts'
import type { Json, JsonObject } from './json.ts'
import type { FlowLibrary } from './library.ts'
import { ACTIONS_PER_TURN_MAX, WINDOW_MS } from './limits.ts'
import { liveTimer, remainingMs } from './live-timer.ts'
import { type ConversationState, initialState } from './state.ts'
import { type ActionResult, type Context, type Effect, type FlowVersion, type Input, step } from './step.ts'

/**
 * What happens in a simulation. The customer writes, or lets the time pass until something happens (the time to answer,
 * to wait, or for a person to come is over); a person gives the conversation back, or closes it.
 */
export type SimulatedInput =
  | InboundContent
  | { readonly type: 'timeout' }
  | { readonly type: 'resume'; readonly step?: string | undefined }
  | { readonly type: 'close' }

/** What came of one input. */
export type SimulatedTurn = {
  readonly replies: readonly OutboundContent[]
  readonly steps: readonly ExplainedStep[]
  /** Those of the run that goes on, else of the one that ended last. */
  readonly variables: JsonObject
}

/** What stands for everything outside of the engine. */
export type SimulatedWorld = {
  readonly library: FlowLibrary
  /** What the bot answers with, the main flow first. */
  readonly flows: readonly FlowVersion[]
  /** As it is at the start. With a window, each message opens it anew for 24 hours. */
  readonly context: Context
  /** `step`: the one that calls. */
  readonly perform: (handler: string, input: Json, step: string | null) => Promise<ActionResult>
  /** What the action before changed besides. */
  readonly changes?: () => Promise<SimulatedChanges>
}

/** The customer as they are now, and what is told to persons who were called: they come once the turn is over. */
export type SimulatedChanges = {
  readonly customer?: Partial<Omit<Context['customer'], 'id' | 'opted_out'>> | undefined
  readonly called: readonly string[]
}

/** A simulated conversation. Call `turn` again only once its last call has resolved. */
export type Simulation = { turn(input: SimulatedInput): Promise<SimulatedTurn> }

type ActionEffect = Extract<Effect, { kind: 'action' }>

/**
 * A conversation with the engine itself, of which nothing is kept. Its clock stands still but for timeouts: each moves it
 * on to what happens next. A message after the closing begins another conversation.
 */
export function startSimulation({ library, flows, context: start, perform, changes }: SimulatedWorld): Simulation {
  let state = initialState
  let context = start
  let messages = 0

  function inputOf(given: SimulatedInput): Input | null {
    if (given.type === 'timeout') return passTime()
    if (given.type === 'resume') return { kind: 'resume', step: given.step }
    if (given.type === 'close') return { kind: 'close', reason: 'closed' }
    if (state.status === 'closed') state = initialState
    if (context.window_expires_at !== null) context = { ...context, window_expires_at: context.now + WINDOW_MS }
    return { kind: 'message', message_id: `m${++messages}`, content: given, flows }
  }

  function passTime(): Input | null {
    const timer = liveTimer(state)
    if (timer === null) return null
    context = { ...context, now: context.now + remainingMs(timer, context.now) }
    return { kind: 'timer', token: timer.token }
  }

  function play(input: Input, replies: OutboundContent[], steps: ExplainedStep[]): ActionEffect | undefined {
    const result = step(library, state, input, context)
    steps.push(...explainEvents(result.events, state, library))
    state = result.state
    let call: ActionEffect | undefined
    for (const effect of result.effects) {
      if (effect.kind === 'send') replies.push(effect.content)
      else if (effect.kind === 'action') call = effect
      else if (effect.kind === 'consent') context = withConsent(context, effect.opted)
    }
    return call
  }

  /** The result of an action; what it changed is known from now on. */
  async function performed({ handler, input }: ActionEffect, called: string[]): Promise<ActionResult> {
    const waiting = state.run?.waiting
    const result = await perform(handler, input, waiting?.kind === 'action' ? waiting.step : null)
    const changed = await changes?.()
    if (changed?.customer) context = { ...context, customer: { ...context.customer, ...changed.customer } }
    called.push(...(changed?.called ?? []))
    return result
  }

  return {
    async turn(given) {
      const replies: OutboundContent[] = []
      const steps: ExplainedStep[] = []
      const called: string[] = []
      let actionsLeft = ACTIONS_PER_TURN_MAX
      for (let input = inputOf(given); input !== null; ) {
        const call = play(input, replies, steps)
        if (call === undefined) break
        const result = actionsLeft-- > 0 ? await performed(call, called) : tooManyActions
        input = { kind: 'action_result', call_id: call.call_id, result }
      }
      for (const note of called) play({ kind: 'handoff', note }, replies, steps)
      return { replies, steps, variables: variablesOf(state) }
    },
  }
}

function variablesOf({ run, last_run }: ConversationState): JsonObject {
  return (run ?? last_run)?.variables ?? {}
}

function withConsent(context: Context, opted: 'in' | 'out'): Context {
  return { ...context, customer: { ...context.customer, opted_out: opted === 'out' } }
}
