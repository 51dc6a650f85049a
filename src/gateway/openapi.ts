import type { Hono } from 'hono'
import { generateSpecs } from 'hono-openapi'
import { errorCatalogue } from '../lib/errors.ts'
import { headerComponents, withHeaders } from './document-headers.ts'
import { documented, type JsonSchema } from './json-schema.ts'
import type { Env } from './options.ts'
import { flowDocument } from './routes/flows.ts'

const health: JsonSchema = {
  type: 'object',
  properties: {
    status: { enum: ['ok', 'degraded'] },
    version: { type: 'string' },
    uptime: { type: 'number', description: 'Seconds since the start' },
    memory_mb: { type: 'number' },
    ...Object.fromEntries(
      ['database', 'redis', 'mongodb'].map(store => [store, { enum: ['connected', 'disconnected', 'embedded'] }]),
    ),
  },
  required: ['status', 'version', 'uptime', 'memory_mb', 'database', 'redis', 'mongodb'],
}

const description = `Answers are JSON in UTF-8 with snake_case names; ids are UUIDs, times RFC 3339 in UTC, money an
integer in minor units with an ISO 4217 currency. The lengths of texts are counted in code points; those of messages and
flows in UTF-16 units, so that each provider takes them. Lists take \`limit\` and \`cursor\`, and answer \`data\` and
\`next_cursor\`, which is null on the last page. Errors are problem documents (RFC 9457).
A body or a query is refused for anything in it that is not known here; an address that does not take a
method answers 405 with \`Allow\`. \`X-Request-Id\` is taken and answered.`

/** The API document: made from the routes themselves, once it is asked for. */
export function makeOpenApi(app: Hono<Env>, version: string): () => Promise<JsonSchema> {
  let made: Promise<JsonSchema> | undefined
  return () => {
    made ??= generate(app, version)
    return made
  }
}

async function generate(app: Hono<Env>, version: string): Promise<JsonSchema> {
  const flow = await documented(flowDocument, 'input').toOpenAPISchema()
  const document = await generateSpecs(app, {
    defaultValidationErrorResponse: false,
    documentation: { info: { title: 'DashOffice', version, description } },
  })
  return {
    ...document,
    paths: withAllHeaders({ ...operationPaths(), ...withUnchanged(withQueryErrors(document.paths)) }),
    components: {
      ...document.components,
      headers: headerComponents,
      schemas: { Health: health, ...flow.components.schemas, ...document.components?.schemas },
      securitySchemes: {
        access_token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        api_key: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
    },
  }
}

type Paths = NonNullable<Awaited<ReturnType<typeof generateSpecs>>['paths']>

/** Whatever takes a query refuses one that is wrong. */
function withQueryErrors(paths: Paths): Paths {
  for (const methods of Object.values(paths))
    for (const operation of [methods?.get, methods?.post])
      if (operation?.parameters?.some(parameter => 'in' in parameter && parameter.in === 'query'))
        operation.responses = { 422: refusal, ...operation.responses }
  return paths
}

/** A read that has a guard has an ETag too, and is answered 304 to who knows it. */
function withUnchanged(paths: Paths): Paths {
  for (const methods of Object.values(paths)) {
    const operation = methods?.get
    if (operation === undefined || !('x-permission' in operation) || !operation.responses?.[200]) continue
    operation.responses = { ...operation.responses, 304: { description: 'As the ETag in `If-None-Match` knows it' } }
    operation.parameters = [...(operation.parameters ?? []), ifNoneMatch]
  }
  return paths
}

const ifNoneMatch = {
  in: 'header',
  name: 'If-None-Match',
  required: false,
  description: 'The ETag of what is known already',
  schema: { type: 'string' as const },
}

type Operation = { readonly responses?: object }

function withAllHeaders(paths: Readonly<Record<string, object | undefined>>): JsonSchema {
  const each = Object.entries(paths).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods ?? {}).map(([method, operation]) => [method, withOwnHeaders(path, method, operation)]),
    ),
  ])
  return Object.fromEntries(each)
}

function withOwnHeaders(path: string, method: string, operation: Operation): object {
  const kind = { isApi: path.startsWith('/api/'), isGuarded: 'x-permission' in operation, isRead: method === 'get' }
  return { ...operation, responses: withHeaders({ ...operation.responses }, kind) }
}

const refusal = {
  description: errorCatalogue.invalid.title,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** What every role answers, beside the API. */
function operationPaths(): Record<string, object> {
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Health' } } }
  const healthGet = (operationId: string) => ({
    get: {
      tags: ['Operation'],
      operationId,
      summary: 'Whether everything works',
      responses: {
        200: { description: 'It does', content },
        503: { description: 'A store that is set cannot be reached', content },
      },
    },
  })
  const page = (operationId: string, summary: string, type: string, schema: JsonSchema) => ({
    get: {
      tags: ['Operation'],
      operationId,
      summary,
      responses: { 200: { description: 'Done', content: { [type]: { schema } } } },
    },
  })
  return {
    '/health': healthGet('getHealth'),
    '/api/health': healthGet('getApiHealth'),
    '/metrics': page('getMetrics', 'Figures for Prometheus', 'text/plain', { type: 'string' }),
    '/openapi.json': page('getOpenApi', 'This document', 'application/json', { type: 'object' }),
    '/docs': page('getDocs', 'This document, for people', 'text/html', { type: 'string' }),
  }
}
