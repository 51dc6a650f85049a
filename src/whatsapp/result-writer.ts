import { makeBatcher } from '../lib/batcher.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { tellOfStatuses } from '../messaging/news.ts'
import { recordSends, type SendRecord } from '../messaging/record-sends.ts'
import type { Feed } from '../stores/feed.ts'
import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'

const pauseMs = 500
/** After the stop, until what cannot be written is left for the next start to find. */
const stopMs = 3_000

/** Writes how sends ended. */
export type ResultWriter = {
  /** Resolves once it is written, or was given up for a defect or at the stop. Those of the same moment go together. */
  write(record: SendRecord): Promise<void>
  /** The same for what else a send has shown. Undefined where it was given up. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T | undefined>
  /** What cannot be written soon from now on is given up. */
  stop(): void
}

/**
 * A result must not be lost while the database is away, however long: the message was sent, or not, all the same.
 * `onReleased` is called when messages that waited behind others may go.
 */
export function makeResultWriter(options: {
  readonly database: Database
  readonly feed: Feed
  readonly log: Log
  readonly batchMax: number
  readonly queueMax: number
  readonly onReleased: () => void
}): ResultWriter {
  const { database, feed, log, batchMax, queueMax } = options
  let givesUpAt = Number.POSITIVE_INFINITY
  const records = makeBatcher<SendRecord, void>({
    batchMax,
    queueMax,
    async work(batch) {
      const { changes, released } = await database.transaction({ role: 'worker' }, tx => recordSends(tx, batch))
      tellOfStatuses(feed, changes)
      if (released) options.onReleased()
      return batch.map(() => undefined)
    },
  })

  async function retried<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (performance.now() > givesUpAt || !isPassing(error)) {
          log.error({ error: messageOf(error) }, 'how a send ended could not be written')
          return undefined
        }
        await Bun.sleep(pauseMs)
      }
    }
  }

  return {
    write: record => retried(() => records.add(record)),
    transaction: work => retried(() => database.transaction({ role: 'worker' }, work)),
    stop() {
      givesUpAt = performance.now() + stopMs
    },
  }
}

/** Over in a moment, or when the database is back: an outage, a deadlock, a conflict. */
function isPassing(error: unknown): boolean {
  if (error instanceof AppError) return error.code === 'database_unavailable'
  return ['40P01', '40001'].includes(sqlState(error) ?? '')
}
