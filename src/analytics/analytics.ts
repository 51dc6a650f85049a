import { firstId } from '../lib/ids.ts'
import { startWorkLoop } from '../lib/work-loop.ts'
import { type PassOptions, passesOf } from './passes.ts'
import { makeProjector } from './project.ts'
import { startPass } from './run-pass.ts'

/** Between two looks for what was committed. */
const projectPollMs = 1_500

export type AnalyticsOptions = PassOptions & {
  /** Whether this is the only process on its database. */
  readonly isAlone: boolean
}

/**
 * The role that tells the logs what happened, and makes figures of them. All of it is derived: nobody waits for it, and
 * any part may be done again. Of several processes one works, and another goes on where that one vanishes.
 */
export function startAnalytics(options: AnalyticsOptions): { stop(): Promise<void> } {
  const { config, log, isAlone, ids } = options
  // Whoever is alone has its own leases of before.
  const owner = isAlone ? firstId : ids.next()
  const projector = makeProjector({ ...options, keptDays: config.LOG_RETENTION_DAYS, owner })
  const loops = [
    startWorkLoop({ name: 'project', pollMs: projectPollMs, log, work: projector.work }),
    ...passesOf(options).map(pass => startPass({ ...options, owner }, pass)),
  ]
  return { stop: async () => void (await Promise.all(loops.map(loop => loop.stop()))) }
}
