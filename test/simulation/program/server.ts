import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { actions } from '../../../src/commerce/actions/actions.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { makeSealer } from '../../../src/lib/crypto.ts'
import { type Ids, makeIds } from '../../../src/lib/ids.ts'
import { makeMetrics } from '../../../src/lib/metrics.ts'
import { findBotWithSecrets } from '../../../src/messaging/find-bot.ts'
import { makeProviderMemo } from '../../../src/messaging/provider-memo.ts'
import { startOrchestrator } from '../../../src/orchestrator/orchestrator.ts'
import { startCallLoop } from '../../../src/orchestrator/perform-calls.ts'
import type { Bus } from '../../../src/stores/bus.ts'
import { makeFeed } from '../../../src/stores/feed.ts'
import { makeFiles } from '../../../src/stores/files.ts'
import { makeMemoryGate } from '../../../src/stores/memory/request-gate.ts'
import type { Database } from '../../../src/stores/postgres/database.ts'
import type { StateSnapshots } from '../../../src/stores/state-snapshots.ts'
import { makeBotCache } from '../../../src/whatsapp/bot-cache.ts'
import { type Inbound, makeInbound } from '../../../src/whatsapp/inbound.ts'
import { makeProviders } from '../../../src/whatsapp/providers/providers.ts'
import { startSender } from '../../../src/whatsapp/sender.ts'
import { encryptionKey } from '../../support/seed.ts'
import { origins, publicUrl, type WebhookCall } from '../outside/accounts.ts'
import { sendTimeoutMs, settleMs } from '../outside/network.ts'
import type { Process, World } from '../world/world.ts'

/** What runs in a process of the world: the program's own roles, with everything around them the world's. */
export type Server = {
  /** Takes a webhook, as the adapter's HTTP route does; undefined where the process has no adapter. */
  readonly receive: ((call: WebhookCall) => Promise<unknown>) | undefined
  readonly database: Database
  readonly bus: Bus
  readonly ids: Ids
  /** As at SIGTERM. */
  stop(): Promise<void>
}

const metrics = makeMetrics()
const sealer = makeSealer(encryptionKey)
const files = makeFiles(join(tmpdir(), 'dashoffice-simulation-has-no-files'))

export async function startServer(options: {
  readonly world: World
  readonly process: Process
  readonly roles: readonly ('adapter' | 'orchestrator')[]
  readonly database: Database
  readonly bus: Bus
  readonly snapshots: StateSnapshots
  readonly isAlone: boolean
  readonly onLog: (level: string, line: string) => void
}): Promise<Server> {
  const { world, process, roles, database, bus } = options
  const clock = clockOf(world, process)
  const ids = makeIds(clock)
  const log = logTo(options.onLog)
  const feed = makeFeed({ bus, gate: makeMemoryGate(clock), log })
  const parts = { database, bus, feed, clock, ids, log, metrics, sealer, files, isAlone: options.isAlone }
  const orchestrator = roles.includes('orchestrator') ? startOrchestrating(parts, options.snapshots) : []
  const adapter = roles.includes('adapter') ? await startAdapter(parts) : undefined
  return {
    receive: adapter && (call => receive(adapter.inbound, call)),
    ...{ database, bus, ids },
    async stop() {
      await Promise.all([...orchestrator.map(loop => loop.stop()), adapter?.stop()])
    },
  }
}

export function clockOf(world: World, process: Process): Clock {
  return { now: () => Math.floor(world.clockMs(process)) }
}

type Parts = Omit<Parameters<typeof makeInbound>[0], 'bots' | 'providers'> & { readonly isAlone: boolean }

function startOrchestrating(parts: Parts, snapshots: StateSnapshots) {
  const fetchOutside = (url: string, init: RequestInit) => fetch(url, init)
  return [startOrchestrator({ ...parts, actions, snapshots }), startCallLoop({ ...parts, fetch: fetchOutside })]
}

/** As `startAdapter` puts them together, without the sockets, the files and the bridge. */
async function startAdapter(parts: Parts) {
  const { database, bus } = parts
  const providers = makeProviders({
    config: {
      PUBLIC_URL: publicUrl,
      META_BASE_URL: `${origins.meta}/v25.0`,
      OFFICIAL_BASE_URL: origins.legacy,
      TWILIO_BASE_URL: origins.twilio,
    },
    memo: makeProviderMemo(database),
    guardedFetch: () => Promise.reject(new Error('No tenant has an address here')),
  })
  const bots = makeBotCache({
    load: botId => database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, parts.sealer, botId)),
    bus,
  })
  const inbound = makeInbound({ ...parts, bots, providers })
  const sender = await startSender({
    ...{ ...parts, bots, providers, settleMs },
    findFile: async () => ({ file: null }),
    tenantMessagesPerMinute: 6_000,
    timeoutMs: sendTimeoutMs,
  })
  return {
    inbound,
    async stop() {
      await inbound.drain()
      await sender.stop()
      bots.close()
    },
  }
}

function receive(inbound: Inbound, { provider, botId, headers, url, body }: WebhookCall): Promise<unknown> {
  return inbound.receive(provider, botId, { headers, url, read: async () => body })
}

function logTo(onLog: (level: string, line: string) => void): pino.Logger {
  const formatters = { level: (label: string) => ({ level: label }) }
  const write = (line: string) => onLog(/"level":"(\w+)"/.exec(line)?.[1] ?? '', line.trim())
  return pino({ level: 'warn', base: null, timestamp: false, messageKey: 'message', formatters }, { write })
}
