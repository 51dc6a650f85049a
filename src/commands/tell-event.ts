import { messageIdOf } from '../flow/compare-replay.ts'
import { type InboundContent, type OutboundContent, summarize } from '../flow/content.ts'
import type { AnswerProblem, Choice, ConversationEvent, EndReason } from '../flow/events.ts'
import type { Cause } from '../flow/replay-history.ts'

/** What was said, by the id of its message. */
export type Said = {
  readonly received: (messageId: string) => InboundContent | undefined
  readonly sent: (messageId: string) => OutboundContent | undefined
}

const valueLengthMax = 300

/** What came in, in words. */
export function tellCause(cause: Cause, said: Said): string {
  switch (cause.kind) {
    case 'message':
      return `the customer writes ${quoteInbound(said.received(cause.message_id))}`
    case 'timer':
      return 'a time is over'
    case 'result':
      return "an action's answer comes"
    case 'move':
      return 'the run is to go on in another version'
    case 'handoff':
      return `an agent takes over${cause.note === '' ? '' : `: ${quote(cause.note)}`}`
    case 'resume':
      return `an agent gives it back to the bot${cause.step === undefined ? '' : `, at the step ${cause.step}`}`
    case 'agent_message':
      return `a person writes ${quoteOutbound(said.sent(cause.message_id))}${cause.source === 'phone' ? ' from the phone' : ''}`
    case 'close':
      return `the conversation is closed: ${cause.reason}`
    case 'other':
      return 'something else happens'
  }
}

/** What an event tells, in words; null where what came in says it all. */
export function tellEvent(event: ConversationEvent, said: Said): string | null {
  switch (event.type) {
    case 'message.received':
    case 'closed':
    case 'agent.replied':
      return null
    case 'message.ignored':
      return `nothing is done with it: ${ignoredFor[event.data.reason]}`
    case 'flow.started':
      return `the flow ${flow(event.data)} begins, by ${quote(event.data.trigger)}`
    case 'flow.revived':
      return `the run that had ended goes on at ${event.data.step}`
    case 'flow.called':
      return `${event.data.step}: calls the flow ${flow(event.data)}`
    case 'flow.returned':
      return `${event.data.step}: the called flow is done`
    case 'goal.reached':
      return `${event.data.step}: a goal of the flow is reached`
    case 'flow.ended':
      return endedFor[event.data.reason]
    case 'flow.failed':
      return `${event.data.step ?? 'the flow'}: fails${event.data.field === null ? '' : ` in ${event.data.field}`}: ${event.data.message}`
    case 'flow.moved':
      return `from version ${event.data.from_version} to version ${event.data.version}`
    case 'flow.move_refused':
      return `not to version ${event.data.version}: ${event.data.reason}`
    default:
      return tellOfStep(event, said) ?? tellOfPerson(event)
  }
}

function tellOfStep(event: ConversationEvent, said: Said): string | null {
  switch (event.type) {
    case 'replied':
      return `${event.data.step}: says ${saidBy(event, said)}${offer(event.data.choices)}`
    case 'notice.sent':
      return `the bot says ${saidBy(event, said)}`
    case 'question.asked':
      return `${event.data.step}: asks ${saidBy(event, said)}${offer(event.data.choices)}${within(event.data.timeout_ms)}`
    case 'question.repeated':
      return `${event.data.step}: asks again, attempt ${event.data.attempt}: ${saidBy(event, said)}`
    case 'answer.accepted':
      return `${event.data.step}: ${event.data.variable} = ${shown(event.data.value)}`
    case 'answer.rejected':
      return `${event.data.step}: no answer to that, attempt ${event.data.attempt}: ${rejectedFor[event.data.reason]}`
    case 'answer.timed_out':
      return `${event.data.step}: no answer came in time`
    case 'decision.made':
      return `${event.data.step}: ${event.data.case === undefined ? event.data.result : `case ${event.data.case + 1}`}, so on to ${event.data.next}`
    case 'action.requested':
      return `${event.data.step}: calls ${event.data.handler}`
    case 'action.completed':
      return `${event.data.step}: done${event.data.variable === null ? '' : `, ${event.data.variable} = ${shown(event.data.value)}`}`
    case 'action.failed':
      return `${event.data.step}: failed, ${event.data.code}: ${event.data.message}`
    case 'wait.started':
      return `${event.data.step}: waits until ${new Date(event.data.until).toISOString()}`
    case 'wait.ended':
      return `${event.data.step}: ${waitedFor[event.data.reason]}`
    default:
      return null
  }
}

function tellOfPerson(event: ConversationEvent): string | null {
  switch (event.type) {
    case 'handed_off':
      return event.data.by === 'agent'
        ? null
        : `${askedBy[event.data.by]}${event.data.note === '' ? '' : `: ${quote(event.data.note)}`}${within(event.data.timeout_ms)}`
    case 'agent.awaited':
      return `the agent has ${duration(event.data.timeout_ms)} to answer`
    case 'handoff.timed_out':
      return event.data.reason === 'nobody_took' ? 'nobody took it in time' : 'the agent did not answer in time'
    case 'resumed':
      return event.data.by === null
        ? `the bot takes it back${event.data.step === undefined ? '' : `, at ${event.data.step}`}`
        : null
    case 'opted_out':
      return `the customer wants no messages any more (${quote(event.data.word)})`
    case 'opted_in':
      return `the customer wants messages again (${quote(event.data.word)})`
    default:
      return null
  }
}

const ignoredFor: Readonly<Record<Extract<ConversationEvent, { type: 'message.ignored' }>['data']['reason'], string>> =
  {
    no_flow: 'the bot has no flow',
    no_trigger: 'no trigger of a flow matches',
    waiting: 'the flow waits for a time',
    opted_out: 'the customer wants no messages',
  }
const endedFor: Readonly<Record<EndReason, string>> = {
  end: 'the flow ends',
  handoff: 'the flow ends with the hand-over',
  failed: 'the flow ends because it failed',
  closed: 'the flow ends with the conversation',
  menu: 'the flow ends: the customer asked for the menu',
  cancelled: 'the flow ends: the customer cancelled it',
  opted_out: 'the flow ends: the customer wants no messages',
  replaced: 'the flow ends: another one begins',
}
const askedBy: Readonly<Record<'flow' | 'failure' | 'customer' | 'timeout', string>> = {
  flow: 'the flow asks for a person',
  failure: 'a person is asked for, as the flow failed',
  customer: 'the customer asked for a person',
  timeout: 'another person is asked for',
}
const waitedFor: Readonly<Record<'time' | 'message' | 'past', string>> = {
  time: 'the wait is over',
  message: 'a message ends the wait',
  past: 'the moment has passed already',
}
const rejectedFor: Readonly<Record<AnswerProblem, string>> = {
  not_text: 'it is no text',
  too_short: 'it is too short',
  too_long: 'it is too long',
  not_a_number: 'it is no number',
  too_small: 'it is too small',
  too_large: 'it is too large',
  not_an_email: 'it is no email address',
  not_a_phone: 'it is no phone number',
  not_a_choice: 'it is none of the choices',
  not_an_amount: 'it is no amount of money',
  wrong_currency: 'it is in another currency',
  not_a_date: 'it is no date',
  not_a_time: 'it is no time',
  not_a_moment: 'it is no date and time',
  too_early: 'it is too early',
  too_late: 'it is too late',
  not_a_location: 'it is no location',
  not_an_image: 'it is no image',
  not_a_document: 'it is no document',
}

function flow({ name, version }: { readonly name: string; readonly version: number }): string {
  return version === 0 ? `${quote(name)} (the draft)` : `${quote(name)} ${version}`
}

function saidBy(event: ConversationEvent, said: Said): string {
  return quoteOutbound(said.sent(messageIdOf(event)))
}

/** A content in quotes: a text as it is, of others what they show. */
export function quoteOutbound(content: OutboundContent | undefined): string {
  return content === undefined ? '(kept no more)' : quote('text' in content ? content.text : summarize(content))
}

function quoteInbound(content: InboundContent | undefined): string {
  if (content === undefined) return '(kept no more)'
  return content.type === 'choice' ? `${quote(content.title)} (the choice ${content.id})` : quote(summarize(content))
}

function offer(choices: readonly Choice[] | undefined): string {
  if (choices === undefined || choices.length === 0) return ''
  return `, with ${choices.map(({ title }, index) => `${index + 1}. ${oneLine(title)}`).join('  ')}`
}

function within(timeoutMs: number | undefined): string {
  return timeoutMs === undefined ? '' : `, within ${duration(timeoutMs)}`
}

const units = [
  { ms: 86_400_000, name: 'd' },
  { ms: 3_600_000, name: 'h' },
  { ms: 60_000, name: 'min' },
  { ms: 1_000, name: 's' },
] as const

/** In the largest unit that it is a whole number of. */
function duration(ms: number): string {
  const unit = units.find(one => ms % one.ms === 0)
  return unit === undefined ? `${ms} ms` : `${ms / unit.ms} ${unit.name}`
}

/** A value as JSON, not too much of it. */
export function shown(value: unknown): string {
  const text = oneLine(JSON.stringify(value))
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}…`
}

function quote(text: string): string {
  return shown(text)
}

/** What people wrote may hold anything; a terminal is shown text only. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, ' ')
}
