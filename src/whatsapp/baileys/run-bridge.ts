import type { Config } from '../../config.ts'
import { makeSealer } from '../../lib/crypto.ts'
import { messageOf, UsageError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { makeMetrics } from '../../lib/metrics.ts'
import { openDatabase } from '../../stores/postgres/database.ts'
import { findRunningPostgres } from '../../stores/postgres/embedded.ts'
import { type Bridge, startBridge } from './bridge.ts'
import { loadLibrary, silenceConsole } from './library.ts'
import { adapterVariable, bridgeToken, onThisMachine, webSocketVariable } from './protocol.ts'
import { watchMemory } from './watch-memory.ts'

/** What of a bridge's process its end needs. */
export type BridgeProcess = { stop(): Promise<void> }

/**
 * Runs a bridge as a process of its own: started by an adapter, which then is told where it listens, or by a service
 * manager, at BAILEYS_BRIDGE_URL. `onRestart`: the process is to end with `restartStatus` and be started again.
 */
export async function runBridge(
  config: Config,
  log: Log,
  environment: Readonly<Record<string, string | undefined>>,
  onRestart: () => void,
): Promise<BridgeProcess> {
  silenceConsole()
  // An adapter starts it with its own address, and is told this one's through the channel between them.
  const isChild = process.send !== undefined && Boolean(environment[adapterVariable])
  const target = config.DATABASE_URL ?? findRunningPostgres(config.DASHOFFICE_DATA_DIR, config.DATABASE_PASSWORD)
  if (target === undefined)
    throw new UsageError('DATABASE_URL is unset, and no embedded PostgreSQL runs: start the adapter first')
  const library = await loadLibrary()
  const metrics = makeMetrics()
  const database = openDatabase(target, metrics)
  const { host, port } = isChild ? { host: '127.0.0.1', port: 0 } : addressOf(config)
  let bridge: Bridge
  try {
    bridge = startBridge({
      ...{ library, database, log, metrics, host, port },
      sealer: makeSealer(config.ENCRYPTION_KEY),
      token: bridgeToken(config.ENCRYPTION_KEY),
      adapterUrl: environment[adapterVariable] || adapterUrlOf(config),
      webSocketUrl: environment[webSocketVariable] || null,
    })
  } catch (error) {
    await database.close()
    throw error
  }
  // The library leaves promises alone that fail once its socket has closed: the other sessions go on.
  process.on('unhandledRejection', error => log.warn({ error: messageOf(error) }, 'the library left an error alone'))
  const stopWatching = watchMemory({
    sessions: () => bridge.sessions.size,
    onHigh(residentBytes) {
      log.warn({ memory_mb: Math.round(residentBytes / 1e6) }, 'the bridge has outgrown its sessions: it starts again')
      onRestart()
    },
  })
  if (isChild) process.send?.({ url: bridge.url, owner: bridge.owner })
  return {
    async stop() {
      stopWatching()
      await bridge.stop()
      await database.close()
    },
  }
}

/** Where a bridge of its own listens: what BAILEYS_BRIDGE_URL names is how others reach it. */
function addressOf({ BAILEYS_BRIDGE_URL, HOST }: Config): { readonly host: string; readonly port: number } {
  const url = URL.parse(BAILEYS_BRIDGE_URL ?? '')
  if (url === null)
    throw new UsageError(
      'BAILEYS_BRIDGE_URL is unset: a bridge of its own needs an address, e.g. http://127.0.0.1:3013',
    )
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return { host: isHere ? '127.0.0.1' : HOST, port: Number(url.port || 80) }
}

/** The adapter on the same machine. */
function adapterUrlOf({ HOST, ADAPTER_PORT }: Config): string {
  return onThisMachine(`http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${ADAPTER_PORT}`)
}
