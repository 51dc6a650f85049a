import { join } from 'node:path'
import * as v from 'valibot'
import type { Config } from '../../config.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Database } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import type { BridgeAccess } from '../provider.ts'
import { expireLeases } from './leases.ts'
import { libraryMissing, libraryName } from './library.ts'
import { adapterVariable, bridgeToken, onThisMachine, restartStatus, webSocketVariable } from './protocol.ts'

const main = join(import.meta.dirname, '../../main.ts')

/** Between two looks at whether a bot needs a bridge. */
const lookMs = 2_000
/** For the bridge to say where it listens: it loads the library first. */
const startMs = 30_000
/** For it to close its sessions and give them back. */
const stopMs = 8_000
const backoffMinMs = 500
const backoffMaxMs = 30_000
/** Up for so long, it did not fail to start. */
const steadyMs = 60_000
/** After the last bot that needs it: it takes a hundred megabytes and more. */
const idleMs = 5 * 60_000

const needed = statement({
  name: 'baileys_bridge_needed',
  params: [],
  row: { is_needed: 'bool' },
  sql: `select exists (select 1 from bots where provider = 'baileys'
    and (status in ('connecting', 'qr', 'connected') or leaving is not null)) as is_needed`,
})

const readySchema = v.object({ url: v.string(), owner: v.pipe(v.string(), v.uuid()) })

/** The settings that a bridge has from the adapter that starts it. */
export type BridgeSettings = Pick<
  Config,
  'BAILEYS_BRIDGE_URL' | 'DATABASE_URL' | 'DASHOFFICE_DATA_DIR' | 'ENCRYPTION_KEY' | 'LOG_LEVEL' | 'LOG_DIR'
>

/** The bridge as a process of the adapter's. */
export type BridgeProcesses = BridgeAccess & {
  /** Of the process; null while none runs. */
  pid(): number | null
  stop(): Promise<void>
}

type Running = {
  readonly child: Bun.Subprocess
  readonly startedAt: number
  url: string | null
  /** Of its sessions' leases. */
  owner: string | null
}

/**
 * Keeps a bridge running for as long as a bot of Baileys is to be connected, and starts it again when it dies. With
 * BAILEYS_BRIDGE_URL it starts none: that one runs by itself. `adapterUrl`: where this adapter listens, on this machine.
 */
export function startBridgeWhenNeeded(options: {
  readonly config: BridgeSettings
  readonly database: Database
  readonly log: Log
  readonly adapterUrl: () => string | null
  readonly limits?: { readonly idleMs: number; readonly lookMs: number }
}): BridgeProcesses {
  const { config, database, log, adapterUrl, limits = { idleMs, lookMs } } = options
  const token = bridgeToken(config.ENCRYPTION_KEY)
  const given = config.BAILEYS_BRIDGE_URL
  if (given !== undefined)
    return { token, url: async () => given, problem: () => null, pid: () => null, stop: async () => undefined }

  let running: Running | undefined
  let isStopped = false
  let failures = 0
  let notBefore = 0
  let neededAt = 0
  let hasWarned = false

  function start(address: string): void {
    const child = Bun.spawn([process.execPath, main, 'baileys-bridge'], {
      env: environmentOf(config, address),
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: message => onMessage(one, message),
      onExit: (_, status) => onExit(one, status),
    })
    const one: Running = { child, startedAt: performance.now(), url: null, owner: null }
    running = one
    log.info({ pid: child.pid }, 'the Baileys bridge starts')
    setTimeout(() => (one.url === null ? child.kill('SIGKILL') : undefined), startMs).unref()
  }

  function onMessage(one: Running, message: unknown): void {
    const ready = v.safeParse(readySchema, message)
    if (ready.success) Object.assign(one, ready.output)
  }

  function onExit(one: Running, status: number | null): void {
    if (running !== one) return
    running = undefined
    if (isStopped) return
    const isSteady = performance.now() - one.startedAt > steadyMs
    failures = status === restartStatus || isSteady ? 0 : failures + 1
    const delayMs = failures === 0 ? 0 : Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures - 1, 10))
    notBefore = performance.now() + delayMs
    log.warn({ status, again_in_ms: delayMs }, 'the Baileys bridge has ended')
    // It is certain that it has no sockets any more: its sessions need not wait until their leases run out.
    if (one.owner !== null) void expireLeases(database, one.owner).catch(lookFailed)
    setTimeout(() => void look().catch(lookFailed), delayMs).unref()
  }

  async function look(): Promise<void> {
    const now = performance.now()
    const isNeeded = await database.read(
      { role: 'worker' },
      async tx => (await tx.run(needed, {}))[0]?.is_needed ?? false,
    )
    if (isNeeded) neededAt = now
    const address = adapterUrl()
    if (isStopped || address === null) return
    if (isNeeded && running === undefined && now >= notBefore && problem() === null) start(address)
    if (running !== undefined && now - neededAt > limits.idleMs) await end()
  }

  async function end(): Promise<void> {
    const ending = running
    running = undefined
    if (ending === undefined) return
    ending.child.kill('SIGTERM')
    const timer = setTimeout(() => ending.child.kill('SIGKILL'), stopMs)
    await ending.child.exited
    clearTimeout(timer)
  }

  /** Looked for again each time: it may be installed meanwhile. */
  function problem(): string | null {
    const missing = isInstalled() ? null : `This machine cannot connect it: ${libraryMissing}.`
    if (missing !== null && !hasWarned) log.error(libraryMissing)
    hasWarned = missing !== null
    return missing
  }

  function lookFailed(error: unknown): void {
    if (!isStopped) log.warn({ error: messageOf(error) }, 'looking after the Baileys bridge failed')
  }

  const looking = setInterval(() => void look().catch(lookFailed), limits.lookMs)
  return {
    token,
    async url() {
      // Somebody asks for a bot: it is not waited for the next look.
      if (running === undefined) await look().catch(() => undefined)
      return running?.url ?? null
    },
    problem: () => (running === undefined ? problem() : null),
    pid: () => running?.child.pid ?? null,
    async stop() {
      isStopped = true
      clearInterval(looking)
      await end()
    },
  }
}

function isInstalled(): boolean {
  try {
    Bun.resolveSync(libraryName, import.meta.dirname)
    return true
  } catch {
    return false
  }
}

/** The same settings as this process has them, wherever they came from. */
function environmentOf(config: BridgeSettings, adapterUrl: string): Record<string, string> {
  const { DATABASE_URL, DASHOFFICE_DATA_DIR, ENCRYPTION_KEY, LOG_LEVEL, LOG_DIR } = config
  const settings = { DATABASE_URL, DASHOFFICE_DATA_DIR, ENCRYPTION_KEY, LOG_LEVEL, LOG_DIR }
  const all = {
    ...process.env,
    ...settings,
    [adapterVariable]: onThisMachine(adapterUrl),
    [webSocketVariable]: process.env[webSocketVariable],
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
