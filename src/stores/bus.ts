/** What processes tell each other. Only hints: whoever misses one finds the work in the database a moment later. */
export type Topic =
  /** A row waits in the inbox. */
  | 'inbox'
  /** A row waits in the outbox. */
  | 'outbox'
  /** A call of the outside waits to be made. */
  | 'calls'
  /** A customer's file waits to be got from its provider. */
  | 'media'
  /** A bot was changed or removed; the payload is its id. */
  | 'bot.changed'
  /** A user, an API key or a tenant's limit was changed or removed; the payload is the id of the user, key or tenant. */
  | 'caller.changed'
  /** A person is to be erased everywhere. */
  | 'erasures'
  /** A tenant's settings were changed; the payload is its id. */
  | 'tenant.changed'
  /** Something happened to a tenant that its sockets are told of; the payload is a JSON array of feed events. */
  | `events:${string}`

/**
 * Publish and subscribe across the processes of one installation. Delivery is at most once and without order;
 * a publisher hears itself; publishing never throws and never waits.
 */
export type Bus = {
  /** A payload that costs something to make may be a function: it is called only where somebody may listen. */
  publish(topic: Topic, payload?: string | (() => string)): void
  /**
   * Returns what ends the subscription. `onReady` is called once the listener hears whatever any process publishes from
   * then on; that takes a moment where there are several, and as long as the store between them is away.
   */
  subscribe(topic: Topic, listener: (payload: string) => void, onReady?: () => void): () => void
  close(): Promise<void>
}
