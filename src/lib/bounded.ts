import { AppError } from './errors.ts'

/**
 * Runs work of one kind, `atOnceMax` at a time and in order of arrival, while at most `waitingMax` wait for their turn.
 * Beyond that it rejects with `overloaded` at once.
 */
export function makeBounded({ atOnceMax, waitingMax }: { readonly atOnceMax: number; readonly waitingMax: number }) {
  const waiting: (() => void)[] = []
  let running = 0

  async function turn(): Promise<void> {
    if (running < atOnceMax) {
      running++
      return
    }
    if (waiting.length >= waitingMax)
      throw new AppError('overloaded', 'Too much of this at once: try again in a moment.')
    await new Promise<void>(resolve => waiting.push(resolve))
  }

  /** Whoever waits longest takes over the place, so that nobody slips in between. */
  function leave(): void {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }

  return async function run<T>(work: () => Promise<T>): Promise<T> {
    await turn()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
