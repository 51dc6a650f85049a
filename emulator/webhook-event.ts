import type { BusinessNumber, ChatMessage, Customer, MessageStatus } from './records.ts'

/** Something a bot's server is told. */
export type WebhookEvent =
  | { readonly kind: 'messages'; readonly customer: Customer; readonly messages: readonly ChatMessage[] }
  | {
      readonly kind: 'status'
      readonly customer: Customer
      readonly message: ChatMessage
      readonly status: MessageStatus
      /** Milliseconds since the epoch. */
      readonly at: number
    }
  | { readonly kind: 'raw'; readonly body: string }

/** How a provider words its webhooks and signs them. */
export interface WebhookFormat {
  /** The body that tells of these events. All are statuses, or there is just one. */
  build(number: BusinessNumber, events: readonly WebhookEvent[]): string
  /** The headers that prove the sender, over exactly these bytes. */
  sign(number: BusinessNumber, body: string): Record<string, string>
}
