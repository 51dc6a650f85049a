import type { InboundContent } from '../flow/content.ts'
import type { InboundMedia } from './insert-media.ts'
import type { Identity } from './resolve-customers.ts'

/** A message that the business wrote to a customer on its own phone, as a provider's webhook brought it. */
export type PhoneMessage = {
  readonly tenantId: string
  readonly botId: string
  /** Whether the bot stands in for others: the customer may be talking with one of those. */
  readonly isFallback?: boolean
  /** The provider's id: the same message brought again has the same. */
  readonly providerMessageId: string
  /** Whom it was written to. */
  readonly to: readonly Identity[]
  readonly content: InboundContent
  /** The file that the content names, where it is kept here. */
  readonly media?: InboundMedia | undefined
  /** When it was written, by the provider's clock. */
  readonly at: Date
  /** Whether the provider tells of what this program sends in the same way. */
  readonly mayBeOurs: boolean
}
