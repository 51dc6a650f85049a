import { AppError } from './errors.ts'

/** Gathers what several callers bring at the same time into one piece of work (a group commit). */
export type Batcher<T, R> = {
  /** Does its part in the next batch. Throws `AppError('overloaded')` where the queue is full, changing nothing. */
  add(item: T): Promise<R>
  /** Waits for what was added. */
  drain(): Promise<void>
}

type Waiting<T, R> = { item: T; resolve: (result: R) => void; reject: (error: unknown) => void }

/**
 * `work` gets up to `batchMax` items, in the order they were added, and gives a result for each. One batch at a time:
 * what was added first is done before what was added later. A batch that fails is tried again item by item, so that
 * one bad item fails alone.
 */
export function makeBatcher<T, R>(options: {
  readonly batchMax: number
  readonly queueMax: number
  readonly work: (items: readonly T[]) => Promise<readonly R[]>
}): Batcher<T, R> {
  let queue: Waiting<T, R>[] = []
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    // What arrives in the same tick goes along.
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, options.batchMax)
      queue = queue.slice(options.batchMax)
      await runBatch(batch)
    }
    running = undefined
  }

  async function runBatch(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      settle(batch, await options.work(batch.map(waiting => waiting.item)))
    } catch (error) {
      if (batch.length === 1 || isOutage(error)) for (const waiting of batch) waiting.reject(error)
      else for (const waiting of batch) await runBatch([waiting])
    }
  }

  return {
    add(item) {
      if (queue.length >= options.queueMax)
        return Promise.reject(new AppError('overloaded', 'Too much is waiting to be stored: try again in a moment.'))
      return new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject })
        running ??= run()
      })
    },
    async drain() {
      while (running !== undefined) await running
    },
  }
}

function settle<T, R>(batch: readonly Waiting<T, R>[], results: readonly R[]): void {
  if (results.length !== batch.length) throw new Error(`${batch.length} items gave ${results.length} results`)
  results.forEach((result, index) => {
    batch[index]?.resolve(result)
  })
}

/** Nothing is to be gained by trying each alone while the database is away. */
function isOutage(error: unknown): boolean {
  return error instanceof AppError && error.code === 'database_unavailable'
}
