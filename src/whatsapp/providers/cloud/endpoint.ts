import type { BotConfig } from '../../provider.ts'

/** Where, and how, one number's Cloud API is called: Meta's own, or that of a provider who passes it on. */
export type CloudEndpoint = {
  /** Whose it is, for sentences. */
  readonly who: string
  /** What lets a request in. */
  readonly headers: (config: BotConfig) => Readonly<Record<string, string>>
  /** POST: messages, read marks. */
  readonly messages: (config: BotConfig) => string
  /** POST: uploads. */
  readonly uploads: (config: BotConfig) => string
  /** GET: where a customer's file is. */
  readonly file: (config: BotConfig, id: string) => string
  /** Where a file is got that is said to be at this address. */
  readonly download: (url: string) => string
}
