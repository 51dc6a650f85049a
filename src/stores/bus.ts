/** What processes tell each other. Only hints: whoever misses one finds the work in the database a moment later. */
export type Topic =
  /** A row waits in the inbox. */
  | 'inbox'
  /** A row waits in the outbox. */
  | 'outbox'
  /** A bot was changed or removed; the payload is its id. */
  | 'bot.changed'

/**
 * Publish and subscribe across the processes of one installation. Delivery is at most once and without order;
 * a publisher hears itself; publishing never throws and never waits.
 */
export type Bus = {
  publish(topic: Topic, payload?: string): void
  /** Returns what ends the subscription. */
  subscribe(topic: Topic, listener: (payload: string) => void): () => void
  close(): Promise<void>
}
