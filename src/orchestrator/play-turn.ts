import type { Business } from '../flow/business.ts'
import { tooManyActions } from '../flow/continue-run.ts'
import { type ConversationEvent, SENDING_EVENTS } from '../flow/events.ts'
import type { FlowLibrary } from '../flow/library.ts'
import { ACTIONS_PER_TURN_MAX, WINDOW_MS } from '../flow/limits.ts'
import type { ConversationState } from '../flow/state.ts'
import {
  type ActionResult,
  type Context,
  type Effect,
  type Input,
  isAwaitingAction,
  isHeededAtOnce,
  step,
} from '../flow/step.ts'
import type { Ids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import { providerNames } from '../messaging/bot-config.ts'
import type { NewCall } from '../messaging/calls.ts'
import { capabilitiesOf } from '../messaging/capabilities.ts'
import { type Claimed, type CustomerInFlow, customerOf } from '../messaging/claim-conversations.ts'
import type { Consent } from '../messaging/consent.ts'
import type { TurnTold } from '../messaging/news.ts'
import type { Mail } from '../messaging/read-mail.ts'
import type { Turn } from '../messaging/save-turns.ts'
import type { FeedEvent } from '../stores/feed.ts'
import { inputOf } from './input-of-mail.ts'

/** What a turn may ask for from outside its pure part. */
export type TurnTools = {
  readonly ids: Ids
  /** Milliseconds since 1970, the same for the whole turn. */
  readonly now: number
  readonly library: FlowLibrary
  readonly business: Business
  /** Performs an action, or says why it cannot be now. */
  readonly perform: (
    call: Extract<Effect, { kind: 'action' }>,
    tell: (event: FeedEvent) => void,
  ) => Promise<Performed> | Performed
  readonly observeStep: (seconds: number) => void
}

/**
 * What became of an action: its result; `outside`, whose result comes with a later turn; `postponed`, which may not be
 * performed in this turn, so that the turn counts for nothing.
 */
export type Performed =
  | {
      readonly kind: 'result'
      readonly result: ActionResult
      /** Resources of the API whose kept answers are out of date. */
      readonly changed: readonly string[]
      /** The customer as they are now, where that was changed. */
      readonly customer?: CustomerInFlow | undefined
    }
  | { readonly kind: 'outside'; readonly request: Json }
  | { readonly kind: 'postponed' }

/**
 * What a turn comes to. `told`: what its actions have to tell. `movedIds`: messages that came after the conversation was
 * closed, and belong to the next.
 */
export type Played = TurnTold & {
  readonly movedIds: readonly string[]
  readonly calls: readonly NewCall[]
  readonly consents: readonly Consent[]
}

/** A conversation that is taken for its turn: how it stands, and what came for it, in the order in which it counts. */
export type Taken = {
  readonly conversation: Claimed
  readonly state: ConversationState
  readonly mail: readonly Mail[]
}

/**
 * Plays a conversation's mail, in order. Writes nothing: what is to be written is in the turn. Null where the turn needs
 * an action that `perform` postpones. Messages that come while the flow waits for an answer from outside are held: they
 * are played once it is there. The mail of a conversation that waits is without what is held already.
 */
export async function playTurn(taken: Taken, tools: TurnTools): Promise<Played | null> {
  const play = newPlay(taken, tools)
  const left = await playMail(play, taken.mail, taken, tools)
  if (left === null) return null
  const { conversation, mail } = taken
  const { movedIds, consents, calls, told, changed } = play
  const leftIds = left.map(row => row.id)
  const remain = new Set([...movedIds, ...leftIds])
  const doneIds = mail.flatMap(row => (remain.has(row.id) ? [] : [row.id]))
  const heldIds = isAwaitingAction(play.state) ? leftIds : []
  const releases = isAwaitingAction(taken.state) && !isAwaitingAction(play.state)
  const turn = { ...play.turn, state: play.state, timer: play.timer, doneIds, heldIds, releases }
  return { conversation, turn, told, changed, movedIds, calls, consents }
}

/**
 * Returns what is left for a later turn; null where this one cannot go on. A message comes after those before it that are
 * held, also once the answer is there.
 */
async function playMail(
  play: Play,
  rows: readonly Mail[],
  taken: Taken,
  tools: TurnTools,
): Promise<readonly Mail[] | null> {
  const hasHeld = isAwaitingAction(taken.state)
  const left: Mail[] = []
  for (const row of rows) {
    const isBehind = hasHeld || left.length > 0 || isAwaitingAction(play.state)
    if (isBehind && canWait(row, play.state, play.context)) left.push(row)
    else if (!(await playRow(play, row, taken, tools))) return null
  }
  if (left.length === 0 || hasHeld || isAwaitingAction(play.state)) return left
  return await playMail(play, left, taken, tools)
}

function canWait({ kind, content }: Mail, state: ConversationState, context: HeededIn): boolean {
  return kind === 'message' && content !== null && !isHeededAtOnce(state, content, context)
}

type HeededIn = Parameters<typeof isHeededAtOnce>[2]

/** What a turn takes that plays one row only: that row, and before it the messages that are to be held. */
export function upToFirstPlayed({ conversation, state, mail }: Taken, business: Business): readonly Mail[] {
  const context = { business, customer: { opted_out: conversation.customer_opted_out } }
  const first = mail.findIndex(row => !isAwaitingAction(state) || !canWait(row, state, context))
  return first === -1 ? mail : mail.slice(0, first + 1)
}

type Play = {
  readonly turn: Omit<Turn, 'state' | 'timer' | 'doneIds' | 'heldIds' | 'releases'> & {
    events: ConversationEvent[]
    sends: Send[]
  }
  readonly told: FeedEvent[]
  readonly changed: string[]
  readonly movedIds: string[]
  readonly consents: Consent[]
  readonly calls: NewCall[]
  context: Context
  state: ConversationState
  timer: Turn['timer']
  actionsLeft: number
}

type Send = Turn['sends'][number]

function newPlay({ conversation, state, mail }: Taken, tools: TurnTools): Play {
  const times = mail.flatMap(row => row.provider_at?.getTime() ?? [])
  const lastInboundMs = times.length === 0 ? null : Math.max(...times)
  return {
    turn: {
      tenantId: conversation.tenant_id,
      conversationId: conversation.id,
      botId: conversation.bot_id,
      seqBefore: state.seq,
      before: { state, unfolded: conversation.unfolded },
      events: [],
      sends: [],
      lastInboundAt: lastInboundMs === null ? null : new Date(lastInboundMs),
    },
    ...{ told: [], changed: [], movedIds: [], consents: [], calls: [] },
    context: contextOf(conversation, lastInboundMs, tools),
    state,
    timer: undefined,
    actionsLeft: ACTIONS_PER_TURN_MAX,
  }
}

function contextOf(conversation: Claimed, lastInboundMs: number | null, { now, business }: TurnTools): Context {
  return {
    now,
    business,
    customer: { ...customerOf(conversation), opted_out: conversation.customer_opted_out },
    conversation: { id: conversation.id, bot_id: conversation.bot_id },
    window_expires_at: hasWindow(conversation) ? windowEndMs(conversation, lastInboundMs) : null,
  }
}

/** A bot that is gone has none. */
function hasWindow({ provider }: Claimed): boolean {
  const known = providerNames.find(name => name === provider)
  return known !== undefined && capabilitiesOf(known, {}).hasWindow
}

/** Zero where the customer never wrote. */
function windowEndMs({ window_expires_at }: Claimed, lastInboundMs: number | null): number {
  return Math.max(window_expires_at?.getTime() ?? 0, lastInboundMs === null ? 0 : lastInboundMs + WINDOW_MS)
}

/** Plays one row of mail. Whether the turn can go on. */
async function playRow(play: Play, row: Mail, { conversation, mail }: Taken, tools: TurnTools): Promise<boolean> {
  if (row.kind === 'message' && play.state.status === 'closed') {
    play.movedIds.push(row.id)
    return true
  }
  const hasMessage = mail.some(other => other.kind === 'message')
  const input = inputOf(conversation, row, { now: tools.now, hasMessage })
  return input === null || (await playInput(play, input, tools))
}

/** One input, and the results of the actions it leads to. Whether the turn can go on. */
async function playInput(play: Play, first: Input, tools: TurnTools): Promise<boolean> {
  const tell = (event: FeedEvent) => void play.told.push(event)
  for (let input: Input | null = first; input !== null; ) {
    const start = performance.now()
    const result = step(tools.library, play.state, input, play.context)
    tools.observeStep((performance.now() - start) / 1000)
    take(play, result.events, result.effects, tools)
    play.state = result.state
    const call: Effect | undefined = result.effects.find(effect => effect.kind === 'action')
    if (call?.kind !== 'action') return true
    const performed = play.actionsLeft-- > 0 ? await tools.perform(call, tell) : refused
    if (performed.kind === 'postponed') return false
    if (performed.kind === 'outside') {
      const { tenantId, conversationId } = play.turn
      const { call_id: callId, handler } = call
      play.calls.push({ tenantId, conversationId, id: tools.ids.next(), callId, handler, request: performed.request })
      return true
    }
    play.changed.push(...performed.changed)
    if (performed.customer)
      play.context = { ...play.context, customer: { ...play.context.customer, ...performed.customer } }
    input = { kind: 'action_result', call_id: call.call_id, result: performed.result }
  }
  return true
}

const refused: Performed = { kind: 'result', result: tooManyActions, changed: [] }

function take(
  play: Play,
  events: readonly ConversationEvent[],
  effects: readonly Effect[],
  { ids, now }: TurnTools,
): void {
  const sends: Send[] = []
  for (const effect of effects) {
    if (effect.kind === 'send')
      sends.push({ id: ids.next(), content: effect.content, isConsent: effect.consent === true })
    else if (effect.kind === 'timer') play.timer = { token: effect.token, dueAt: new Date(now + effect.after_ms) }
    else if (effect.kind === 'timer_clear') play.timer = null
    else if (effect.kind === 'consent') takeConsent(play, effect, ids, now)
  }
  play.turn.sends.push(...sends)
  play.turn.events.push(...withMessageIds(events, sends))
}

function takeConsent(play: Play, said: Extract<Effect, { kind: 'consent' }>, ids: Ids, now: number): void {
  const { customer } = play.context
  play.context = { ...play.context, customer: { ...customer, opted_out: said.opted === 'out' } }
  play.consents.push({
    tenantId: play.turn.tenantId,
    id: ids.next(),
    customerId: customer.id,
    kind: said.opted === 'out' ? 'opted_out' : 'opted_in',
    source: 'customer',
    word: said.word,
    messageId: said.message_id,
    conversationId: play.turn.conversationId,
    userId: null,
    note: null,
    at: new Date(now),
  })
}

/** Says in each event that sends which message went out with it. */
function withMessageIds(events: readonly ConversationEvent[], sends: readonly Send[]): ConversationEvent[] {
  let sent = 0
  return events.map(event => {
    const id = SENDING_EVENTS.has(event.type) ? sends[sent++]?.id : undefined
    if (id === undefined) return event
    // An event of the same type with one field more, which folding does not look at.
    return { ...event, data: { ...event.data, message_id: id } } as ConversationEvent
  })
}
