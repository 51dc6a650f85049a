/** Every bound of the emulator. Nothing it keeps grows past these; the oldest goes first. */
export interface EmulatorLimits {
  /** Business numbers registered at once; one more is refused. */
  readonly numbersMax: number
  /** Customers known at once; the one idle longest is forgotten, with its chats. */
  readonly customersMax: number
  /** Chats kept, over all numbers. */
  readonly chatsMax: number
  readonly messagesPerChatMax: number
  /** Entries of the log of send requests, over all numbers. */
  readonly requestsMax: number
  /** Entries of the log of webhooks, for each number. */
  readonly webhooksPerNumberMax: number
  /** Webhooks waiting or under way, over all numbers; one more is dropped and logged as such. */
  readonly webhooksPendingMax: number
  /** Webhook requests in flight at once, for each number. */
  readonly webhooksInFlightMax: number
  readonly faultsMax: number
  /** Open event streams; one more is refused with 503. */
  readonly eventStreamsMax: number
  /** Largest request body. Larger ones are answered 413. */
  readonly bodyBytesMax: number
  /** Media files kept in memory, all together. */
  readonly mediaBytesMax: number
  /** Lines appended to the state file before it is compacted while running. */
  readonly stateLinesMax: number
}

export const defaultLimits: EmulatorLimits = {
  numbersMax: 100,
  customersMax: 20_000,
  chatsMax: 20_000,
  messagesPerChatMax: 500,
  requestsMax: 5_000,
  webhooksPerNumberMax: 1_000,
  webhooksPendingMax: 50_000,
  webhooksInFlightMax: 64,
  faultsMax: 100,
  eventStreamsMax: 50,
  bodyBytesMax: 33_554_432,
  mediaBytesMax: 134_217_728,
  stateLinesMax: 200_000,
}
