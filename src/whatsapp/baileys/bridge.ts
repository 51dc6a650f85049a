import type { Sealer } from '../../lib/crypto.ts'
import type { Log } from '../../lib/log.ts'
import type { Metrics } from '../../lib/metrics.ts'
import { serve } from '../../lib/serve.ts'
import type { Database } from '../../stores/postgres/database.ts'
import { openBridgeFiles } from './bridge-files.ts'
import type { Library } from './library.ts'
import { bridgeRoutes } from './routes.ts'
import { type SessionLimits, type Sessions, startSessions } from './sessions.ts'

/** A bridge that runs. */
export type Bridge = {
  readonly url: string
  /** Of its sessions' leases. */
  readonly owner: string
  readonly sessions: Sessions
  /** Closes the sessions and gives them back: another bridge, or the next start, opens them without pairing. */
  stop(): Promise<void>
}

/** For the adapter's answer to what it is told. */
const postMs = 15_000

/** Serves the sessions of WhatsApp Web. Whoever calls it has silenced the console before: see `silenceConsole`. */
export function startBridge(options: {
  readonly library: Library
  readonly database: Database
  readonly sealer: Sealer
  readonly log: Log
  readonly metrics: Metrics
  readonly host: string
  readonly port: number
  readonly token: string
  /** Where the adapter listens. */
  readonly adapterUrl: string
  /** Another WhatsApp Web, for tests; null: WhatsApp's own. */
  readonly webSocketUrl: string | null
  readonly limits?: SessionLimits
}): Bridge {
  const { database, log, host, port, token, adapterUrl, webSocketUrl } = options
  const files = openBridgeFiles()
  const owner = crypto.randomUUID()
  const mediaOrigin = originOf(webSocketUrl)
  let routes: ReturnType<typeof bridgeRoutes> | undefined
  const server = serve({
    host,
    port,
    setting: 'BAILEYS_BRIDGE_URL',
    fetch: request => routes?.fetch(request) ?? new Response(null, { status: 503 }),
  })
  // The sessions' rows say where this bridge listens: it listens first.
  const sessions = startSessions({ ...options, post, mediaOrigin }, { owner, url: server.url }, options.limits)
  routes = bridgeRoutes({ ...options, sessions, files, health, mediaOrigin })

  async function post(botId: string, body: string): Promise<number> {
    const response = await fetch(`${adapterUrl}/webhooks/baileys/${botId}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(postMs),
    })
    await response.arrayBuffer()
    return response.status
  }

  async function health() {
    const isReachable = await database.isReachable()
    const memory_mb = Math.round(process.memoryUsage.rss() / 1e5) / 10
    return { status: isReachable ? ('ok' as const) : ('degraded' as const), sessions: sessions.size, memory_mb }
  }

  log.info({ url: server.url }, 'the Baileys bridge listens')
  return {
    url: server.url,
    owner,
    sessions,
    async stop() {
      await server.stop()
      await sessions.stop()
      files.stop()
    },
  }
}

/** In tests the same server stands for WhatsApp's hosts of files. */
function originOf(webSocketUrl: string | null): string | null {
  const url = webSocketUrl === null ? null : URL.parse(webSocketUrl)
  return url === null ? null : `${url.protocol === 'wss:' ? 'https' : 'http'}://${url.host}`
}
