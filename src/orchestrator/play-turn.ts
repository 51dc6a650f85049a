import * as v from 'valibot'
import { tooManyActions } from '../flow/continue-run.ts'
import type { ConversationEvent } from '../flow/events.ts'
import { SENDING_EVENTS } from '../flow/events.ts'
import type { FlowLibrary } from '../flow/library.ts'
import { ACTIONS_PER_TURN_MAX } from '../flow/limits.ts'
import type { Effect } from '../flow/run.ts'
import { type ConversationState, initialState } from '../flow/state.ts'
import { type ActionResult, type Context, type Input, step } from '../flow/step.ts'
import type { Ids } from '../lib/ids.ts'
import type { Claimed, Mail } from '../messaging/claim-conversations.ts'
import type { TurnTold } from '../messaging/news.ts'
import type { Turn } from '../messaging/save-turns.ts'
import type { FeedEvent } from '../stores/feed.ts'
import { silenceMs } from './silence.ts'

/** What a turn may ask for from outside its pure part. */
export type TurnTools = {
  readonly ids: Ids
  /** Milliseconds since 1970, the same for the whole turn. */
  readonly now: number
  readonly library: FlowLibrary
  /** Performs an action; undefined where it may not be performed in this turn, which then counts for nothing. */
  readonly perform: (
    call: Extract<Effect, { kind: 'action' }>,
    tell: (event: FeedEvent) => void,
  ) => Promise<ActionResult> | undefined
  readonly observeStep: (seconds: number) => void
}

/**
 * What a turn comes to. `told`: what its actions have to tell. `movedIds`: messages that came after the conversation was
 * closed, and belong to the next.
 */
export type Played = TurnTold & { readonly movedIds: readonly string[] }

/**
 * Plays a conversation's mail, in order. Writes nothing: what is to be written is in the turn. Null where the turn
 * needs an action that `perform` leaves to another turn.
 */
export async function playTurn(conversation: Claimed, mail: readonly Mail[], tools: TurnTools): Promise<Played | null> {
  const play = newPlay(conversation, mail)
  const movedIds: string[] = []
  for (const row of mail) {
    if (row.kind === 'message' && play.state.status === 'closed') {
      movedIds.push(row.id)
      continue
    }
    // Who writes in this very turn is not silent.
    const input = inputOf(
      conversation,
      row,
      tools.now,
      mail.some(other => other.kind === 'message'),
    )
    if (input !== null && !(await playInput(play, input, tools))) return null
  }
  const done = mail.filter(row => !movedIds.includes(row.id))
  const turn = { ...play.turn, state: play.state, timer: play.timer, doneIds: done.map(row => row.id) }
  return { conversation, turn, told: play.told, movedIds }
}

type Play = {
  readonly turn: Omit<Turn, 'state' | 'timer' | 'doneIds'> & { events: ConversationEvent[]; sends: Send[] }
  readonly context: Omit<Context, 'now'>
  readonly told: FeedEvent[]
  state: ConversationState
  timer: Turn['timer']
  actionsLeft: number
}

type Send = Turn['sends'][number]

function newPlay(conversation: Claimed, mail: readonly Mail[]): Play {
  const state = conversation.state ?? initialState
  const times = mail.flatMap(row => row.provider_at?.getTime() ?? [])
  return {
    turn: {
      tenantId: conversation.tenant_id,
      conversationId: conversation.id,
      botId: conversation.bot_id,
      seqBefore: state.seq,
      events: [],
      sends: [],
      lastInboundAt: times.length === 0 ? null : new Date(Math.max(...times)),
    },
    context: {
      customer: {
        id: conversation.customer_id,
        name: conversation.customer_name === '' ? null : conversation.customer_name,
        phone: conversation.customer_phone,
        email: conversation.customer_email,
        variables: conversation.customer_variables,
      },
      conversation: { id: conversation.id, bot_id: conversation.bot_id },
    },
    told: [],
    state,
    timer: undefined,
    actionsLeft: ACTIONS_PER_TURN_MAX,
  }
}

/** One input, and the results of the actions it leads to. Whether the turn can go on. */
async function playInput(play: Play, first: Input, tools: TurnTools): Promise<boolean> {
  const tell = (event: FeedEvent) => void play.told.push(event)
  for (let input: Input | null = first; input !== null; ) {
    const start = performance.now()
    const result = step(tools.library, play.state, input, { ...play.context, now: tools.now })
    tools.observeStep((performance.now() - start) / 1000)
    take(play, result.events, result.effects, result.state, tools)
    const call: Effect | undefined = result.effects.find(effect => effect.kind === 'action')
    if (call?.kind !== 'action') return true
    const performed = play.actionsLeft-- > 0 ? tools.perform(call, tell) : refused
    if (performed === undefined) return false
    input = { kind: 'action_result', call_id: call.call_id, result: await performed }
  }
  return true
}

const refused = Promise.resolve(tooManyActions)

function take(
  play: Play,
  events: readonly ConversationEvent[],
  effects: readonly Effect[],
  state: ConversationState,
  tools: TurnTools,
): void {
  const sends: Send[] = []
  for (const effect of effects) {
    if (effect.kind === 'send') sends.push({ id: tools.ids.next(), content: effect.content })
    else if (effect.kind === 'timer') play.timer = { token: effect.token, dueAt: new Date(tools.now + effect.after_ms) }
    else if (effect.kind === 'timer_clear') play.timer = null
  }
  play.turn.sends.push(...sends)
  play.turn.events.push(...withMessageIds(events, sends))
  play.state = state
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

const bodySchemas = {
  timer: v.object({ token: v.string() }),
  handoff: v.object({ note: v.optional(v.string(), ''), agent_id: v.optional(v.nullable(v.string())) }),
  resume: v.object({ agent_id: v.optional(v.nullable(v.string())) }),
  close: v.object({ reason: v.optional(v.string(), 'closed'), agent_id: v.optional(v.nullable(v.string())) }),
}

/** What a row of mail means to the flow; null where it means nothing any more. */
function inputOf(conversation: Claimed, row: Mail, now: number, hasMessage: boolean): Input | null {
  switch (row.kind) {
    case 'message': {
      if (row.content === null) throw new Error('the message of this row is not there')
      const { flow_id, published_version } = conversation
      const flow = flow_id === null || published_version === null ? null : { flow_id, version: published_version }
      return { kind: 'message', message_id: row.id, content: row.content, flow }
    }
    case 'timer':
      return { kind: 'timer', ...v.parse(bodySchemas.timer, row.body) }
    case 'handoff': {
      const { note, agent_id } = v.parse(bodySchemas.handoff, row.body)
      return { kind: 'handoff', note, agent_id: agent_id ?? undefined }
    }
    case 'resume':
      return { kind: 'resume', agent_id: v.parse(bodySchemas.resume, row.body).agent_id ?? undefined }
    case 'close': {
      const { reason, agent_id } = v.parse(bodySchemas.close, row.body)
      // What a person closes is closed, whatever they give as their reason.
      if (agent_id) return { kind: 'close', reason }
      const isSilent = !hasMessage && now - conversation.last_message_at.getTime() >= silenceMs
      return reason === 'silence' && !isSilent ? null : { kind: 'close', reason }
    }
    default:
      throw new Error(`mail of kind "${row.kind}" is not known here`)
  }
}
