import type { TextKind } from './business.ts'
import type { Json } from './json.ts'

/** One thing a customer can tap or name by its number. */
export type Choice = { readonly id: string; readonly title: string }

/**
 * What happened in a conversation, in order; the events are the truth and the state is folded from them.
 * `step` is the id of a step in the flow on top of the run's frames. A run begins with `flow.started` (or goes on after
 * its end with `flow.revived`) and ends with exactly one `flow.ended`; `token` and `call_id` are unique in a conversation.
 */
export type ConversationEvent =
  /** The customer wrote; what, is in the message. */
  | Event<'message.received', { message_id: string }>
  /**
   * Said by a message that nothing was done with: the bot has no flow, no trigger of them matched, the run waits for a
   * time (`waiting`), or the customer asked to be left alone.
   */
  | Event<'message.ignored', { reason: 'no_flow' | 'no_trigger' | 'waiting' | 'opted_out' }>
  /** `trigger`: the keyword that matched, `button:ID`, `ad:ID`, "fallback", or "menu" for a menu word. */
  | Event<'flow.started', FlowRef & { trigger: string }>
  /** `choices`: what the message offers to tap. */
  | Event<'replied', { step: string; flow_id: string; choices?: readonly Choice[] }>
  /** A text of the business itself, which no step sends. */
  | Event<'notice.sent', { notice: TextKind }>
  /** The run waits for an answer, to be known by `token`; `timeout_ms`: at most so long. `choices`: what it offers to tap. */
  | Event<'question.asked', { step: string; token: string; choices?: readonly Choice[]; timeout_ms?: number }>
  /** `attempt` is the number of the answer now awaited, 1 being the first. */
  | Event<'question.repeated', { step: string; attempt: number; token: string; choices?: readonly Choice[] }>
  /** What the customer wrote is the answer: the variable has it from now on. */
  | Event<'answer.accepted', { step: string; variable: string; value: Json }>
  /** What the customer wrote is no answer to the question. `attempt`: the number of this one. */
  | Event<'answer.rejected', { step: string; attempt: number; reason: AnswerProblem }>
  /** No answer came in time. */
  | Event<'answer.timed_out', { step: string }>
  /**
   * `result`: whether the condition, or any case, is true. `case`: the first that is, counted from 0, of a decision with
   * cases.
   */
  | Event<'decision.made', { step: string; result: boolean; next: string; case?: number }>
  /** An action was called, and the run waits for what comes of it; messages are held back until then. */
  | Event<'action.requested', { step: string; call_id: string; handler: string }>
  /** What the action gave. Without a `variable` it is not kept, and `value` is null. */
  | Event<'action.completed', { step: string; call_id: string; variable: string | null; value: Json }>
  /** Why the action did not do it; the variable `error` has that from now on. */
  | Event<'action.failed', { step: string; call_id: string; code: string; message: string; data?: Json }>
  /** The run waits until a moment, in milliseconds since 1970. */
  | Event<'wait.started', { step: string; token: string; until: number }>
  /** The moment came, a message came before it, or (without `wait.started`) it had passed already. */
  | Event<'wait.ended', { step: string; reason: 'time' | 'message' | 'past' }>
  /** A step called another flow, which runs in its version published at that moment. */
  | Event<'flow.called', FlowRef & { step: string }>
  /** The called flow ended; `step` is the step of the caller that called it. */
  | Event<'flow.returned', { step: string; flow_id: string }>
  /** The run came to a step that its flow counts as a goal. */
  | Event<'goal.reached', { step: string; flow_id: string }>
  /**
   * `closed`: the conversation was. `menu`, `cancelled`, `opted_out`: the customer said such a word. `replaced`: a message
   * that came while it waited started another flow.
   */
  | Event<'flow.ended', { reason: EndReason }>
  /** `step` is null when the flow itself is missing, `field` when no one field is to blame. */
  | Event<'flow.failed', { step: string | null; field: string | null; message: string }>
  /** The run that ended last goes on, with its frames and variables: an agent chose a step of it. */
  | Event<'flow.revived', { flow_id: string; version: number; step: string }>
  /** What runs of that flow is of another version from now on; `from_version` is the one of the outermost frame. */
  | Event<'flow.moved', { flow_id: string; from_version: number; version: number }>
  /** The run stays in its version: what the other one lacks. */
  | Event<'flow.move_refused', { flow_id: string; version: number; reason: string }>
  /**
   * A person is asked for, or (`agent`) took over. `customer`: with a word. `timeout`: the agent did not answer. `step`:
   * the handoff step that the run stays at. `token`, `timeout_ms`: how long somebody has to take it.
   */
  | Event<
      'handed_off',
      {
        by: 'flow' | 'agent' | 'failure' | 'customer' | 'timeout'
        note: string
        agent_id?: string
        step?: string
        token?: string
        timeout_ms?: number
      }
    >
  /** The customer wrote to an agent, who has this long to answer. */
  | Event<'agent.awaited', { token: string; timeout_ms: number }>
  /** A person answered the customer: through the API, or from the phone itself. */
  | Event<'agent.replied', { message_id: string; agent_id: string | null; source: 'api' | 'phone' }>
  /** `step`: the handoff step that the run stays at, null where it stays at none. */
  | Event<'handoff.timed_out', { reason: 'nobody_took' | 'agent_silent'; step: string | null }>
  /** Back to the bot. `step`: where it goes on, unless it is where it stood; "end" among them. */
  | Event<'resumed', { by: string | null; step?: string }>
  /** The customer asked to be left alone, in these words. */
  | Event<'opted_out', { message_id: string; word: string }>
  /** The customer asked to be written to again, in these words. */
  | Event<'opted_in', { message_id: string; word: string }>
  /** The conversation is over; the next message begins another. */
  | Event<'closed', { reason: string }>

type Event<TType extends string, TData> = { readonly type: TType; readonly data: Readonly<TData> }

type FlowRef = { flow_id: string; name: string; version: number }

/** Why a run ended. */
export type EndReason = 'end' | 'handoff' | 'failed' | 'closed' | 'menu' | 'cancelled' | 'opted_out' | 'replaced'

/** The version of each type's data that is written now. A change that old readers would trip over takes a new one. */
export const EVENT_VERSIONS: Readonly<Record<ConversationEvent['type'], number>> = {
  'message.received': 1,
  'message.ignored': 1,
  'flow.started': 1,
  replied: 1,
  'notice.sent': 1,
  'question.asked': 1,
  'question.repeated': 1,
  'answer.accepted': 1,
  'answer.rejected': 1,
  'answer.timed_out': 1,
  'decision.made': 1,
  'action.requested': 1,
  'action.completed': 1,
  'action.failed': 1,
  'wait.started': 1,
  'wait.ended': 1,
  'flow.called': 1,
  'flow.returned': 1,
  'goal.reached': 1,
  'flow.ended': 1,
  'flow.failed': 1,
  'flow.revived': 1,
  'flow.moved': 1,
  'flow.move_refused': 1,
  handed_off: 1,
  'agent.awaited': 1,
  'agent.replied': 1,
  'handoff.timed_out': 1,
  resumed: 1,
  opted_out: 1,
  opted_in: 1,
  closed: 1,
}

/** Why an answer was not accepted. */
export type AnswerProblem =
  | 'not_text'
  | 'too_short'
  | 'too_long'
  | 'not_a_number'
  | 'too_small'
  | 'too_large'
  | 'not_an_email'
  | 'not_a_phone'
  | 'not_a_choice'
  | 'not_an_amount'
  | 'wrong_currency'
  | 'not_a_date'
  | 'not_a_time'
  | 'not_a_moment'
  | 'too_early'
  | 'too_late'
  | 'not_a_location'
  | 'not_an_image'
  | 'not_a_document'

/** The events that each go with one `send` effect: the n-th such event of a call belongs to its n-th send. */
export const SENDING_EVENTS: ReadonlySet<ConversationEvent['type']> = new Set([
  'replied',
  'notice.sent',
  'question.asked',
  'question.repeated',
])
