import type { InboundContent, OutboundContent } from '../flow/content.ts'
import type { Identity, Sender } from '../messaging/resolve-customers.ts'
import type { MessageError, ReportedStatus } from '../messaging/status.ts'

/** The names of the five providers, as in `bots.provider` and in a webhook's path. */
export type ProviderName = 'baileys' | 'official' | 'twilio' | 'evolution' | 'meta'

/** A webhook as it arrived; `body` is what was signed, byte by byte. */
export type WebhookRequest = { readonly headers: Headers; readonly body: Uint8Array }

/** What a webhook's body holds. */
export type Webhook = {
  readonly messages: readonly {
    readonly providerMessageId: string
    readonly sender: Sender
    readonly content: InboundContent
    readonly at: Date
  }[]
  readonly statuses: readonly {
    readonly providerMessageId: string
    readonly status: ReportedStatus
    readonly error: MessageError | null
    readonly at: Date
    /** What `send` gave as its reference, where the provider hands it back. */
    readonly reference: string | null
  }[]
  /** Parts that were left out, each with a reason for the log and the metric: a fixed set of words. */
  readonly ignored: readonly IgnoredReason[]
}

export type IgnoredReason = 'other_number' | 'other_event' | 'group_message' | 'malformed'

/** What to send, and to whom. */
export type OutboundMessage = {
  readonly to: Identity
  readonly content: OutboundContent
  /** Ours: comes back with each status, at most 512 bytes. */
  readonly reference: string
}

/**
 * How a try to send ended.
 * - `sent`: accepted by the provider, which is not yet delivered.
 * - `retry`: not accepted for now; `pace` says how long to wait: `soon` (from 1 s), `later` (from 30 s), `pair` (the
 *   rate to this one customer: 4ⁿ s). `triesMax` where the provider advises fewer than usual.
 * - `failed`: refused for good. `account`: the provider refuses the account or its token, so every send would fail.
 * - `unknown`: the body left and no answer came, so that it may have been accepted.
 */
export type SendResult =
  | { readonly kind: 'sent'; readonly providerMessageId: string }
  | { readonly kind: 'retry'; readonly error: MessageError; readonly pace: RetryPace; readonly triesMax?: number }
  | { readonly kind: 'failed' | 'account' | 'unknown'; readonly error: MessageError }

/**
 * What a provider says of a bot's account.
 * - `connected`: messages may be sent; `reason` where that could not be found out, and only a send will tell.
 * - `refused`: every send would be refused, for this reason.
 * - `retry`: the provider could not be asked, or would not say.
 */
export type CheckResult =
  | { readonly kind: 'connected'; readonly reason: string | null }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly pace: RetryPace }

export type RetryPace = 'soon' | 'later' | 'pair'

/** Rates that a provider allows to one number; null where it names none. */
export type ProviderRates = {
  readonly messagesPerSecond: number | null
  readonly pair: { readonly burst: number; readonly intervalMs: number } | null
}

/**
 * A way to WhatsApp. Implementations keep nothing between calls, and never throw for what a provider or a customer
 * does. `config` is the bot's, with its secrets, as its schema took it.
 */
export type WhatsAppProvider = {
  readonly name: ProviderName
  readonly rates: ProviderRates
  /** Whether whoever made this request knows the bot's secret. Compares in constant time, on the raw body. */
  verify(request: WebhookRequest, config: BotConfig): boolean
  /** Reads a body that was verified. What cannot be read is `ignored`, never the end of the rest. */
  parse(body: unknown, config: BotConfig): Webhook
  /** The text to answer a provider's verification request with; null where it is not one, or not for this bot. */
  handshake?(query: URLSearchParams, config: BotConfig): string | null
  /** Asks whether the bot's settings are good. A provider without it has bots that are connected as soon as they are made. */
  check?(config: BotConfig, signal: AbortSignal): Promise<CheckResult>
  send(message: OutboundMessage, config: BotConfig, signal: AbortSignal): Promise<SendResult>
}

/** A bot's settings for its provider, all of them texts. */
export type BotConfig = Readonly<Record<string, string>>
