import type { ConversationEvent } from '../../flow/events.ts'
import type { ConversationState, Run } from '../../flow/state.ts'

// What entries of the logs are told apart by in the figures: the `key` and the `bucket` that the log store counts by.
// A key is words with a space between them; ids, steps, providers and reasons have none in them. Whoever writes entries
// and whoever reads the figures take the words from here.

/** Upper bounds of the buckets of response times; the last bucket has none. */
export const responseBoundsMs = [100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000] as const

/** The bucket of a response time: a bound belongs to the bucket below it. */
export function responseBucketOf(responseMs: number): number {
  const index = responseBoundsMs.findIndex(bound => responseMs <= bound)
  return index < 0 ? responseBoundsMs.length : index
}

export const quartersInHour = 4

/** The bucket of an inbound message: the quarter of its hour, 0 to 3. By it the figures fit zones of :30 and :45 too. */
export function quarterOf(at: Date): number {
  return Math.floor((at.getUTCMinutes() * quartersInHour) / 60)
}

/** Of `message_logs`: `meta`, and where a send failed `meta 131047`. */
export function keyOfMessage(provider: string, code: string | null = null): string {
  return words(provider, code)
}

/**
 * Of `analytics_events`, for an event as it came upon the state before it:
 *
 * | event | key |
 * |---|---|
 * | `flow.started`, `flow.returned` | FLOW that began, or is through |
 * | `flow.called` | FLOW STEP that calls, and FLOW that is called |
 * | `flow.ended` | REASON, and FLOW STEP of each flow that it was in, the outermost first |
 * | `flow.failed`, `flow.revived`, and all that have a step | FLOW STEP |
 * | `handed_off` | BY, FLOW on top, and the STEP that the run stays at |
 * | `wait.ended` | REASON, and FLOW STEP |
 * | `message.ignored` | REASON |
 *
 * What is not there is left out. All others have ''; so has `conversation.opened`. `conversion` has the FLOW on top,
 * `goal.reached` its FLOW STEP.
 */
export function keyOfEvent(event: ConversationEvent, before: ConversationState): string {
  const run = before.run
  const flow = run?.frames.at(-1)?.flow_id ?? null
  switch (event.type) {
    case 'flow.started':
    case 'flow.returned':
      return event.data.flow_id
    case 'flow.revived':
      return words(event.data.flow_id, event.data.step)
    case 'flow.called':
      return words(flow, event.data.step, event.data.flow_id)
    case 'flow.ended':
      return words(event.data.reason, ...placesOf(run))
    case 'handed_off':
      return words(event.data.by, askingFlow(before, event.data.by), event.data.step)
    case 'wait.ended':
      return words(event.data.reason, flow, event.data.step)
    case 'message.ignored':
      return event.data.reason
    default:
      return 'step' in event.data && flow !== null ? words(flow, event.data.step) : ''
  }
}

/** The flow and the step of each frame. An outer one stands at the step that called the next. */
function placesOf(run: Run | null): (string | null)[] {
  const frames = run?.frames ?? []
  return frames.flatMap((frame, index) => [frame.flow_id, stepOf(run, frames[index + 1]?.return_step)])
}

function stepOf(run: Run | null, calling: string | null | undefined): string | null {
  return calling === undefined ? (run?.step ?? null) : calling
}

/** A flow that asks for a person has mostly ended by then, or stopped at a defect: it is the run before. */
function askingFlow({ run, last_run }: ConversationState, by: string): string | undefined {
  return (run ?? (by === 'flow' || by === 'failure' ? last_run : null))?.frames.at(-1)?.flow_id
}

function words(...parts: readonly (string | null | undefined)[]): string {
  return parts.filter(part => part !== null && part !== undefined && part !== '').join(' ')
}
