import type { InboundContent, OutboundContent } from '../flow/content.ts'
import type { Fetch } from '../lib/guarded-fetch.ts'
import type { Json } from '../lib/json.ts'
import type { BotConfig, ProviderName } from '../messaging/bot-config.ts'
import type { Identity, Sender } from '../messaging/resolve-customers.ts'
import type { MessageError, ReportedStatus } from '../messaging/status.ts'

/** A bot as its provider sees it. `config` has its secrets, as the provider's schema took it. */
export type ProviderBot = { readonly tenantId: string; readonly id: string; readonly config: BotConfig }

/** A webhook as it arrived. */
export type WebhookRequest = {
  readonly headers: Headers
  /** What was signed, byte by byte. */
  readonly body: Uint8Array
  /** The address as the provider called it: PUBLIC_URL with the path and the query. */
  readonly url: string
}

/**
 * What a provider needs to get a file that a customer sent: its id, its address, its key. Plain JSON, for the same
 * provider alone; kept sealed, since whoever has it may read the file.
 */
export type MediaSource = { readonly [key: string]: Json }

/** A file in a webhook: to be fetched, or its very bytes. */
export type InboundMedia =
  | { readonly kind: 'source'; readonly source: MediaSource }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** A message of a customer. The `media_id` of its content is replaced by ours where `media` is given. */
export type ReceivedMessage = {
  /** The same message brought again has the same. */
  readonly providerMessageId: string
  readonly sender: Sender
  readonly content: InboundContent
  /** Of a content that is media, where the provider says how to get it. */
  readonly media?: InboundMedia | undefined
  /** When the customer wrote, by the provider's clock. */
  readonly at: Date
}

/** A message that somebody of the business wrote to a customer on its phone, or on another device linked to it. */
export type PhoneMessage = {
  /** The same message told again has the same. */
  readonly providerMessageId: string
  /** Whom it was written to: one identity at least. */
  readonly to: readonly Identity[]
  readonly content: InboundContent
  /** Of a content that is media, where the provider says how to get it. */
  readonly media?: InboundMedia | undefined
  /** When it was written, by the provider's clock. */
  readonly at: Date
  /** Whether the provider may tell of what this program sends in the same way. */
  readonly mayBeOurs: boolean
}

export type ReceivedStatus = {
  readonly providerMessageId: string
  readonly status: ReportedStatus
  readonly error: MessageError | null
  readonly at: Date
  /** What `sendMessage` gave as its reference, where the provider hands it back. */
  readonly reference: string | null
}

/** What a webhook holds. */
export type Webhook = {
  readonly messages: readonly ReceivedMessage[]
  readonly phoneMessages: readonly PhoneMessage[]
  readonly statuses: readonly ReceivedStatus[]
  /** How the bot's account stands now, where the webhook tells of that. */
  readonly connection: Connection | null
  /** Parts that were left out, each with a reason for the log and the metric: a fixed set of words. */
  readonly ignored: readonly Ignored[]
}

export const emptyWebhook: Webhook = { messages: [], phoneMessages: [], statuses: [], connection: null, ignored: [] }

/**
 * - `malformed`: cannot be read; kept as it came, so that a person can see what was lost.
 * - `unknown_event`: of a kind that this version does not know; kept too.
 * - `other_number`: of another number of the account; kept too, since it tells of a wrong setting.
 * - `other_event`: of a kind that is of no use here.
 * - `own_message`: sent through the account by this program, or by another one.
 */
export type IgnoredReason =
  | 'malformed'
  | 'unknown_event'
  | 'other_number'
  | 'other_event'
  | 'group_message'
  | 'own_message'

export type Ignored = { readonly reason: IgnoredReason; readonly raw: unknown }

/** `refused`: whoever made the request does not know the bot's secret. */
export type HandledWebhook = { readonly kind: 'refused' } | { readonly kind: 'read'; readonly webhook: Webhook }

/** A file to send, kept here. */
export type OutboundFile = {
  readonly mimeType: string
  readonly filename: string | null
  readonly bytes: number
  /** Its bytes, read from the disk as they are taken. */
  readonly blob: Blob
  /** An address that anybody can read it at, for a while: for providers that fetch files themselves. */
  readonly link: string
  /** What tells it from every other file, for ever. */
  readonly key: string
}

/** What to send, and to whom: within the provider's capabilities. */
export type OutboundMessage = {
  readonly to: Identity
  readonly content: OutboundContent
  /** The file of a content whose `media_id` names one that is kept here. */
  readonly file: OutboundFile | null
  /** Ours: comes back with each status, at most 512 bytes. */
  readonly reference: string
}

/**
 * How a try to send ended.
 * - `sent`: accepted by the provider, which is not yet delivered.
 * - `retry`: not accepted for now; `pace` says how long to wait: `soon` (from 1 s), `later` (from 30 s), `pair` (the
 *   rate to this one customer: 4ⁿ s). `triesMax` where the provider advises fewer than usual.
 * - `failed`: refused for good.
 * - `account`: the provider refuses the account or its token, so every send would fail until a person acts.
 * - `not_ready`: the account cannot send just now and may be able to again by itself: its status is asked until it is.
 * - `logged_out`: the session is gone: it must be paired again.
 * - `unknown`: the body left and no answer came, so that it may have been accepted.
 */
export type SendResult =
  | { readonly kind: 'sent'; readonly providerMessageId: string }
  | { readonly kind: 'retry'; readonly error: MessageError; readonly pace: RetryPace; readonly triesMax?: number }
  | {
      readonly kind: 'failed' | 'account' | 'not_ready' | 'logged_out' | 'unknown'
      readonly error: MessageError
    }

/**
 * How a bot's account stands.
 * - `connected`: messages may be sent; `reason` where that could not be found out, and only a send will tell.
 * - `pairing`: waits for a person to scan `qr` or to type `pairingCode` on the phone, until `expiresAt`. Both are
 *   credentials.
 * - `connecting`: on its way; the provider will tell, or is asked again.
 * - `logged_out`: unpaired by the phone or by the provider.
 * - `refused`: every send would be refused, for this reason.
 * - `retry`: the provider could not be asked, or would not say.
 */
export type Connection =
  | { readonly kind: 'connected'; readonly reason: string | null }
  | {
      readonly kind: 'pairing'
      readonly qr: string | null
      readonly pairingCode: string | null
      readonly expiresAt: Date
    }
  | { readonly kind: 'connecting' | 'logged_out' | 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly pace: RetryPace }

export type RetryPace = 'soon' | 'later' | 'pair'

/** A customer's file, as the provider gives it. `body` is read once, and only as far as the size allowed. */
export type FetchedMedia =
  | {
      readonly kind: 'found'
      readonly body: ReadableStream<Uint8Array>
      readonly mimeType: string | null
      readonly bytes: number | null
    }
  | { readonly kind: 'retry'; readonly reason: string; readonly pace: RetryPace }
  | { readonly kind: 'failed'; readonly reason: string }

/** Rates that a provider allows to one number; null where it names none. */
export type ProviderRates = {
  readonly messagesPerSecond: number | null
  readonly pair: { readonly burst: number; readonly intervalMs: number } | null
}

/**
 * A way to WhatsApp. Implementations keep nothing between calls but what `Memo` keeps, and never throw for what a
 * provider or a customer does. Two may: `handleWebhook` throws an `AppError` for a body that cannot be read, and
 * `disconnect` rejects where the session could not be ended yet, so that it is tried again. Every call
 * that leaves the process ends when its `signal` does. What a provider can show is in `capabilitiesOf`
 * (messaging/capabilities.ts): `sendMessage` gets nothing else.
 */
export type WhatsAppProvider = {
  readonly name: ProviderName
  readonly rates: ProviderRates
  /** The largest webhook that the provider sends. */
  readonly webhookBytesMax: number
  /** What a webhook that was taken is answered with; nothing where it is left out. */
  readonly webhookAnswer?: { readonly contentType: string; readonly body: string }
  /**
   * Checks that whoever made the request knows the bot's secret, in constant time and on the raw body, and reads it.
   * What cannot be read is `ignored`, never the end of the rest.
   */
  handleWebhook(request: WebhookRequest, bot: ProviderBot): HandledWebhook | Promise<HandledWebhook>
  /** The text to answer a provider's verification request with; null where it is not one, or not for this bot. */
  handshake?(query: URLSearchParams, bot: ProviderBot): string | null
  sendMessage(message: OutboundMessage, bot: ProviderBot, signal: AbortSignal): Promise<SendResult>
  /** Asks how the bot's account stands. Changes nothing. */
  getStatus(bot: ProviderBot, signal: AbortSignal): Promise<Connection>
  /**
   * Makes the bot able to send: sets up what the provider needs, begins to pair. `phone` (E.164): pair by a code for
   * this number. Called again for a bot that is connected, it changes nothing. Left out where there is nothing to do.
   */
  connect?(bot: ProviderBot, options: { readonly phone: string | null }, signal: AbortSignal): Promise<Connection>
  /** The code that pairs the bot now, for as long as it waits for one. Left out where nothing is paired. */
  getQr?(bot: ProviderBot, signal: AbortSignal): Promise<Connection>
  /** Ends the session; `isLogout`: for good, so that the phone forgets it. Left out where there is no session. */
  disconnect?(bot: ProviderBot, options: { readonly isLogout: boolean }, signal: AbortSignal): Promise<void>
  /** Gets a customer's file. Left out where no webhook of the provider has one. */
  fetchMedia?(source: MediaSource, bot: ProviderBot, signal: AbortSignal): Promise<FetchedMedia>
  /** Shows the customer that a message was read, and that an answer is being written. What fails is nobody's loss. */
  markRead?(message: ReadMark, bot: ProviderBot, signal: AbortSignal): Promise<void>
}

/** A customer's message that was read. */
export type ReadMark = {
  readonly providerMessageId: string
  readonly from: Identity
  /** Whether the customer is to see that somebody is typing. */
  readonly isTyping: boolean
}

/**
 * What providers keep of their accounts between calls, by bot: an id that a provider gave to something of ours. May be
 * lost: what is missing is made again.
 */
export type Memo = {
  find(bot: ProviderBot, key: string): Promise<string | null>
  /** `expiresAt`: when the provider forgets it; null where it does not. */
  save(bot: ProviderBot, key: string, value: string, expiresAt: Date | null): Promise<void>
}

/** What a provider is made of. */
export type ProviderParts = {
  readonly config: {
    readonly PUBLIC_URL: string
    readonly META_BASE_URL: string
    /** Null: the provider's own. */
    readonly OFFICIAL_BASE_URL: string | null
    readonly TWILIO_BASE_URL: string | null
  }
  readonly memo: Memo
  /** For addresses that tenants write. */
  readonly guardedFetch: Fetch
  /** For bots of Baileys; left out where there can be none. */
  readonly bridge?: BridgeAccess | undefined
}

/** The way to the process that keeps the sessions of WhatsApp Web open. */
export type BridgeAccess = {
  /** Where it listens; null while it starts. */
  url(): Promise<string | null>
  /** What it and this process show each other. */
  readonly token: string
  /** Why there can be none until a person acts; null where there is nothing in the way. */
  problem?(): string | null
}

export type { BotConfig, ProviderName }
