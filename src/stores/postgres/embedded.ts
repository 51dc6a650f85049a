import { createHash } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { type Account, canReach, reachableBinaries, sharedRootDir, unprivilegedAccount } from './embedded-binaries.ts'

const startTimeoutMs = 60_000
const stopTimeoutMs = 30_000
const restartTriesMax = 20
const restartPauseMs = 500
/** The longest path of a Unix socket that Linux and macOS take, less PostgreSQL's own file name. */
const socketDirBytesMax = 80

/** A running embedded PostgreSQL 18. */
export type EmbeddedPostgres = {
  /** The owner's connection. */
  readonly connection: PostgresConnection
  readonly pid: number
  /** Fast shutdown: open transactions are rolled back, a checkpoint is written. */
  stop(): Promise<void>
}

export type PostgresConnection = {
  /** A host name, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export type EmbeddedOptions = {
  /** The folder that holds the cluster: `postgres/` is made in it. Whoever calls holds the lock on it. */
  readonly dataDir: string
  readonly password: string
  readonly log: Log
  /** False only for tests: nothing survives a crash of the machine. */
  readonly durable?: boolean
}

/**
 * Starts the PostgreSQL that npm installed for this platform: makes the cluster at the first start, ends a server that
 * an earlier process left behind when it was killed, recovers what that one had committed. PostgreSQL refuses to run as
 * root: as root it runs as an unprivileged user. Throws a `UsageError` where the platform has no binaries.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const account = unprivilegedAccount()
  const binaries = reachableBinaries(account)
  const cluster = reachableCluster(options.dataDir, account)
  await endOrphan(cluster, options.log)
  if (!existsSync(join(cluster, 'PG_VERSION'))) await initialise(binaries, cluster, options, account)
  return startServer(binaries, cluster, options, account)
}

/** The server that another process runs on the data dir; undefined where none does. */
export function findRunningPostgres(dataDir: string, password: string): PostgresConnection | undefined {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  if (!existsSync(file)) return undefined
  const [pid, , , port, socketDir, address] = readFileSync(file, 'utf8').split('\n')
  const host = socketDir || address
  if (!isAlive(Number(pid)) || !host) return undefined
  return { host, port: Number(port), user: 'postgres', password, database: 'postgres' }
}

/** Runs a program as the account, waits for its end. Output only for the error. */
async function run(command: readonly string[], account: Account): Promise<{ ok: boolean; output: string }> {
  const child = Bun.spawn([...command], { ...account, cwd: '/', stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { ok: (await child.exited) === 0, output: `${out}${err}`.trim() }
}

/**
 * `postgres/` in the data dir; where the account cannot get there (a data dir below /root), a folder below
 * /var/lib/dashoffice that `postgres` in the data dir then points to.
 */
function reachableCluster(dataDir: string, account: Account): string {
  const cluster = join(dataDir, 'postgres')
  if (lstatSync(cluster, { throwIfNoEntry: false })?.isSymbolicLink()) return readlinkSync(cluster)
  if (account === undefined || existsSync(cluster) || canReach(cluster, account)) return cluster
  const elsewhere = join(sharedRootDir(), `data-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`)
  symlinkSync(elsewhere, cluster)
  return elsewhere
}

/** A server whose parent was killed goes on: whoever holds the data dir's lock ends it and starts its own. */
async function endOrphan(cluster: string, log: Log): Promise<void> {
  const pid = orphanPid(cluster)
  if (pid === undefined) return
  log.warn({ pid }, 'a PostgreSQL of an earlier process still runs on the data dir: ending it')
  if (!(await endProcess(pid, 'SIGINT', stopTimeoutMs))) await endProcess(pid, 'SIGQUIT', stopTimeoutMs)
}

function orphanPid(cluster: string): number | undefined {
  const file = join(cluster, 'postmaster.pid')
  if (!existsSync(file)) return undefined
  const [pid, directory] = readFileSync(file, 'utf8').split('\n')
  return directory === cluster && isAlive(Number(pid)) && runsIn(Number(pid), cluster) ? Number(pid) : undefined
}

/** On Linux a postmaster works in its data directory: a process id that was given to another program is not taken. */
function runsIn(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') return true
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function endProcess(pid: number, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  if (isAlive(pid)) process.kill(pid, signal)
  for (const until = Date.now() + timeoutMs; isAlive(pid); await Bun.sleep(20)) if (Date.now() > until) return false
  return true
}

/** Made aside and moved into place, so that a first start that is killed leaves nothing half made. */
async function initialise(
  binaries: string,
  cluster: string,
  options: EmbeddedOptions,
  account: Account,
): Promise<void> {
  const fresh = `${cluster}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true, mode: 0o700 })
  const passwordFile = `${cluster}.password`
  writeFileSync(passwordFile, options.password, { mode: 0o600 })
  if (account !== undefined) for (const path of [fresh, passwordFile]) chownSync(path, account.uid, account.gid)
  const settings = ['--username=postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions']
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const files = [`--pgdata=${fresh}`, `--pwfile=${passwordFile}`, ...(options.durable === false ? ['--no-sync'] : [])]
  const made = await run([join(binaries, 'bin', 'initdb'), ...settings, ...locale, ...files], account)
  rmSync(passwordFile, { force: true })
  if (!made.ok) throw new Error(`The embedded PostgreSQL could not be set up: ${made.output}`)
  renameSync(fresh, cluster)
}

async function startServer(
  binaries: string,
  cluster: string,
  options: EmbeddedOptions,
  account: Account,
): Promise<EmbeddedPostgres> {
  const { dataDir, password, log } = options
  const connection = { ...(await freeAddress(cluster)), user: 'postgres', password, database: 'postgres' }
  const logFile = join(dataDir, 'postgres.log')
  const command = [join(binaries, 'bin', 'postgres'), ...serverArguments(cluster, connection, options)]
  let child = await spawnServer(command, cluster, logFile, account)
  let isStopping = false

  /** One that ends by itself (out of memory, killed) is started again on the same address: the pool finds it there. */
  async function restart(): Promise<void> {
    const { exitCode, signalCode } = child
    log.error({ exit_code: exitCode, signal: signalCode }, 'the embedded PostgreSQL has ended: starting it again')
    for (let tries = 1; tries <= restartTriesMax && !isStopping; tries++) {
      await Bun.sleep(restartPauseMs)
      try {
        child = await spawnServer(command, cluster, logFile, account)
        return watch()
      } catch (error) {
        log.error({ tries, error: messageOf(error) }, 'the embedded PostgreSQL did not start again')
      }
    }
  }

  function watch(): void {
    child.exited.then(() => (isStopping ? undefined : restart()))
  }

  watch()
  return {
    connection,
    get pid() {
      return child.pid
    },
    async stop() {
      isStopping = true
      if (!(await endProcess(child.pid, 'SIGINT', stopTimeoutMs))) child.kill('SIGQUIT')
      await child.exited
    },
  }
}

async function spawnServer(
  command: readonly string[],
  cluster: string,
  logPath: string,
  account: Account,
): Promise<Bun.Subprocess> {
  const logFile = openSync(logPath, 'w', 0o640)
  // A session of its own: a terminal's Ctrl-C must not reach it before the roles have finished their work.
  const child = Bun.spawn([...command], {
    ...account,
    cwd: '/',
    detached: true,
    stdin: 'ignore',
    stdout: logFile,
    stderr: logFile,
  })
  closeSync(logFile)
  child.unref()
  await waitUntilReady(cluster, child, logPath)
  return child
}

/** A Unix socket where its path is short enough for one (cheaper than TCP), else a free port on loopback. */
async function freeAddress(cluster: string): Promise<{ host: string; port: number }> {
  if (process.platform !== 'win32' && Buffer.byteLength(cluster) <= socketDirBytesMax)
    return { host: cluster, port: 5432 }
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('No free port for the embedded PostgreSQL')
  return { host: '127.0.0.1', port: address.port }
}

function serverArguments(cluster: string, address: { host: string; port: number }, options: EmbeddedOptions): string[] {
  const socket = address.host === cluster
  const settings: Record<string, string> = {
    listen_addresses: socket ? '' : address.host,
    unix_socket_directories: socket ? cluster : '',
    unix_socket_permissions: '0700',
    port: String(address.port),
    // The tests have many databases, each with a pool.
    max_connections: options.durable === false ? '400' : '60',
    shared_buffers: '64MB',
    jit: 'off',
    max_wal_size: '1GB',
    wal_compression: 'on',
    autovacuum_naptime: '15s',
    log_min_messages: 'warning',
    log_line_prefix: '%m [%p] ',
    ...(options.durable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  }
  return ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** The eighth line of postmaster.pid says `ready` once connections are taken, recovery included. */
async function waitUntilReady(cluster: string, child: Bun.Subprocess, logFile: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  for (const until = Date.now() + startTimeoutMs; Date.now() < until; await Bun.sleep(15)) {
    if (child.exitCode !== null) break
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
    if (lines[0] === String(child.pid) && lines[7]?.trim() === 'ready') return
  }
  const lastLines = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' | ')
  child.kill('SIGQUIT')
  throw new Error(`The embedded PostgreSQL did not start: ${lastLines || 'it said nothing'}`)
}
