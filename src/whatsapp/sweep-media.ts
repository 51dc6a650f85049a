import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { deleteOldMedia, findOrphans, inboundMediaDays } from '../messaging/old-media.ts'
import type { FilePlace, Files } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'

const pauseMs = 60_000
/** Rows that are deleted at once: no transaction of it is a long one. */
const rowsMax = 500
/** Files that one look at the disk passes; the next goes on from there. */
const filesMax = 1_000
/** A file that is this old and not noted anywhere belongs to a transaction that has failed, or to a row that is gone. */
const orphanMs = 3_600_000
const dayMs = 86_400_000

type Options = {
  readonly database: Database
  readonly files: Files
  readonly clock: Clock
  readonly log: Log
}

/** Removes the files of customers that are too old, and what lies on the disk without being noted anywhere. */
export function startMediaSweep(options: Options): WorkLoop {
  const sweep = makeMediaSweep(options)
  return startWorkLoop({ name: 'sweep_media', pollMs: pauseMs, log: options.log, work: sweep })
}

/** One piece of it a call. Several processes may do it at the same time. */
export function makeMediaSweep({ database, files, clock }: Options): () => Promise<'more' | 'done'> {
  let walk = files.walk()

  async function removeOld(): Promise<number> {
    const before = new Date(clock.now() - inboundMediaDays * dayMs)
    const old = await database.transaction({ role: 'worker' }, tx => deleteOldMedia(tx, before, rowsMax))
    for (const place of old) await files.remove(place)
    return old.length
  }

  async function removeOrphans(before: Date): Promise<void> {
    const passed = await nextFiles(before)
    if (passed.length === 0) return
    const orphans = await database.transaction({ role: 'worker' }, tx => findOrphans(tx, passed))
    for (const place of orphans) await files.remove(place)
  }

  /** Those that are old enough; after the last file the walk begins again. */
  async function nextFiles(before: Date): Promise<FilePlace[]> {
    const passed: FilePlace[] = []
    for (let count = 0; count < filesMax; count++) {
      const next = await walk.next()
      if (next.done) {
        walk = files.walk()
        return passed
      }
      if (next.value.modifiedAt < before) passed.push(next.value)
    }
    return passed
  }

  return async () => {
    const before = new Date(clock.now() - orphanMs)
    const removed = await removeOld()
    await files.removeUnfinished(before)
    await removeOrphans(before)
    return removed === rowsMax ? 'more' : 'done'
  }
}
