import type { Json } from './json.ts'

/** One thing a customer can tap or name by its number. */
export type Choice = { readonly id: string; readonly title: string }

/**
 * What happened in a conversation, in order; the events are the truth and the state is folded from them.
 * `step` is the id of a step in the flow on top of the run's frames. A run begins with `flow.started` and ends with
 * exactly one `flow.ended`; `token` and `call_id` are unique in a conversation.
 */
export type ConversationEvent =
  | Event<'message.received', { message_id: string }>
  /** Said by a message that no run was waiting for: the bot has no flow, or no trigger of it matched. */
  | Event<'message.ignored', { reason: 'no_flow' | 'no_trigger' }>
  /** `trigger` is the keyword that matched, or "fallback". */
  | Event<'flow.started', FlowRef & { trigger: string }>
  /** `choices`: what the message offers to tap. */
  | Event<'replied', { step: string; flow_id: string; choices?: readonly Choice[] }>
  | Event<'question.asked', { step: string; token: string; choices?: readonly Choice[]; timeout_ms?: number }>
  /** `attempt` is the number of the answer now awaited, 1 being the first. */
  | Event<'question.repeated', { step: string; attempt: number; token: string; choices?: readonly Choice[] }>
  | Event<'answer.accepted', { step: string; variable: string; value: Json }>
  | Event<'answer.rejected', { step: string; attempt: number; reason: AnswerProblem }>
  | Event<'answer.timed_out', { step: string }>
  | Event<'decision.made', { step: string; result: boolean; next: string }>
  | Event<'action.requested', { step: string; call_id: string; handler: string }>
  | Event<'action.completed', { step: string; call_id: string; variable: string | null; value: Json }>
  | Event<'action.failed', { step: string; call_id: string; code: string; message: string }>
  | Event<'flow.called', FlowRef & { step: string }>
  /** The called flow ended; `step` is the step of the caller that called it. */
  | Event<'flow.returned', { step: string; flow_id: string }>
  | Event<'flow.ended', { reason: 'end' | 'handoff' | 'failed' | 'closed' }>
  /** `step` is null when the flow itself is missing, `field` when no one field is to blame. */
  | Event<'flow.failed', { step: string | null; field: string | null; message: string }>
  | Event<'handed_off', { by: 'flow' | 'agent' | 'failure'; note: string; agent_id?: string }>
  | Event<'resumed', { by: string | null }>
  | Event<'closed', { reason: string }>

type Event<TType extends string, TData> = { readonly type: TType; readonly data: Readonly<TData> }

type FlowRef = { flow_id: string; name: string; version: number }

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

/** The events that each go with one `send` effect: the n-th such event of a call belongs to its n-th send. */
export const SENDING_EVENTS: ReadonlySet<ConversationEvent['type']> = new Set([
  'replied',
  'question.asked',
  'question.repeated',
])
