import type { CompiledFlow, CompiledStep } from './compile.ts'
import type { ConversationEvent, EndReason } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { applyEvent, type ConversationState } from './state.ts'

/** What can become of a step, or of a conversation outside of any step. */
export const stepOutcomes = [
  'started',
  'ignored',
  'left_to_a_person',
  'sent',
  'asked',
  'asked_again',
  'accepted',
  'rejected',
  'timed_out',
  'true',
  'false',
  'requested',
  'completed',
  'failed',
  'called',
  'returned',
  'goal_reached',
  'ended',
  'handed_over',
  'resumed',
  'closed',
  'notified',
  'waiting',
  'waited',
  'not_answered',
  'answered_by_a_person',
  'revived',
  'moved',
  'not_moved',
  'opted_out',
  'opted_in',
] as const
export type StepOutcome = (typeof stepOutcomes)[number]

export const explainedTypes = [
  'message',
  'question',
  'decision',
  'action',
  'flow',
  'handoff',
  'wait',
  'end',
  'conversation',
] as const

/** One thing that a flow did, and why. */
export type ExplainedStep = {
  /** The name of the flow; null where none was at work. */
  readonly flow: string | null
  /** The step's id; null for what no step did, whose type is then `conversation`. */
  readonly step: string | null
  readonly type: (typeof explainedTypes)[number]
  readonly outcome: StepOutcome
  /** The keyword that matched, the reason, the variable that was set, the step that follows a decision, the note. */
  readonly detail: string | null
}

/** What events of one conversation tell of its steps, in order. `before` is the state that the first event meets. */
export function explainEvents(
  events: readonly ConversationEvent[],
  before: ConversationState,
  library: FlowLibrary,
): readonly ExplainedStep[] {
  const steps: ExplainedStep[] = []
  let state = before
  let flow: CompiledFlow | undefined
  let target: string | null = null
  for (const event of events) {
    const after = applyEvent(state, event)
    flow = flowOf(begins.has(event.type) ? after : state, library) ?? flow
    const told = outcomeOf(event, state)
    if (told !== null) steps.push(placed(told, stepOf(event, flow, target), flow))
    target = targetOf(event, flow, state, library) ?? target
    state = after
  }
  return steps
}

/** Events that are told of the flow which is on top after them. */
const begins: ReadonlySet<string> = new Set(['flow.started', 'flow.returned', 'flow.revived'])

function flowOf({ run }: ConversationState, library: FlowLibrary): CompiledFlow | undefined {
  const frame = run?.frames.at(-1)
  return frame && library.byId(frame.flow_id, frame.version)
}

type Told = readonly [outcome: StepOutcome, detail: string | null]

function placed([outcome, detail]: Told, step: string | null, flow: CompiledFlow | undefined): ExplainedStep {
  const type = (step === null ? undefined : flow?.steps.get(step)?.type) ?? 'conversation'
  return { flow: flow?.name ?? null, step, type, outcome, detail }
}

/**
 * The step that an event names; an end, and a handoff that ends the run, name none but are what the step before led to. A
 * resumption names the step that follows.
 */
function stepOf(event: ConversationEvent, flow: CompiledFlow | undefined, target: string | null): string | null {
  if (event.type === 'resumed' || event.type === 'flow.revived') return null
  if ('step' in event.data) return event.data.step ?? null
  const type = target === null ? undefined : flow?.steps.get(target)?.type
  if (event.type === 'handed_off') return type === 'handoff' ? target : null
  return event.type === 'flow.ended' && type === 'end' ? target : null
}

function outcomeOf(event: ConversationEvent, { status }: ConversationState): Told | null {
  switch (event.type) {
    case 'message.received':
      if (status === 'closed') return ['ignored', 'closed']
      return status === 'bot' ? null : ['left_to_a_person', null]
    case 'message.ignored':
      return ['ignored', event.data.reason]
    case 'flow.started':
      return ['started', event.data.trigger]
    case 'replied':
      return ['sent', null]
    case 'question.asked':
      return ['asked', null]
    case 'question.repeated':
      return ['asked_again', `attempt ${event.data.attempt}`]
    case 'answer.accepted':
      return ['accepted', event.data.variable]
    case 'answer.rejected':
      return ['rejected', event.data.reason]
    case 'answer.timed_out':
      return ['timed_out', null]
    case 'decision.made':
      return [event.data.result ? 'true' : 'false', decided(event.data)]
    case 'action.requested':
      return ['requested', event.data.handler]
    case 'action.completed':
      return ['completed', event.data.variable]
    case 'action.failed':
      return ['failed', `${event.data.code}: ${event.data.message}`]
    case 'flow.called':
      return ['called', event.data.name]
    case 'flow.returned':
      return ['returned', null]
    case 'goal.reached':
      return ['goal_reached', null]
    case 'flow.failed':
      return ['failed', event.data.field === null ? event.data.message : `${event.data.field}: ${event.data.message}`]
    case 'flow.ended':
      return toldOfEnd(event.data.reason)
    case 'handed_off':
      return ['handed_over', event.data.note]
    case 'resumed':
      return ['resumed', event.data.step ?? null]
    case 'closed':
      return ['closed', event.data.reason]
    case 'notice.sent':
      return ['notified', event.data.notice]
    case 'wait.started':
      return ['waiting', new Date(event.data.until).toISOString()]
    case 'wait.ended':
      return ['waited', event.data.reason]
    case 'agent.awaited':
      return null
    case 'agent.replied':
      return ['answered_by_a_person', event.data.source]
    case 'handoff.timed_out':
      return ['not_answered', event.data.reason]
    case 'flow.revived':
      return ['revived', event.data.step]
    case 'flow.moved':
      return ['moved', `version ${event.data.from_version} to ${event.data.version}`]
    case 'flow.move_refused':
      return ['not_moved', event.data.reason]
    case 'opted_out':
      return ['opted_out', event.data.word]
    case 'opted_in':
      return ['opted_in', event.data.word]
  }
}

function decided({ next, case: index }: { readonly next: string; readonly case?: number }): string {
  return index === undefined ? next : `${next}, by case ${index + 1}`
}

/** What a run was handed over, failed or closed for is told by itself. */
function toldOfEnd(reason: EndReason): Told | null {
  if (reason === 'end') return ['ended', null]
  return reason === 'handoff' || reason === 'failed' || reason === 'closed' ? null : ['ended', reason]
}

/** Where a step goes next because of an event; null where the event does not say. */
function targetOf(
  event: ConversationEvent,
  flow: CompiledFlow | undefined,
  before: ConversationState,
  library: FlowLibrary,
): string | null {
  if (event.type === 'flow.started') return flow?.start ?? null
  if (event.type === 'flow.called') return library.byId(event.data.flow_id, event.data.version)?.start ?? null
  if (event.type === 'decision.made') return event.data.next
  if (event.type === 'goal.reached') return event.data.step
  if (event.type === 'resumed') return event.data.step ?? afterHandoff(before, flow)
  const id = 'step' in event.data ? event.data.step : null
  const step = typeof id === 'string' ? flow?.steps.get(id) : undefined
  return step === undefined ? null : nextOf(event, step)
}

function afterHandoff({ run }: ConversationState, flow: CompiledFlow | undefined): string | null {
  const step = run?.waiting?.kind === 'handoff' ? flow?.steps.get(run.waiting.step) : undefined
  return step?.type === 'handoff' ? step.next : null
}

function nextOf(event: ConversationEvent, step: CompiledStep): string | null {
  const { type } = event
  if (type === 'answer.rejected') return step.type === 'question' ? step.retry.next : null
  if (type === 'answer.timed_out') return step.type === 'question' ? (step.timeout?.next ?? null) : null
  if (type === 'action.failed') return step.type === 'action' ? step.error : null
  const isInterrupted = type === 'wait.ended' && event.data.reason === 'message'
  if (isInterrupted && step.type === 'wait') return step.on_message
  return 'next' in step ? step.next : null
}
