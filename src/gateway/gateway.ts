import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { matchedRoutes } from 'hono/route'
import packageJson from '../../package.json' with { type: 'json' }
import { AppError } from '../lib/errors.ts'
import { answerError, observeRequests, problem, requestIdOf } from '../lib/http.ts'
import { opsRoutes } from '../lib/ops.ts'
import type { SocketHandlers } from '../lib/serve.ts'
import { makeReader } from './answers.ts'
import { makeCallers } from './callers.ts'
import { docsPage, docsPolicy } from './docs-page.ts'
import { startForgettingKeys } from './forget-keys.ts'
import { makeLimits } from './limits.ts'
import { makeOpenApi } from './openapi.ts'
import type { Env, GatewayOptions } from './options.ts'
import type { Parts } from './parts.ts'
import { limitHeaders, securityHeaders } from './response-headers.ts'
import { analyticsRoutes } from './routes/analytics.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { authRoutes } from './routes/auth.ts'
import { botRoutes } from './routes/bots.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { customerPrivacyRoutes } from './routes/customer-privacy.ts'
import { customerRoutes } from './routes/customers.ts'
import { erasureRoutes } from './routes/erasures.ts'
import { failedMessageRoutes } from './routes/failed-messages.ts'
import { flowTemplateRoutes } from './routes/flow-templates.ts'
import { flowRoutes } from './routes/flows.ts'
import { meRoutes, passwordRoutes } from './routes/me.ts'
import { mediaRoutes } from './routes/media.ts'
import { orderRoutes } from './routes/orders.ts'
import { productRoutes } from './routes/products.ts'
import { reportRoutes } from './routes/reports.ts'
import { secretRoutes } from './routes/secrets.ts'
import { sellerRoutes } from './routes/sellers.ts'
import { tenantRoutes } from './routes/tenant.ts'
import { tenantSettingsRoutes } from './routes/tenant-settings.ts'
import { userRoutes } from './routes/users.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { socketRoutes } from './routes/ws.ts'
import { makeSockets } from './sockets.ts'

/** The role that people and their programs speak with. `stop` ends what goes on beside the requests. */
export function startGateway(options: GatewayOptions): Gateway & { stop(): Promise<void> } {
  const { stop } = startForgettingKeys(options)
  return { ...makeGateway(options), stop }
}

export type Gateway = {
  fetch(request: Request, peer?: Env['Bindings']): Promise<Response>
  readonly sockets: SocketHandlers
  /** Ends the sockets: they would go on for ever. */
  drain(): void
}

/** The REST API, and the document that describes it. */
export function makeGateway(options: GatewayOptions): Gateway {
  const { log, metrics, config } = options
  const callers = makeCallers(options)
  const sockets = makeSockets(options, callers)
  const parts: Parts = {
    ...options,
    ...{ callers, sockets },
    limits: makeLimits(options),
    reader: makeReader(options),
  }
  const app = new Hono<Env>()
  app.use(finish)
  app.use(observeRequests(metrics, patternOf, { afterMs: config.SLOW_REQUEST_MS, tell: tellSlow }))
  if (config.CORS_ORIGINS.length > 0) app.use('/api/*', cors(corsOptions(config.CORS_ORIGINS)))
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }))
  app.onError((error, context) => answerError(error, context.get('requestId'), log))
  app.notFound(context => refuse(context, new AppError('not_found', `There is no ${context.req.path}.`)))

  /** Gives each answer the headers that all have; one that is complete has them already. */
  async function finish(context: Context<Env>, next: () => Promise<void>): Promise<void> {
    const requestId = requestIdOf(context.req.raw)
    context.set('requestId', requestId)
    await next()
    if (context.get('isComplete')) return
    if (context.get('limit') === undefined && context.req.path.startsWith('/api/'))
      await parts.limits.countStranger(context)
    const { headers } = context.res
    headers.set('x-request-id', requestId)
    const added = { ...securityHeaders, ...limitHeaders(context) }
    for (const [name, value] of Object.entries(added)) if (!headers.has(name)) headers.set(name, value)
    if (context.res.status === 429) headers.set('retry-after', headers.get('ratelimit-reset') ?? '1')
  }

  /** Without its query: it may hold what somebody searched for. */
  function tellSlow(context: Context, endpoint: string, ms: number): void {
    const { method } = context.req
    log.warn({ request_id: context.get('requestId'), method, endpoint, ms: Math.round(ms) }, 'a request was slow')
  }

  app.route('/', opsRoutes(parts))
  app.route('/api/auth', authRoutes(parts))
  app.route('/api/auth/password', passwordRoutes(parts))
  app.route('/api/me', meRoutes(parts))
  app.route('/api/tenant', tenantRoutes(parts))
  app.route('/api/tenant/settings', tenantSettingsRoutes(parts))
  app.route('/api/users', userRoutes(parts))
  app.route('/api/api-keys', apiKeyRoutes(parts))
  app.route('/api/audit', auditRoutes(parts))
  app.route('/api/bots', botRoutes(parts))
  app.route('/api/flows', flowRoutes(parts))
  app.route('/api/flow-templates', flowTemplateRoutes(parts))
  app.route('/api/conversations', conversationRoutes(parts))
  app.route('/api/failed-messages', failedMessageRoutes(parts))
  app.route('/api/media', mediaRoutes(parts))
  app.route('/api/products', productRoutes(parts))
  app.route('/api/customers', customerRoutes(parts))
  app.route('/api/customers', customerPrivacyRoutes(parts))
  app.route('/api/erasures', erasureRoutes(parts))
  app.route('/api/orders', orderRoutes(parts))
  app.route('/api/sellers', sellerRoutes(parts))
  app.route('/api/secrets', secretRoutes(parts))
  app.route('/api/analytics', analyticsRoutes(parts))
  app.route('/api/reports', reportRoutes(parts))
  app.route('/api/webhooks', webhookRoutes(parts))
  app.route('/api/ws', socketRoutes(parts))

  const openApi = makeOpenApi(app, packageJson.version)
  app.get('/openapi.json', async context => context.json(await openApi()))
  app.get('/docs', context => context.html(docsPage, 200, { 'content-security-policy': docsPolicy }))
  return {
    fetch: async (request, peer) => await app.fetch(request, peer),
    sockets: sockets.handlers,
    drain: sockets.close,
  }
}

/** For pages of other origins: no cookies are used, so none are let in. */
function corsOptions(origins: readonly string[]) {
  return {
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
      'if-none-match',
      'if-range',
      'range',
      'x-api-key',
      'x-request-id',
    ],
    exposeHeaders: [
      'content-disposition',
      'content-range',
      'etag',
      'ratelimit-limit',
      'ratelimit-remaining',
      'ratelimit-reset',
      'retry-after',
      'x-request-id',
    ],
    maxAge: 600,
  }
}

/** The pattern of the route that answered: never what the caller wrote. */
function patternOf(context: Context): string {
  return matchedRoutes(context).findLast(route => !route.path.includes('*'))?.path ?? 'unmatched'
}

function refuseMethod(context: Context<Env>, methods: readonly string[]): Response {
  const { method, path } = context.req
  const response = refuse(context, new AppError('method_not_allowed', `${path} does not take ${method}.`))
  response.headers.set('allow', methods.join(', '))
  return response
}

function refuse(context: Context<Env>, error: AppError): Response {
  return problem(error, context.get('requestId'))
}
