import { Hono } from 'hono'
import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import { makeGuardedFetch } from '../lib/guarded-fetch.ts'
import { answerError, observeRequests, readBody, requestIdOf } from '../lib/http.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { opsRoutes } from '../lib/ops.ts'
import { findBotWithSecrets } from '../messaging/find-bot.ts'
import type { MediaLinks } from '../messaging/media-links.ts'
import { makeProviderMemo } from '../messaging/provider-memo.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files } from '../stores/files.ts'
import type { Health } from '../stores/health.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { RequestGate } from '../stores/request-gate.ts'
import { type BridgeSettings, startBridgeWhenNeeded } from './baileys/start-bridge.ts'
import { makeBotCache } from './bot-cache.ts'
import { startChecks } from './check-bots.ts'
import { startMediaFetches } from './fetch-media.ts'
import { findOutboundFile } from './find-outbound-file.ts'
import type { GrpcOptions, GrpcServer } from './grpc/start-grpc.ts'
import { type Inbound, makeInbound } from './inbound.ts'
import { makeProviders } from './providers/providers.ts'
import { startSender } from './sender.ts'
import { mediaLinkRoutes } from './serve-media.ts'
import { startEchoRelease } from './start-echo-release.ts'
import { startMediaSweep } from './sweep-media.ts'

const webhookPath = '/webhooks/:provider/:bot_id'

type Options = {
  readonly config: Pick<
    Config,
    | 'PUBLIC_URL'
    | 'META_BASE_URL'
    | 'OFFICIAL_BASE_URL'
    | 'TWILIO_BASE_URL'
    | 'ALLOW_PRIVATE_URLS'
    | 'RATE_LIMIT_MESSAGES_PER_MINUTE'
    | 'SEND_TIMEOUT_SECONDS'
    | 'SEND_SETTLE_SECONDS'
    | 'ADAPTER_GRPC_PORT'
  > &
    GrpcOptions['config'] &
    BridgeSettings
  readonly database: Database
  readonly bus: Bus
  readonly gate: RequestGate
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly files: Files
  readonly links: MediaLinks
  readonly health: () => Promise<Health>
  readonly isAlone: boolean
}

/** The role that speaks with the providers: takes webhooks in, carries the outbox out, and asks whether bots may send. */
export async function startAdapter(options: Options) {
  const { config, database, bus, sealer } = options
  let ownUrl: string | null = null
  const bridge = startBridgeWhenNeeded({ ...options, adapterUrl: () => ownUrl })
  const providers = makeProviders({
    bridge,
    config: {
      ...config,
      OFFICIAL_BASE_URL: config.OFFICIAL_BASE_URL ?? null,
      TWILIO_BASE_URL: config.TWILIO_BASE_URL ?? null,
    },
    memo: makeProviderMemo(database),
    guardedFetch: makeGuardedFetch({ allowsPrivate: config.ALLOW_PRIVATE_URLS }),
  })
  const bots = makeBotCache({
    load: botId => database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, sealer, botId)),
    bus,
  })
  const inbound = makeInbound({ ...options, bots, providers })
  const timeoutMs = config.SEND_TIMEOUT_SECONDS * 1_000
  const checks = startChecks({ ...options, providers, timeoutMs })
  const fetches = await startMediaFetches({ ...options, bots, providers })
  const sweep = startMediaSweep(options)
  const echoes = startEchoRelease(options)
  const sender = await startSender({
    ...options,
    bots,
    providers,
    findFile: (tenantId, content) => findOutboundFile(options, tenantId, content),
    tenantMessagesPerMinute: config.RATE_LIMIT_MESSAGES_PER_MINUTE,
    timeoutMs,
    settleMs: config.SEND_SETTLE_SECONDS * 1_000,
  })
  let ending: Promise<unknown> | undefined
  function endWork(): Promise<unknown> {
    // The bridge goes last: sends under way are answered by it. What it hears meanwhile waits in the database.
    const work = [sender, checks, fetches, sweep, echoes]
    ending ??= Promise.all(work.map(one => one.stop())).then(bridge.stop)
    return ending
  }
  const grpc = await openGrpc(inbound, options).catch(async (error: unknown) => {
    await endWork()
    throw error
  })
  return {
    fetch: adapterRoutes(inbound, options).fetch,
    grpcAddress: grpc?.address,
    // The bridge is told where to bring what it hears.
    onListening(url: string) {
      ownUrl = url
    },
    // What goes out does not wait for the last webhook that comes in.
    drain() {
      grpc?.drain()
      void endWork()
    },
    async stop() {
      await grpc?.stop()
      await inbound.drain()
      await endWork()
      bots.close()
    },
  }
}

/** Loaded only where it is asked for: it takes tens of megabytes. */
async function openGrpc(inbound: Inbound, options: Options): Promise<GrpcServer | undefined> {
  const port = options.config.ADAPTER_GRPC_PORT
  if (port === undefined) return undefined
  const { startGrpc } = await import('./grpc/start-grpc.ts')
  return await startGrpc({ ...options, inbound, port })
}

function adapterRoutes(inbound: Inbound, options: Options): Hono {
  const { config, log, metrics, health } = options
  const app = new Hono()
  app.onError((error, context) => answerError(error, requestIdOf(context.req.raw), log))
  app.use(
    webhookPath,
    observeRequests(metrics, () => webhookPath),
  )
  app.post(webhookPath, async context => {
    const { provider, bot_id } = context.req.param()
    const { raw } = context.req
    const { pathname, search } = new URL(raw.url)
    const url = `${config.PUBLIC_URL}${pathname}${search}`
    const read = (bytesMax: number) => readBody(raw, bytesMax)
    const answer = await inbound.receive(provider, bot_id, { headers: raw.headers, url, read })
    if (answer === undefined) return context.body(null, 200)
    return context.body(answer.body, 200, { 'content-type': answer.contentType })
  })
  app.get(webhookPath, async context => {
    const { provider, bot_id } = context.req.param()
    return context.text(await inbound.handshake(provider, bot_id, new URL(context.req.url).searchParams))
  })
  app.all(webhookPath, context => {
    throw new AppError('method_not_allowed', `A webhook is a POST, not a ${context.req.method}.`)
  })
  app.route('/', mediaLinkRoutes(options))
  app.route('/', opsRoutes({ health, metrics }))
  return app
}
