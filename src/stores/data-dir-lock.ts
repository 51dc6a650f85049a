import { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { UsageError } from '../lib/errors.ts'

/**
 * Takes the data dir for this process, until `release` or its end: the lock is the kernel's, on an open SQLite file,
 * so that one left by a process that was killed holds nobody up. Throws a `UsageError` while another process has it.
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const file = new Database(join(dataDir, 'lock.sqlite'), { create: true })
  try {
    file.run('pragma busy_timeout = 0')
    file.run('pragma locking_mode = exclusive')
    file.run('begin exclusive')
  } catch {
    file.close()
    throw new UsageError(
      `DASHOFFICE_DATA_DIR is ${JSON.stringify(dataDir)}, which another DashOffice process is using: stop it first, or take another folder`,
    )
  }
  return { release: () => file.close() }
}
