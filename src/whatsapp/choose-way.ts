import type { OutboundContent } from '../flow/content.ts'
import { type Capabilities, capabilitiesOf } from '../messaging/capabilities.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import type { DueMessage } from '../messaging/outbox.ts'
import type { Identity } from '../messaging/resolve-customers.ts'
import type { MessageError } from '../messaging/status.ts'
import type { WhatsAppProvider } from './provider.ts'

/** A bot and its provider. */
export type Route = { readonly bot: BotWithSecrets; readonly provider: WhatsAppProvider }

/** A way that a message can take: by its conversation's bot, or by the one beside it. */
export type Way = Route & {
  readonly isOther: boolean
  /** How the bot stands; only one that is connected sends. */
  readonly status: string
  readonly isCircuitOpen: boolean
  readonly capabilities: Capabilities
  /** What the customer is written to by; null where the bot knows nothing. */
  readonly to: Identity | null
  readonly windowExpiresAt: Date | null
}

/** What is found out about a way before it is chosen. */
export type Sides = { readonly own: Route | null; readonly other: Route | null }

export function waysOf(
  message: DueMessage,
  { own, other }: Sides,
  isCircuitOpen: (botId: string) => boolean,
): { readonly own: Way | null; readonly other: Way | null } {
  return {
    own: own && ownWay(message, own, isCircuitOpen(own.bot.id)),
    other: other && otherWay(message, other, isCircuitOpen(other.bot.id)),
  }
}

function ownWay(message: DueMessage, route: Route, isCircuitOpen: boolean): Way {
  const capabilities = capabilitiesOf(route.provider.name, route.bot.config)
  const known = { phone: message.phone, bsuid: message.bsuid, lid: message.lid }
  return {
    ...{ ...route, isCircuitOpen, capabilities, isOther: false },
    status: message.bot_status ?? 'deleted',
    to: addressOf(known, capabilities.addresses),
    windowExpiresAt: message.window_expires_at,
  }
}

/** Another number of the same business: the customer is known there by the phone, which is the same everywhere. */
function otherWay(message: DueMessage, route: Route, isCircuitOpen: boolean): Way {
  const capabilities = capabilitiesOf(route.provider.name, route.bot.config)
  const known = { phone: message.customer_phone ?? message.phone, bsuid: null, lid: null }
  return {
    ...{ ...route, isCircuitOpen, capabilities, isOther: true },
    status: message.other_status ?? 'deleted',
    to: addressOf(known, capabilities.addresses),
    windowExpiresAt: message.other_window_expires_at,
  }
}

function addressOf(
  known: Readonly<Record<Identity['kind'], string | null>>,
  kinds: readonly Identity['kind'][],
): Identity | null {
  const kind = kinds.find(one => known[one] !== null)
  const value = kind === undefined ? null : known[kind]
  return kind === undefined || value === null ? null : { kind, value }
}

/**
 * The way a message goes: by its conversation's bot, but by the other one where that cannot send for longer (logged out,
 * refused, its provider down) or the customer is already talking to the other one; as long as the other one can reach the
 * customer now.
 */
export function chooseWay(
  message: DueMessage,
  { own, other }: { readonly own: Way | null; readonly other: Way | null },
  now: number,
): Way | null {
  if (other === null || !canSend(other) || refusalOf(other, message.content, now) !== null) return own
  if (message.is_via_other) return other
  return own !== null && isDown(own) ? other : own
}

function canSend(way: Way): boolean {
  return way.status === 'connected' && !way.isCircuitOpen
}

function isDown(way: Way): boolean {
  return way.isCircuitOpen || way.status === 'logged_out' || way.status === 'error'
}

/** What can be known before asking the provider. */
export function refusalOf(way: Way, content: OutboundContent, now: number): MessageError | null {
  if (way.to === null)
    return { code: 'no_address', message: 'Nothing is known of the customer that this bot could write to.' }
  if (content.type === 'template' && !way.capabilities.templates)
    return { code: 'not_supported', message: "The bot's provider has no templates." }
  const isOpen = way.windowExpiresAt !== null && way.windowExpiresAt.getTime() > now
  if (!way.capabilities.hasWindow || isOpen || content.type === 'template') return null
  return {
    code: 'window_closed',
    message: 'More than 24 hours have passed since the customer last wrote: only a template can be sent.',
  }
}
