import type { BusinessNumber, ChatMessage, Customer, MessageStatus } from './records.ts'

/**
 * Something a bot's server is told.
 * - `status`: `queued` comes before all others, at providers that tell of it.
 * - `echo`: the provider repeats what the bot sent.
 * - `phone`: the business wrote to a customer on its own phone.
 * - `notice`: something of one provider only, as the state of a connection: its name there, and what it says.
 * - `raw`: these bytes, whatever they are.
 */
export type WebhookEvent =
  | { readonly kind: 'messages'; readonly customer: Customer; readonly messages: readonly ChatMessage[] }
  | {
      readonly kind: 'status'
      readonly customer: Customer
      readonly message: ChatMessage
      readonly status: MessageStatus | 'queued'
      /** Milliseconds since the epoch. */
      readonly at: number
    }
  | { readonly kind: 'echo' | 'phone'; readonly customer: Customer; readonly message: ChatMessage }
  | { readonly kind: 'notice'; readonly name: string; readonly data: unknown; readonly at: number }
  | { readonly kind: 'raw'; readonly body: string }

/** What a webhook needs to know beyond its events. */
export interface WebhookSurroundings {
  /** The emulator's own address. */
  readonly url: string
  /** The message an answer quotes. */
  message(id: string): ChatMessage | null
  /** What a media id stands for, and where it can be fetched without the provider's own way. */
  media(mediaId: string, mimeType: string): { readonly url: string; readonly bytes: Uint8Array }
}

/** One request to a bot's server, all but the proof of who sends it. `url` is the public one. */
export type WebhookRequest = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How one request to a bot's server ended. `status` is null where no answer came; `error` says why. */
export interface WebhookAnswer {
  readonly ok: boolean
  readonly status: number | null
  readonly error: string | null
  /** Without parameters, in lower case; empty where none was given. */
  readonly contentType: string
  /** The body, or its beginning. */
  readonly text: string
}

/** How a provider words its webhooks, signs them, and takes the answers. */
export interface WebhookFormat {
  /** Whether one webhook may tell of several messages of a customer, or of many statuses. */
  readonly isBatched: boolean
  readonly timeoutMs: number
  /**
   * The request that tells of these events, or null where nobody is told: no address is set, or nobody asked. Where
   * `isBatched`, all are statuses or there is just one; elsewhere there is one, with one message.
   */
  build(number: BusinessNumber, events: readonly WebhookEvent[], around: WebhookSurroundings): WebhookRequest | null
  /** The headers that prove the sender, over exactly this request. Made anew for each try. */
  sign(number: BusinessNumber, request: WebhookRequest, atMs: number): Record<string, string>
  /** Whether an answer that is not 2xx, or none, is followed by another try. `failures` counts from 1. */
  isRetried(request: WebhookRequest, answer: WebhookAnswer, failures: number): boolean
  /** What an answer does besides taking the webhook: the text the customer gets, or what is wrong with it. */
  hear(event: WebhookEvent, answer: WebhookAnswer): { readonly reply: string | null; readonly problem: string | null }
  /** A body given as JSON, as bytes of this provider. */
  encode(body: unknown): string
}

/** Of providers that read nothing in an answer but its status. */
export const deaf: WebhookFormat['hear'] = () => ({ reply: null, problem: null })
