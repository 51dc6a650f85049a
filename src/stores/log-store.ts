/** Each is a table of PostgreSQL, or a collection of MongoDB. */
export const logNames = ['message_logs', 'analytics_events', 'system_logs'] as const
export type LogName = (typeof logNames)[number]

/**
 * Something that happened, as it is kept: written once, never changed. `id` is made from what happened, so that whoever
 * tells of it twice gives it the same one, with the same `created_at`.
 */
export type LogEntry = {
  /** Unique in its log. */
  readonly id: string
  /** Null where it belongs to no tenant: the system's own log. */
  readonly tenant_id: string | null
  /** When it happened, to the millisecond. */
  readonly created_at: Date
  readonly log_type: string
  readonly bot_id: string | null
  readonly conversation_id: string | null
  /** What entries of one type are told apart by in the figures; '' where there is nothing. */
  readonly key: string
  /** What the figures sum up; null where there is nothing. */
  readonly value: number | null
  /** The figures' histogram counts it here, from 0 to `bucketsMax` - 1; null where it has none. */
  readonly bucket: number | null
  /** JSON. Never the text of a message, a phone number, or a secret. */
  readonly data: Readonly<Record<string, unknown>>
}

/** Where a page ends: the entry that it shows last. */
export type LogPosition = { readonly created_at: Date; readonly id: string }

export type LogQuery = {
  /** Null reads what belongs to no tenant. */
  readonly tenantId: string | null
  readonly logType?: string | undefined
  /** From this moment on. */
  readonly from?: Date | undefined
  /** Before this moment. */
  readonly to?: Date | undefined
  /** Older than this entry. */
  readonly before?: LogPosition | undefined
  /** `bulkMax` at most. */
  readonly limit: number
}

/** Figures of one hour, of what has the same tenant, bot, type and key. */
export type HourFigures = {
  readonly tenant_id: string | null
  readonly bot_id: string | null
  readonly log_type: string
  readonly key: string
  readonly count: number
  /** Of the values that are there. */
  readonly sum: number
  /** How many have each bucket, to the last that has any: [] where none has. */
  readonly buckets: readonly number[]
}

/** What is erased or handed out: all of a tenant's, or what belongs to some of its conversations. */
export type LogOwner = { readonly tenantId: string; readonly conversationIds?: readonly string[] | undefined }

/**
 * Keeps what happened for the figures and for whoever looks for a fault: for `LOG_RETENTION_DAYS`, then it goes. It is
 * derived: all of it may be lost at any moment, and is then written anew from the database.
 *
 * - An entry is there once, whoever appends it how often, at the same time or in any order.
 * - What `append` has resolved for is on disk, and is found by every read from then on, by every process.
 * - What is read of a tenant is its own only.
 * - Texts, numbers and nesting that a store could not hold are made to fit in the same way by all of them, and what is
 *   too long is cut (`fit-entry.ts`): no value makes an append fail.
 * - Every method that rejects because the store is away, or takes too long, rejects with an `AppError` of kind
 *   `operational`, within seconds, and goes on when it is back. What was under way may have been done, in whole or in
 *   part: do it again.
 */
export type LogStore = {
  /**
   * Any number of entries, in bulks of `bulkMax`. Says how many were new. An entry from before the retention, or from more
   * than a day ahead, is not kept: `outside` counts them.
   */
  append(log: LogName, entries: readonly LogEntry[]): Promise<{ readonly added: number; readonly outside: number }>
  /**
   * A page, newest first (by `created_at`, then `id`). Pages follow each other without a gap and without a repetition,
   * whatever is appended meanwhile; what is appended as older than the last page shows up, what is newer does not.
   */
  read(log: LogName, query: LogQuery): Promise<readonly LogEntry[]>
  /** The figures of the hour that begins at `hour`, of some tenants or of all, in no order. */
  aggregateHour(
    log: LogName,
    options: { readonly hour: Date; readonly tenantIds: readonly string[] | 'all' },
  ): Promise<readonly HourFigures[]>
  /**
   * Removes what happened before a moment, oldest first, of all tenants or of one: `limit` entries, `bulkMax` at most. Says
   * how many are gone: fewer than `limit` where nothing is left, more where a store drops whole days at once (in UTC: a
   * moment that begins one is the cheapest).
   */
  removeBefore(
    log: LogName,
    options: { readonly before: Date; readonly tenantId?: string | undefined; readonly limit: number },
  ): Promise<number>
  /** Removes what belongs to an owner: `limit` entries, `bulkMax` at most. Says how many are gone: fewer where none is left. */
  removeOf(log: LogName, owner: LogOwner, limit: number): Promise<number>
  /** All that belongs to an owner, oldest first, in pieces of `bulkMax` at most. */
  exportOf(log: LogName, owner: LogOwner): AsyncGenerator<readonly LogEntry[]>
  /**
   * Makes what the store needs for the days ahead (partitions, indexes), where it is missing. `append` needs no call of it
   * before; whoever cleans calls it once an hour, so that an append never has to.
   */
  maintain(): Promise<void>
  /** Whether the store answers, within two seconds. Never rejects. */
  isReachable(): Promise<boolean>
  close(): Promise<void>
}

/** Entries that go to the store in one piece. */
export const bulkMax = 1_000
/** Buckets of a histogram. */
export const bucketsMax = 64
