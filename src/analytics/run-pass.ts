import { AppError, errorCatalogue, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { giveUpLease, takeLease } from '../messaging/analytics/leases.ts'
import type { Database, Scope } from '../stores/postgres/database.ts'
import type { Pass } from './passes.ts'

/** How long a process that vanishes in a pass keeps it from the others. */
const leaseMs = 60_000
const renewMs = 20_000
/** After a pass that failed: sooner than the next would come. */
const retryMs = 15_000
/** The next pass may begin a little earlier than one interval later: of several processes, the same goes on. */
const restShare = 0.9
const giveUpMs = 1_000
const worker: Scope = { role: 'worker' }

type Options = {
  readonly database: Database
  readonly log: Log
  readonly metrics: Metrics
  /** Who this process is to the others. */
  readonly owner: string
}

/** Runs a pass at once and then every `everyMs`, in one process of all. */
export function startPass(options: Options, pass: Pass): { stop(): Promise<void> } {
  const { database, owner } = options
  const ending = new AbortController()
  const loop: WorkLoop = startWorkLoop({
    name: pass.name,
    pollMs: pass.everyMs,
    log: options.log,
    async work() {
      const nextMs = await runOnce(options, pass, ending.signal)
      if (nextMs < pass.everyMs) loop.wakeIn(nextMs)
      return 'done'
    },
  })
  return {
    async stop() {
      ending.abort()
      await loop.stop()
      // Another process goes on at once; where this cannot be told in time, once the lease is over.
      const given = database.transaction(worker, tx => giveUpLease(tx, { name: nameOf(pass), owner }))
      await Promise.race([given.catch(() => undefined), Bun.sleep(giveUpMs)])
    },
  }
}

/** The lease of a pass. */
export function nameOf({ name }: Pick<Pass, 'name'>): string {
  return `pass ${name}`
}

/** Returns in how many milliseconds to look again. */
async function runOnce(options: Options, pass: Pass, signal: AbortSignal): Promise<number> {
  const { database, owner, log, metrics } = options
  const take = (ttlMs: number) =>
    database.transaction(worker, tx => takeLease(tx, { name: nameOf(pass), owner, ttlMs }))
  const lease = await take(leaseMs)
  if (!lease.isMine) return Math.max(lease.leftMs, 1_000)
  const start = performance.now()
  // A renewal that fails is made up for by the next one.
  const renewal = setInterval(() => void take(leaseMs).catch(() => undefined), renewMs)
  try {
    await pass.run(signal)
  } catch (error) {
    tellOfFailure(log, pass, error)
    return retryMs
  } finally {
    clearInterval(renewal)
    metrics.analyticsPassSeconds.observe({ pass: pass.name }, (performance.now() - start) / 1_000)
  }
  await take(Math.max(0, pass.everyMs * restShare - (performance.now() - start)))
  return pass.everyMs
}

function tellOfFailure(log: Log, { name }: Pass, error: unknown): void {
  const isAway = error instanceof AppError && errorCatalogue[error.code].kind === 'operational'
  const told = { pass: name, error: messageOf(error), again_in_seconds: retryMs / 1_000 }
  if (isAway) log.warn(told, 'a pass of the analytics engine could not be made')
  else log.error(told, 'a pass of the analytics engine failed')
}
