import { Server, ServerCredentials, setLogger } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import type { Config } from '../../config.ts'
import { makeKnownCallers } from '../../identity/known-callers.ts'
import { makeRequestLimits } from '../../identity/request-limits.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Sealer } from '../../lib/crypto.ts'
import { messageOf, UsageError } from '../../lib/errors.ts'
import type { Ids } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import type { Metrics } from '../../lib/metrics.ts'
import type { Bus } from '../../stores/bus.ts'
import type { Feed } from '../../stores/feed.ts'
import type { Health } from '../../stores/health.ts'
import type { Database } from '../../stores/postgres/database.ts'
import type { RequestGate } from '../../stores/request-gate.ts'
import type { Inbound } from '../inbound.ts'
import { makeAnswering } from './answer-calls.ts'
import { makeHealthService } from './health-service.ts'
import { loadServices, serviceIn } from './load-services.ts'
import { whatsappAnswers } from './whatsapp-service.ts'

/** More than any provider's webhook. */
const messageBytesMax = 4 * 1024 * 1024
/** Calls under way on one connection. */
const callsPerConnectionMax = 100
/** A peer that vanished without a word is noticed within these two. */
const keepaliveMs = 60_000
const keepaliveTimeoutMs = 20_000
/** For calls under way at a stop. */
const stopDeadlineMs = 5_000

export type GrpcOptions = {
  readonly config: Pick<
    Config,
    'HOST' | 'PUBLIC_URL' | 'JWT_SECRET' | 'JWT_SECRET_PREVIOUS' | 'RATE_LIMIT_API_PER_MINUTE' | 'TRUSTED_PROXIES'
  >
  readonly port: number
  readonly inbound: Inbound
  readonly database: Database
  readonly bus: Bus
  readonly gate: RequestGate
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly health: () => Promise<Health>
}

/** The gRPC server of the adapter, on its address. */
export type GrpcServer = {
  /** `host:port`, as clients take it. */
  readonly address: string
  /** Takes no more calls; what is under way goes on. */
  drain(): void
  /** Ends once the last call has, within five seconds of `drain`. */
  stop(): Promise<void>
}

/**
 * Serves `dashoffice.v1.WhatsApp` to other services, with the standard services for health and reflection. In the clear:
 * where it is reached over a network, a reverse proxy ends TLS before it. Throws a `UsageError` where the port is taken.
 */
export async function startGrpc(options: GrpcOptions): Promise<GrpcServer> {
  setLogger(loggerOf(options.log))
  const server = new Server({
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_concurrent_streams': callsPerConnectionMax,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
  })
  const health = makeHealthService(options.health)
  addServices(server, options, health)
  const port = await bind(server, options)
  let ending: Promise<void> | undefined
  function drain(): void {
    health.end()
    ending ??= endCalls(server)
  }
  return {
    address: `${bracketed(options.config.HOST)}:${port}`,
    drain,
    async stop() {
      drain()
      await ending
    },
  }
}

function addServices(server: Server, options: GrpcOptions, health: ReturnType<typeof makeHealthService>): void {
  const services = loadServices()
  const answering = makeAnswering({
    ...options,
    callers: makeKnownCallers(options),
    limits: makeRequestLimits(options),
  })
  const answers = Object.entries(whatsappAnswers(options))
  const implementation = Object.fromEntries(answers.map(([method, answer]) => [method, answering(method, answer)]))
  server.addService(serviceIn(services, 'dashoffice.v1.WhatsApp'), implementation)
  server.addService(serviceIn(services, 'grpc.health.v1.Health'), health.implementation)
  new ReflectionService(services).addToServer(server)
}

async function bind(server: Server, { config, port }: GrpcOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.bindAsync(`${bracketed(config.HOST)}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  )
  try {
    return await promise
  } catch (error) {
    server.forceShutdown()
    const setting = `ADAPTER_GRPC_PORT is ${port}`
    if (/EADDRINUSE/.test(messageOf(error)))
      throw new UsageError(`${setting}, but another program listens on that port`)
    if (/EACCES/.test(messageOf(error))) throw new UsageError(`${setting}, but this user may not listen on that port`)
    throw error
  }
}

async function endCalls(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.tryShutdown(() => resolve())
  const deadline = setTimeout(resolve, stopDeadlineMs)
  await promise
  clearTimeout(deadline)
  server.forceShutdown()
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** What the library has to say goes where everything else does. */
function loggerOf(log: Log): Partial<Console> {
  const write = (message: unknown) => log.warn({ error: String(message) }, 'gRPC')
  return { error: write, info: write, debug: write }
}
