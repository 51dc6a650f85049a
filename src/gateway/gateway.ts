import { type Context, Hono } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { matchedRoutes } from 'hono/route'
import packageJson from '../../package.json' with { type: 'json' }
import { AppError } from '../lib/errors.ts'
import { answerError, observeRequests, problem, requestIdOf } from '../lib/http.ts'
import { opsRoutes } from '../lib/ops.ts'
import { docsPage, docsPolicy } from './docs-page.ts'
import { makeOpenApi } from './openapi.ts'
import type { Env, Parts } from './parts.ts'
import { authRoutes, meRoutes } from './routes/auth.ts'
import { botRoutes } from './routes/bots.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { customerRoutes } from './routes/customers.ts'
import { flowRoutes } from './routes/flows.ts'
import { orderRoutes } from './routes/orders.ts'
import { productRoutes } from './routes/products.ts'

/** The role that people and their programs speak with: the REST API, and the document that describes it. */
export function makeGateway(parts: Parts): { fetch(request: Request): Promise<Response> } {
  const { log, metrics } = parts
  const app = new Hono<Env>()
  app.use(identifyRequest)
  app.use(observeRequests(metrics, patternOf))
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }))
  app.onError((error, context) => answerError(error, context.get('requestId'), log))
  app.notFound(context => refuse(context, new AppError('not_found', `There is no ${context.req.path}.`)))

  app.route('/', opsRoutes(parts))
  app.route('/api/auth', authRoutes(parts))
  app.route('/api/me', meRoutes(parts))
  app.route('/api/bots', botRoutes(parts))
  app.route('/api/flows', flowRoutes(parts))
  app.route('/api/conversations', conversationRoutes(parts))
  app.route('/api/products', productRoutes(parts))
  app.route('/api/customers', customerRoutes(parts))
  app.route('/api/orders', orderRoutes(parts))

  const openApi = makeOpenApi(app, packageJson.version)
  app.get('/openapi.json', async context => context.json(await openApi()))
  app.get('/docs', context => context.html(docsPage, 200, { 'content-security-policy': docsPolicy }))
  return { fetch: async request => await app.fetch(request) }
}

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
}

async function identifyRequest(context: Context<Env>, next: () => Promise<void>): Promise<void> {
  const requestId = requestIdOf(context.req.raw)
  context.set('requestId', requestId)
  await next()
  const { headers } = context.res
  headers.set('x-request-id', requestId)
  for (const [name, value] of Object.entries(securityHeaders)) if (!headers.has(name)) headers.set(name, value)
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
