import { startWorkLoop } from '../lib/work-loop.ts'
import { inboxLagSeconds } from '../messaging/lag.ts'
import { closeSilent, fireTimers } from '../messaging/timers.ts'
import { makeTurnRunner, type TurnOptions, turnsBatchMax } from './run-turns.ts'
import { silenceMs } from './silence.ts'

/** Turns that are under way at the same time: while one waits for the database, the other computes. */
const turnLoops = 2
const pollMs = 1_000
const silencePollMs = 60_000
const timersMax = 500

/** The role that runs turns and fires timers. */
export function startOrchestrator(options: TurnOptions): { stop(): Promise<void> } {
  const { database, bus, clock, ids, log, metrics } = options
  const turns = makeTurnRunner(options)
  const loops = Array.from({ length: turnLoops }, (_, index) =>
    startWorkLoop({
      name: 'turns',
      pollMs: pollMs * (index + 1),
      log,
      async work() {
        const taken = await turns.runBatch()
        // One loop is enough for what one batch can hold, and asks the database half as often.
        if (taken === turnsBatchMax) for (const loop of loops) loop.wake()
        return taken > 0 ? 'more' : 'done'
      },
    }),
  )
  const timers = startWorkLoop({
    name: 'timers',
    pollMs,
    log,
    async work() {
      const [fired, lag] = await database.transaction({ role: 'worker' }, tx =>
        Promise.all([fireTimers(tx, ids, timersMax), inboxLagSeconds(tx)]),
      )
      metrics.inboxLag.set(lag)
      if (fired > 0) bus.publish('inbox')
      return fired === timersMax ? 'more' : 'done'
    },
  })
  const silence = startWorkLoop({
    name: 'silence',
    pollMs: silencePollMs,
    log,
    async work() {
      const before = new Date(clock.now() - silenceMs)
      const closing = await database.transaction({ role: 'worker' }, tx => closeSilent(tx, ids, before, timersMax))
      if (closing > 0) bus.publish('inbox')
      return closing === timersMax ? 'more' : 'done'
    },
  })
  const unsubscribe = bus.subscribe('inbox', () => loops[0]?.wake())
  return {
    async stop() {
      unsubscribe()
      await Promise.all([...loops, timers, silence].map(loop => loop.stop()))
      turns.close()
    },
  }
}
