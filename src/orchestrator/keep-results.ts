import { makeBatcher } from '../lib/batcher.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { sqlState } from '../stores/postgres/database.ts'

const pauseMs = 500
/** After the stop, until what cannot be written is left for its lease to run out. */
const stopMs = 3_000

/** Writes how something ended that was done outside, and cannot be undone. */
export type ResultKeeper<T> = {
  /** Resolves once it is written, or was given up for a defect or at the stop. Those of the same moment go together. */
  keep(result: T): Promise<void>
  /** What cannot be written soon from now on is given up. */
  stop(): void
}

/** A result must not be lost while the database is away, however long: it was done all the same. */
export function makeResultKeeper<T>(options: {
  readonly log: Log
  readonly batchMax: number
  readonly queueMax: number
  readonly write: (results: readonly T[]) => Promise<void>
}): ResultKeeper<T> {
  const { log, batchMax, queueMax } = options
  let givesUpAt = Number.POSITIVE_INFINITY
  const results = makeBatcher<T, void>({
    ...{ batchMax, queueMax },
    async work(batch) {
      await options.write(batch)
      return batch.map(() => undefined)
    },
  })
  return {
    async keep(result) {
      for (;;) {
        try {
          return await results.add(result)
        } catch (error) {
          if (performance.now() <= givesUpAt && isPassing(error)) await Bun.sleep(pauseMs)
          else return log.error({ error: messageOf(error) }, 'how a request outside ended could not be written')
        }
      }
    },
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
