import { messageOf } from './errors.ts'
import type { Log } from './log.ts'

/** Work that waits in the database, done when there is some. */
export type WorkLoop = {
  /** Says that there may be work. Cheap: may be called for every message. */
  wake(): void
  /** Says that there will be work in a while. Of several, the soonest counts. */
  wakeIn(ms: number): void
  /** Lets what is under way finish, and begins nothing more. */
  stop(): Promise<void>
}

const pauseAfterErrorMs = 500

/**
 * Calls `work` when woken and every `pollMs`, again as long as it says that there is more. An error is logged, and
 * the next try comes half a second later: a database that is away for a while does not end the loop.
 */
export function startWorkLoop(options: {
  readonly name: string
  readonly pollMs: number
  readonly log: Log
  readonly work: () => Promise<'more' | 'done'>
}): WorkLoop {
  let stopped = false
  let woken = true
  let rouse: () => void = () => undefined
  let soonest: { readonly at: number; readonly timer: Timer } | undefined

  async function loop(): Promise<void> {
    while (!stopped) {
      if (!woken) await sleep(options.pollMs)
      if (stopped) return
      woken = false
      try {
        if ((await options.work()) === 'more') woken = true
      } catch (error) {
        options.log.error({ loop: options.name, error: messageOf(error) }, 'work failed, trying again')
        await Bun.sleep(pauseAfterErrorMs)
        woken = true
      }
    }
  }

  function sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      rouse = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function wake(): void {
    woken = true
    rouse()
  }

  const running = loop()
  return {
    wake,
    wakeIn(ms) {
      const at = performance.now() + ms
      if (stopped || (soonest !== undefined && soonest.at <= at)) return
      clearTimeout(soonest?.timer)
      const timer = setTimeout(() => {
        soonest = undefined
        wake()
      }, ms)
      soonest = { at, timer }
    },
    async stop() {
      stopped = true
      clearTimeout(soonest?.timer)
      rouse()
      await running
    },
  }
}
