import type { OutboundContent } from '../flow/content.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { DueMessage, OutboxChange, Rerouted } from '../messaging/outbox.ts'
import type { SendRecord } from '../messaging/record-sends.ts'
import type { Identity } from '../messaging/resolve-customers.ts'
import type { MessageError } from '../messaging/status.ts'
import type { BotCache } from './bot-cache.ts'
import type { Breakers } from './breaker.ts'
import { chooseWay, type Route, refusalOf, type Way, waysOf } from './choose-way.ts'
import { admit, type Limit, Pace, type Rate } from './pacing.ts'
import type { WhatsAppProvider } from './provider.ts'
import { renderFor } from './render.ts'
import { ended } from './send-records.ts'
import { connectingMs, heldMs } from './waits.ts'

/** After the time for an answer, until a send without any result is taken for one whose process died. */
const marginMs = 5_000
/** One bot whose provider hangs leaves the others their share. */
const inFlightPerBotMax = 40
/** Until the first message of a bot that has its share in flight is looked at again, and from each to the next. */
export const crowdedMs = 100
const crowdedRate: Rate = { burst: 1, intervalMs: 10 }
/** For what waits while a single message tries whether a provider is back. */
const probedMs = 1_000

/** A message that goes out now: how, and which of its parts. */
export type Send = {
  readonly message: DueMessage
  readonly way: Way
  readonly to: Identity
  readonly part: OutboundContent
  readonly isLast: boolean
  readonly isProbe: boolean
}

/**
 * Windows end by the clock on the wall; rates and breakers go by one that never jumps: where the other is set back by an
 * hour, no message waits for an hour.
 */
type Times = { readonly now: number; readonly steadyMs: number }

/** What becomes of a message that is due. */
type Plan =
  | { readonly kind: 'send'; readonly send: Send }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'fail'; readonly error: MessageError }

/** What becomes of messages that are due: `changes` are those of their rows, `failures` what is not sent at all. */
export type Planned = {
  readonly sends: readonly Send[]
  readonly changes: readonly OutboxChange[]
  readonly rerouted: readonly Rerouted[]
  readonly failures: readonly SendRecord[]
  /** Until each of those that wait is looked at again. */
  readonly waitsMs: readonly number[]
}

export type Planner = {
  /** `now`: milliseconds since 1970. */
  plan(heads: readonly DueMessage[], now: number): Promise<Planned>
  /** Whether a bot has so much in flight that its next messages are looked at one by one. */
  isCrowded(): boolean
}

const botDeleted: MessageError = { code: 'bot_deleted', message: 'The bot was deleted before this was sent.' }
const noBot: MessageError = {
  code: 'no_bot',
  message: 'The bot cannot send: it was deleted, or its provider is unknown.',
}
const optedOut: MessageError = {
  code: 'customer_opted_out',
  message: 'The customer wants no messages: they said so before this one went out.',
}

/** Decides what becomes of messages that are due. Writes nothing; what it lets through counts towards the rates. */
export function makePlanner(options: {
  readonly log: Log
  readonly bots: BotCache
  readonly providers: ReadonlyMap<string, WhatsAppProvider>
  readonly breakers: Breakers
  readonly tenantMessagesPerMinute: number
  /** For the provider's answer. */
  readonly timeoutMs: number
  /** Sends of a bot that are under way. */
  readonly inFlightOf: (botId: string) => number
}): Planner {
  const { log, bots, providers, breakers, timeoutMs, inFlightOf } = options
  const pace = new Pace()
  const tenantRate = { burst: options.tenantMessagesPerMinute, intervalMs: 60_000 / options.tenantMessagesPerMinute }
  let crowdedUntil = 0

  async function planSend(message: DueMessage, starting: Map<string, number>, { now, steadyMs }: Times): Promise<Plan> {
    if (message.bot_status === null) return { kind: 'fail', error: botDeleted }
    if (message.is_opted_out && !message.consent) return { kind: 'fail', error: optedOut }
    const [own, other] = await Promise.all([
      routeOf(message.bot_id),
      message.other_bot_id === null ? 'gone' : routeOf(message.other_bot_id),
    ])
    if (own === 'unreadable') return { kind: 'wait', waitMs: heldMs }
    const sides = { own: own === 'gone' ? null : own, other: typeof other === 'string' ? null : other }
    const way = chooseWay(
      message,
      waysOf(message, sides, botId => breakers.isOpen(botId, steadyMs)),
      now,
    )
    if (way === null) return { kind: 'fail', error: noBot }
    const refusal = refusalOf(way, message.content, now)
    if (refusal !== null || way.to === null) return { kind: 'fail', error: refusal ?? noBot }
    const rendered = renderFor(message.content, way.capabilities)
    if (rendered.kind === 'refused') return { kind: 'fail', error: rendered.error }
    const waitMs = waitFor(message, way, starting, steadyMs)
    if (waitMs > 0) return { kind: 'wait', waitMs }
    // Where the provider is another one by now, there may be fewer parts.
    const index = Math.min(message.parts_sent, rendered.parts.length - 1)
    const isProbe = breakers.pass(way.bot.id, steadyMs).kind === 'probe'
    const [part, isLast] = [rendered.parts[index] ?? message.content, index === rendered.parts.length - 1]
    return { kind: 'send', send: { message, way, to: way.to, part, isLast, isProbe } }
  }

  /** The way that a bot's messages take. One whose secrets cannot be opened holds up its own messages only. */
  async function routeOf(botId: string): Promise<Route | 'gone' | 'unreadable'> {
    try {
      const bot = await bots.find(botId)
      const provider = bot === null ? undefined : providers.get(bot.provider)
      return bot === null || provider === undefined ? 'gone' : { bot, provider }
    } catch (error) {
      if (error instanceof AppError) throw error
      log.error({ bot_id: botId, error: messageOf(error) }, "a bot's secrets cannot be opened: its messages are held")
      return 'unreadable'
    }
  }

  function waitFor(message: DueMessage, way: Way, starting: Map<string, number>, steadyMs: number): number {
    const { id } = way.bot
    if (way.status !== 'connected') return way.status === 'connecting' ? connectingMs : heldMs
    const passage = breakers.pass(id, steadyMs)
    if (passage.kind === 'open') return Math.ceil(passage.untilMs - steadyMs)
    const begun = starting.get(id) ?? 0
    if (passage.kind === 'probe' && begun > 0) return probedMs
    if (inFlightOf(id) + begun >= inFlightPerBotMax) return slotOf(id, steadyMs)
    const waitMs = admit(pace, limitsOf(message, way), steadyMs, message.urgency === 0 ? 0 : 1)
    if (waitMs === 0) starting.set(id, begun + 1)
    return waitMs
  }

  /** A backlog, however long, is not looked at as a whole each time: each message has a moment of its own. */
  function slotOf(botId: string, steadyMs: number): number {
    const waitMs = crowdedMs + pace.queueMs(`c ${botId}`, crowdedRate, steadyMs)
    crowdedUntil = Math.max(crowdedUntil, steadyMs + waitMs)
    return waitMs
  }

  function limitsOf(message: DueMessage, { bot, provider, to }: Way): Limit[] {
    const limits: Limit[] = [{ key: `t ${message.tenant_id}`, rate: tenantRate }]
    const { messagesPerSecond, pair } = provider.rates
    if (messagesPerSecond !== null)
      limits.push({ key: `n ${bot.id}`, rate: { burst: messagesPerSecond, intervalMs: 1_000 / messagesPerSecond } })
    if (pair !== null) limits.push({ key: `p ${bot.id} ${to?.value}`, rate: pair })
    return limits
  }

  return {
    async plan(heads, now) {
      const starting = new Map<string, number>()
      const plans: { readonly message: DueMessage; readonly plan: Plan }[] = []
      const times = { now, steadyMs: performance.now() }
      for (const message of heads) plans.push({ message, plan: await planSend(message, starting, times) })
      return gather(plans, timeoutMs + marginMs)
    },
    isCrowded: () => performance.now() < crowdedUntil,
  }
}

/** `deadMs`: after it a send without a result is taken for one whose process died. */
function gather(plans: readonly { readonly message: DueMessage; readonly plan: Plan }[], deadMs: number): Planned {
  const sends = plans.flatMap(({ plan }) => (plan.kind === 'send' ? [plan.send] : []))
  return {
    sends,
    rerouted: sends.flatMap(rerouted),
    changes: plans.flatMap(({ message, plan }) => changeOf(message, plan, deadMs)),
    failures: plans.flatMap(({ message, plan }) =>
      plan.kind === 'fail' ? [ended(message, 'failed', plan.error)] : [],
    ),
    waitsMs: plans.flatMap(({ plan }) => (plan.kind === 'wait' ? [plan.waitMs] : [])),
  }
}

function changeOf(message: DueMessage, plan: Plan, deadMs: number): OutboxChange[] {
  if (plan.kind === 'fail') return []
  const [state, waitMs] = plan.kind === 'send' ? (['sending', deadMs] as const) : (['queued', plan.waitMs] as const)
  return [{ ...keyOf(message), state, waitMs }]
}

function keyOf({ tenant_id, conversation_id, id, attempts }: DueMessage) {
  return { tenant_id, conversation_id, id, attempts }
}

/** A message that does not go by the bot it went by before. */
function rerouted({ message, way, to }: Send): Rerouted[] {
  if (way.bot.id === message.message_bot_id) return []
  const introduce = way.isOther ? { phone: to.value, customerId: message.customer_id } : null
  return [{ ...keyOf(message), botId: way.bot.id, introduce }]
}
