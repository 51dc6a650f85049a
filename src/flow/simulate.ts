import type { InboundContent, OutboundContent } from './content.ts'
import { tooManyActions } from './continue-run.ts'
import { type ExplainedStep, explainEvents } from './explain-events.ts'
import type { Json, JsonObject } from './json.ts'
import type { FlowLibrary } from './library.ts'
import { ACTIONS_PER_TURN_MAX } from './limits.ts'
import { type ConversationState, initialState } from './state.ts'
import { type ActionResult, type Context, type Effect, type FlowVersion, type Input, step } from './step.ts'

/** What a simulated customer does: write, or let the time to answer pass. */
export type SimulatedInput = InboundContent | { readonly type: 'timeout' }

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
  readonly context: Context
  readonly perform: (handler: string, input: Json) => Promise<ActionResult>
}

type ActionEffect = Extract<Effect, { kind: 'action' }>

/**
 * A conversation with the engine itself, of which nothing is kept. Its clock stands still but for timeouts: each moves it
 * on by what the question waits. Call `turn` again only once its last call has resolved.
 */
export function startSimulation(world: SimulatedWorld): { turn(input: SimulatedInput): Promise<SimulatedTurn> } {
  const { library, flows, context, perform } = world
  let state = initialState
  let now = context.now
  let messages = 0

  function inputOf(given: SimulatedInput): Input | null {
    if (given.type !== 'timeout') return { kind: 'message', message_id: `m${++messages}`, content: given, flows }
    const question = waitingQuestion(state)
    if (question === null) return null
    now += question.timeoutMs
    return { kind: 'timer', token: question.token }
  }

  return {
    async turn(given) {
      const replies: OutboundContent[] = []
      const steps: ExplainedStep[] = []
      let actionsLeft = ACTIONS_PER_TURN_MAX
      for (let input = inputOf(given); input !== null; ) {
        const result = step(library, state, input, { ...context, now })
        steps.push(...explainEvents(result.events, state, library))
        replies.push(...result.effects.flatMap(effect => (effect.kind === 'send' ? [effect.content] : [])))
        state = result.state
        const call = result.effects.find((effect): effect is ActionEffect => effect.kind === 'action')
        if (call === undefined) break
        const performed = actionsLeft-- > 0 ? await perform(call.handler, call.input) : tooManyActions
        input = { kind: 'action_result', call_id: call.call_id, result: performed }
      }
      return { replies, steps, variables: (state.run ?? state.last_run)?.variables ?? {} }
    },
  }
}

function waitingQuestion({ status, run }: ConversationState): { token: string; timeoutMs: number } | null {
  const waiting = run?.waiting
  if (status !== 'bot' || waiting?.kind !== 'answer' || waiting.timeout_ms === null) return null
  return { token: waiting.token, timeoutMs: waiting.timeout_ms }
}
