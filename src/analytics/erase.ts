import { openAnswer } from '../identity/idempotency.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { type FinishOptions, finishErasure } from '../messaging/privacy/finish-erasures.ts'
import type { Bus } from '../stores/bus.ts'

/** Between two looks at what nobody told of. */
const pollMs = 60_000

/** Goes on with the erasures of people until nothing of them is left anywhere. */
export function startErasing(
  options: Omit<FinishOptions, 'openAnswer' | 'signal'> & { readonly bus: Bus },
): Pick<WorkLoop, 'stop'> {
  const { bus, log, sealer } = options
  const stopping = new AbortController()
  const all: FinishOptions = {
    ...options,
    openAnswer: kept => openAnswer(sealer, kept),
    signal: stopping.signal,
  }
  const loop = startWorkLoop({
    name: 'erasures',
    pollMs,
    log,
    work: async () => ((await finishErasure(all)) ? 'more' : 'done'),
  })
  const unsubscribe = bus.subscribe('erasures', () => loop.wake())
  return {
    async stop() {
      unsubscribe()
      stopping.abort(new Error('the program stops'))
      await loop.stop()
    },
  }
}
