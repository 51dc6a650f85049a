import type { Refusal, RefusedAs } from './read-send.ts'
import type { BusinessNumber, ChatMessage, Content, Customer } from './records.ts'
import type { WebhookEvent, WebhookFormat } from './webhook-event.ts'

/** How a provider words what happens between customers and bots. Nothing here changes anything. */
export interface Wording {
  /** Whether the provider holds its numbers to rates at all. */
  readonly hasRates: boolean
  /** Whether a bot's server is told of what the business writes to customers on its own phone. */
  readonly tellsOfPhone: boolean
  /** Whether free text needs a customer who has written within 24 hours. */
  readonly hasWindow: boolean
  messageId(direction: ChatMessage['direction'], content: Content): string
  mediaId(): string
  /** What a bot's server is told as soon as a message is accepted, before any status. */
  announce(customer: Customer, message: ChatMessage, atMs: number): readonly WebhookEvent[]
  readonly webhooks: WebhookFormat
  refuse(refusal: Refusal, number: BusinessNumber): RefusedAs
}
