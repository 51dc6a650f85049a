import { Hono } from 'hono'
import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import { answerError, observeRequests, readBody, requestIdOf } from '../lib/http.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { opsRoutes } from '../lib/ops.ts'
import { findBotWithSecrets } from '../messaging/find-bot.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Health } from '../stores/health.ts'
import type { Database } from '../stores/postgres/database.ts'
import { makeBotCache } from './bot-cache.ts'
import { startChecks } from './check-bots.ts'
import { type Inbound, makeInbound } from './inbound.ts'
import type { WhatsAppProvider } from './provider.ts'
import { metaProvider } from './providers/meta.ts'
import { startSender } from './sender.ts'

/** Meta sends up to 3 MB. */
const webhookBytesMax = 3 * 1024 * 1024

const webhookPath = '/webhooks/:provider/:bot_id'

type Options = {
  readonly config: Pick<
    Config,
    'META_BASE_URL' | 'RATE_LIMIT_MESSAGES_PER_MINUTE' | 'SEND_TIMEOUT_SECONDS' | 'SEND_SETTLE_SECONDS'
  >
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly health: () => Promise<Health>
  readonly isAlone: boolean
}

/** The role that speaks with the providers: takes webhooks in, carries the outbox out, and asks whether bots may send. */
export async function startAdapter(options: Options) {
  const { config, database, bus, clock, sealer } = options
  const providers = providersFor(config)
  const bots = makeBotCache({
    load: botId => database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, sealer, botId)),
    bus,
    clock,
  })
  const inbound = makeInbound({ ...options, bots, providers })
  const timeoutMs = config.SEND_TIMEOUT_SECONDS * 1_000
  const checks = startChecks({ ...options, providers, timeoutMs })
  const sender = await startSender({
    ...options,
    bots,
    providers,
    tenantMessagesPerMinute: config.RATE_LIMIT_MESSAGES_PER_MINUTE,
    timeoutMs,
    settleMs: config.SEND_SETTLE_SECONDS * 1_000,
  })
  let ending: Promise<unknown> | undefined
  function endWork(): Promise<unknown> {
    ending ??= Promise.all([sender.stop(), checks.stop()])
    return ending
  }
  return {
    fetch: webhookRoutes(inbound, options).fetch,
    // What goes out does not wait for the last webhook that comes in.
    drain: () => void endWork(),
    async stop() {
      await inbound.drain()
      await endWork()
      bots.close()
    },
  }
}

function providersFor(config: Options['config']): ReadonlyMap<string, WhatsAppProvider> {
  return new Map([metaProvider(config.META_BASE_URL)].map(provider => [provider.name, provider]))
}

function webhookRoutes(inbound: Inbound, { log, metrics, health }: Options): Hono {
  const app = new Hono()
  app.onError((error, context) => answerError(error, requestIdOf(context.req.raw), log))
  app.use(
    webhookPath,
    observeRequests(metrics, () => webhookPath),
  )
  app.post(webhookPath, async context => {
    const { provider, bot_id } = context.req.param()
    const body = await readBody(context.req.raw, webhookBytesMax)
    await inbound.receive(provider, bot_id, { headers: context.req.raw.headers, body })
    return context.body(null, 200)
  })
  app.get(webhookPath, async context => {
    const { provider, bot_id } = context.req.param()
    return context.text(await inbound.handshake(provider, bot_id, new URL(context.req.url).searchParams))
  })
  app.all(webhookPath, context => {
    throw new AppError('method_not_allowed', `A webhook is a POST, not a ${context.req.method}.`)
  })
  app.route('/', opsRoutes({ health, metrics }))
  return app
}
