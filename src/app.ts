import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import type { Config } from './config.ts'
import { systemClock } from './lib/clock.ts'
import { makeSealer, type Sealer } from './lib/crypto.ts'
import { messageOf, UsageError } from './lib/errors.ts'
import { makeGuardedFetch } from './lib/guarded-fetch.ts'
import { uuids } from './lib/ids.ts'
import type { Log } from './lib/log.ts'
import { backgroundLimits, keepMemoryLow, usualLimits } from './lib/memory.ts'
import { type Metrics, makeMetrics } from './lib/metrics.ts'
import { opsRoutes } from './lib/ops.ts'
import { type Peer, type Server, type SocketHandlers, serve } from './lib/serve.ts'
import { type MediaLinks, makeMediaLinks } from './messaging/media-links.ts'
import type { Bus } from './stores/bus.ts'
import { type Feed, makeFeed } from './stores/feed.ts'
import { type Files, makeFiles } from './stores/files.ts'
import type { Health, StoreHealth } from './stores/health.ts'
import { keepLogLines } from './stores/keep-log-lines.ts'
import { type KeyEraser, nothingShared } from './stores/key-eraser.ts'
import type { LogStore } from './stores/log-store.ts'
import { makeMemoryBus } from './stores/memory/bus.ts'
import { makeMemoryMetricsCache } from './stores/memory/metrics-cache.ts'
import { makeMemoryGate } from './stores/memory/request-gate.ts'
import { makeMemorySnapshots } from './stores/memory/state-snapshots.ts'
import type { MetricsCache } from './stores/metrics-cache.ts'
import { openLogStore } from './stores/open-log-store.ts'
import { type Database, openDatabase } from './stores/postgres/database.ts'
import { openPostgres } from './stores/postgres/open.ts'
import type { RequestGate } from './stores/request-gate.ts'
import type { StateSnapshots } from './stores/state-snapshots.ts'

export const version: string = packageJson.version

export const roleNames = ['gateway', 'adapter', 'orchestrator', 'analytics'] as const
export type RoleName = (typeof roleNames)[number]

/** A running installation, or the part of one that this process is. */
export type App = {
  readonly database: Database
  /** Where each role of this process listens. */
  readonly urls: Readonly<Partial<Record<RoleName, string>>>
  /** `host:port` of the adapter's gRPC; undefined where this process serves none. */
  readonly grpcAddress: string | undefined
  /** Ends all roles at once: nothing new comes in, what is under way ends, then the stores close. Within ten seconds. */
  stop(): Promise<void>
}

/** What every role is made of. */
type Parts = {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly database: Database
  readonly bus: Bus
  readonly gate: RequestGate
  readonly feed: Feed
  readonly metricsCache: MetricsCache
  readonly logs: LogStore
  readonly sealer: Sealer
  readonly files: Files
  readonly links: MediaLinks
  /** Whether this is the only process on its database. */
  readonly isAlone: boolean
  readonly health: () => Promise<Health>
}

type Role = {
  readonly fetch: (request: Request, peer: Peer) => Response | Promise<Response>
  readonly sockets?: SocketHandlers
  readonly grpcAddress?: string | undefined
  /** Called with the address that the role is reached at. */
  readonly onListening?: (url: string) => void
  /** Called when nothing new comes in: ends what does not end by itself, while requests under way are still answered. */
  readonly drain?: () => void
  /** Called after the last answer. */
  stop(): Promise<void>
}

type Running = { readonly role: Role; server?: Server }

/** Loaded only by the processes that run them. */
const roles: Readonly<Record<RoleName, (parts: Parts) => Promise<Role>>> = {
  async gateway(parts) {
    const { startGateway } = await import('./gateway/gateway.ts')
    return startGateway({ ...parts, clock: systemClock, ids: uuids })
  },
  async adapter(parts) {
    const { startAdapter } = await import('./whatsapp/adapter.ts')
    return await startAdapter({ ...parts, clock: systemClock, ids: uuids })
  },
  async orchestrator(parts) {
    const { actions } = await import('./commerce/actions/actions.ts')
    const { startOrchestrator } = await import('./orchestrator/orchestrator.ts')
    const { startCallLoop } = await import('./orchestrator/perform-calls.ts')
    const { startWebhookLoop } = await import('./orchestrator/deliver-webhooks.ts')
    const { ALLOW_PRIVATE_URLS: allowsPrivate, LOG_RETENTION_DAYS: keptDays } = parts.config
    const all = { ...parts, clock: systemClock, ids: uuids, fetch: makeGuardedFetch({ allowsPrivate }) }
    const snapshots = await openSnapshots(parts.config, parts.log)
    const turns = startOrchestrator({ ...all, actions, snapshots })
    const loops = [turns, startCallLoop(all), startWebhookLoop({ ...all, keptDays })]
    return {
      fetch: opsRoutes(parts).fetch,
      async stop() {
        await Promise.all(loops.map(loop => loop.stop()))
        await snapshots.close()
      },
    }
  },
  async analytics(parts) {
    const { startAnalytics } = await import('./analytics/analytics.ts')
    const { startErasing } = await import('./analytics/erase.ts')
    const keys = await openKeyEraser(parts.config, parts.log)
    const loops = [
      startAnalytics({ ...parts, clock: systemClock, ids: uuids }),
      startErasing({ ...parts, keys, clock: systemClock }),
    ]
    return {
      fetch: opsRoutes(parts).fetch,
      async stop() {
        await Promise.all(loops.map(loop => loop.stop()))
        await keys.close()
      },
    }
  },
}

const portSettings = {
  gateway: 'GATEWAY_PORT',
  adapter: 'ADAPTER_PORT',
  orchestrator: 'ORCHESTRATOR_PORT',
  analytics: 'ANALYTICS_PORT',
} as const satisfies Record<RoleName, keyof Config>

/**
 * Starts the stores, brings the database up to date, then the roles. Throws a `UsageError` of one line for what an
 * operator can put right, and leaves nothing running then.
 */
export async function startApp(config: Config, log: Log, names: readonly RoleName[] = roleNames): Promise<App> {
  refuseLonelyRole(config, names)
  const closers: (() => Promise<void>)[] = []
  const stop = () => closeAll(closers, log)
  try {
    const stopWatching = keepMemoryLow(names.every(name => name === 'analytics') ? backgroundLimits : usualLimits)
    closers.push(async () => stopWatching())
    const metrics = makeMetrics()
    const postgres = await openPostgres(config, log)
    closers.push(postgres.close)
    await postgres.migrate()
    const database = openDatabase(postgres.target, metrics)
    closers.push(database.close)
    const { bus, gate, metricsCache, redisHealth } = await openShared(config, log)
    closers.push(metricsCache.close, gate.close, bus.close)
    const logs = await openLogStore(config, { database, log, clock: systemClock })
    closers.push(logs.close)
    const role = names.length === roleNames.length ? 'all' : names.join(' ')
    const lines = keepLogLines({ log, store: logs, metrics, ids: uuids, role })
    closers.push(lines.stop)
    const isAlone = postgres.isEmbedded
    const mongodbHealth = async () =>
      config.MONGODB_URL === undefined ? 'embedded' : reached(await logs.isReachable())
    const health = makeHealth(database, isAlone, { redis: redisHealth, mongodb: mongodbHealth })
    const sealer = makeSealer(config.ENCRYPTION_KEY)
    for (const [setting, instead] of Object.entries(notUsedYet))
      if (Reflect.get(config, setting) !== undefined) log.warn(`${setting} is set, but this version ${instead}`)
    const parts: Parts = {
      config,
      log,
      metrics,
      database,
      bus,
      gate,
      feed: makeFeed({ bus, gate, log }),
      ...{ metricsCache, logs },
      sealer,
      files: makeFiles(join(config.DASHOFFICE_DATA_DIR, 'media')),
      links: makeMediaLinks({ encryptionKey: config.ENCRYPTION_KEY, publicUrl: config.PUBLIC_URL }),
      isAlone,
      health,
    }
    const running: Running[] = []
    closers.push(async () => void (await Promise.all(running.map(one => end(one, log)))))
    const urls: Partial<Record<RoleName, string>> = {}
    for (const name of names) {
      const one: Running = { role: await roles[name]({ ...parts, log: log.child({ role: name }) }) }
      running.push(one)
      one.server = listen(config, name, one.role)
      urls[name] = one.server.url
      one.role.onListening?.(one.server.url)
      const { grpcAddress } = one.role
      log.info(
        { role: name, url: one.server.url, ...(grpcAddress !== undefined && { grpc: grpcAddress }) },
        'listening',
      )
    }
    const grpcAddress = running.find(({ role }) => role.grpcAddress !== undefined)?.role.grpcAddress
    return { database, urls, grpcAddress, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Settings that are taken and have no effect yet, with what is done instead. */
const notUsedYet: Readonly<Partial<Record<keyof Config, string>>> = {
  DATABASE_REPLICA_URL: 'reads everything from DATABASE_URL',
}

function listen(config: Config, name: RoleName, role: Role): Server {
  const setting = portSettings[name]
  return serve({
    host: config.HOST,
    port: config[setting],
    setting,
    fetch: role.fetch,
    sockets: role.sockets,
    onStop: role.drain,
  })
}

/** Several processes share their work through the database, and tell each other of it through Redis. */
function refuseLonelyRole(config: Config, names: readonly RoleName[]): void {
  if (names.length === roleNames.length) return
  const missing = (['DATABASE_URL', 'REDIS_URL'] as const).filter(name => config[name] === undefined)
  if (missing.length > 0)
    throw new UsageError(
      `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} unset, but a single role takes both: the other roles run in other processes (or run all of them with: dashoffice up)`,
    )
}

/** What processes share beside the database. */
type Shared = Pick<Parts, 'bus' | 'gate' | 'metricsCache'> & { readonly redisHealth: () => Promise<Health['redis']> }

async function openShared(config: Config, log: Log): Promise<Shared> {
  if (config.REDIS_URL === undefined)
    return {
      ...{ bus: makeMemoryBus(), gate: makeMemoryGate(systemClock) },
      metricsCache: makeMemoryMetricsCache(systemClock),
      redisHealth: async () => 'embedded',
    }
  const { makeRedisBus } = await import('./stores/redis/bus.ts')
  const { makeRedisGate } = await import('./stores/redis/request-gate.ts')
  const { makeRedisMetricsCache } = await import('./stores/redis/metrics-cache.ts')
  const bus = makeRedisBus(config.REDIS_URL, log)
  const gate = makeRedisGate(config.REDIS_URL, log)
  const metricsCache = makeRedisMetricsCache(config.REDIS_URL, log)
  return {
    bus,
    gate,
    metricsCache,
    redisHealth: async () => reached(await bus.isReachable()),
  }
}

async function openKeyEraser({ REDIS_URL }: Config, log: Log): Promise<KeyEraser> {
  if (REDIS_URL === undefined) return nothingShared
  const { makeRedisKeyEraser } = await import('./stores/redis/key-eraser.ts')
  return makeRedisKeyEraser(REDIS_URL, log)
}

async function openSnapshots(config: Config, log: Log): Promise<StateSnapshots> {
  if (config.REDIS_URL === undefined) return makeMemorySnapshots(systemClock)
  const { makeRedisSnapshots } = await import('./stores/redis/state-snapshots.ts')
  return makeRedisSnapshots(config.REDIS_URL, log)
}

function makeHealth(
  database: Database,
  isEmbedded: boolean,
  others: { readonly [K in 'redis' | 'mongodb']: () => Promise<StoreHealth> },
): () => Promise<Health> {
  const startedAt = performance.now()
  return async () => {
    const [isReachable, redis, mongodb] = await Promise.all([database.isReachable(), others.redis(), others.mongodb()])
    return {
      status: isReachable && redis !== 'disconnected' && mongodb !== 'disconnected' ? 'ok' : 'degraded',
      version,
      uptime: Math.floor((performance.now() - startedAt) / 1000),
      memory_mb: Math.round(process.memoryUsage.rss() / 1e5) / 10,
      database: isReachable ? (isEmbedded ? 'embedded' : 'connected') : 'disconnected',
      redis,
      mongodb,
    }
  }
}

function reached(isReachable: boolean): StoreHealth {
  return isReachable ? 'connected' : 'disconnected'
}

async function end({ role, server }: Running, log: Log): Promise<void> {
  await closeAll([role.stop, ...(server === undefined ? [] : [server.stop])], log)
}

/** Last opened, first closed. One that fails to close does not keep the others open. */
async function closeAll(closers: (() => Promise<void>)[], log: Log): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop())
    await close().catch((error: unknown) => log.error({ error: messageOf(error) }, 'closing failed'))
}
