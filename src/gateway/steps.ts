import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { uniqueSymbol } from 'hono-openapi'
import type * as v from 'valibot'
import { isBoundedJson } from '../flow/json.ts'
import { JSON_DEPTH_MAX } from '../flow/limits.ts'
import { type Caller, refuseWithout } from '../identity/callers.ts'
import { idempotencyKeyShape } from '../identity/idempotency.ts'
import type { Permission } from '../identity/permissions.ts'
import { checkFields, fieldErrorsMax, invalid } from '../lib/check-fields.ts'
import { AppError, type ErrorCode, errorCatalogue } from '../lib/errors.ts'
import { readJson } from '../lib/http.ts'
import { isUuid } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import { answerKeyOf, etagOf } from './answers.ts'
import { documented } from './json-schema.ts'
import type { Env } from './options.ts'
import type { Parts } from './parts.ts'
import { problemSchema } from './schemas.ts'

// A route is a list of steps, each of which also says what it adds to the API document.

const bodyBytesMax = 1024 * 1024

type Responses = Record<string, { description: string; content?: Record<string, unknown> }>

/** What a route does, and how it answers. */
export function describe(route: {
  /** What a client that is made from the document calls it. */
  readonly id: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly answers: Readonly<Record<number, v.GenericSchema | null>>
  /** What its handler can throw; the steps add theirs. */
  readonly errors?: readonly ErrorCode[]
}): MiddlewareHandler {
  const answers: Responses = {}
  for (const [status, schema] of Object.entries(route.answers))
    answers[status] =
      schema === null
        ? { description: 'Done' }
        : { description: 'Done', content: { 'application/json': { schema: documented(schema, 'output') } } }
  const { id, tag, summary, description } = route
  return step((_context, next) => next(), {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    responses: { ...answers, ...problems(...(route.errors ?? []), 'unexpected', 'database_unavailable') },
  })
}

const securitySchemes = [{ access_token: [] }, { api_key: [] }]

/**
 * Lets through whoever has the permission, within the tenant's rate limit; `me` is anyone who is logged in. What reads
 * is answered from the cache where it can be, and with an ETag; `isFresh` keeps an answer out of the cache. `isFile`: what is
 * answered is no JSON of ours, whatever its type says, and has its own headers.
 */
export function makeGuard(parts: Parts) {
  return (permission: Permission | 'me', { isFresh = false, isFile = false } = {}): MiddlewareHandler<Env> =>
    step(
      async (context: Context<Env>, next) => {
        const caller = await callerOf(parts, context)
        const isKept = context.req.method === 'GET' && !isFresh && !isFile && permission !== 'me'
        const key = isKept ? answerKeyOf(context, caller, permission) : null
        const admission = await parts.limits.admit(context, caller, key)
        if (permission !== 'me') refuseWithout(caller, permission)
        context.set('caller', caller)
        // What is answered from the cache was looked at when it was kept.
        if (admission.answer === null) refuseUnknownQuery(context)
        if (context.req.method !== 'GET' || isFile) return await next()
        return await parts.reader.answer(context, { key, admission }, next)
      },
      {
        security: securitySchemes,
        'x-permission': permission,
        responses: problems(
          'unauthenticated',
          ...(permission === 'me' ? [] : ['forbidden' as const]),
          ...['invalid' as const, 'too_many_requests' as const],
        ),
      },
    )
}

async function callerOf({ callers, limits }: Parts, context: Context<Env>): Promise<Caller> {
  const caller = await callers.of(context)
  if (caller !== null) return caller
  await limits.admitStranger(context)
  throw new AppError('unauthenticated', 'The access token or the API key is missing, wrong or expired.')
}

/** What a request can be refused for before anyone is known, for routes without a guard. */
export function open(admit: (context: Context<Env>) => Promise<void>): MiddlewareHandler<Env> {
  return step(
    async (context: Context<Env>, next) => {
      await admit(context)
      await next()
    },
    { responses: problems('too_many_requests') },
  )
}

/**
 * Takes an `Idempotency-Key`: the same request under the same key is done once within a day, and answered the same.
 * The route answers through `answerChange`, which keeps the promise.
 */
export const idempotent: MiddlewareHandler<Env> = step(
  async (context: Context<Env>, next) => {
    const key = context.req.header('idempotency-key')
    if (key !== undefined && !idempotencyKeyShape.test(key))
      throw invalid([{ path: 'Idempotency-Key', message: 'Must have 1 to 255 visible ASCII characters' }])
    if (key !== undefined) context.set('idempotencyKey', key)
    await next()
  },
  {
    parameters: [
      headerParameter('Idempotency-Key', 'Sent again with the same body within a day, the request is not done again', {
        type: 'string',
        pattern: idempotencyKeyShape.source.replaceAll('\\x21-\\x7e', '!-~'),
      }),
    ],
    responses: problems('idempotency_key_reused', 'conflict'),
  },
)

/** Takes an `If-Match` with the ETag of what is to be changed; the route holds it against what there is by `mustMatch`. */
export const conditional: MiddlewareHandler<Env> = step((_context, next) => next(), {
  parameters: [
    headerParameter('If-Match', 'The ETag of what is to be changed: refused where it was changed since', {
      type: 'string',
    }),
  ],
  responses: problems('precondition_failed'),
})

function headerParameter(name: string, description: string, schema: Record<string, unknown>) {
  return { in: 'header', name, required: false, description, schema }
}

/** Refuses a change of what is not (any more) as `If-Match` says. `current` is what reading it would answer. */
export function mustMatch(context: Context<Env>, current: object): void {
  const wanted = context.req.header('if-match')
  if (wanted === undefined || wanted.trim() === '*') return
  const etag = etagOf(JSON.stringify(current))
  if (wanted.split(',').some(part => part.trim() === etag)) return
  throw new AppError('precondition_failed', 'Read it again, and change what it is now.')
}

type ObjectSchema = v.GenericSchema<object>

type Checked<TTarget extends 'json' | 'query', TSchema extends ObjectSchema> = MiddlewareHandler<
  Env,
  string,
  { in: { [K in TTarget]: v.InferInput<TSchema> }; out: { [K in TTarget]: v.InferOutput<TSchema> } }
>

/** Reads the JSON body, of 1 MB at most, and checks it: `context.req.valid('json')`. */
export function body<TSchema extends ObjectSchema>(
  schema: TSchema,
  options: { readonly mayBeEmpty?: boolean } = {},
): Checked<'json', TSchema> {
  const isRequired = options.mayBeEmpty !== true
  return step(
    async (context: Context<Env>, next) => {
      refuseUnknownQuery(context)
      const given = isRequired || hasBody(context.req.raw) ? await readStorable(context.req.raw) : {}
      context.set('given', given)
      context.req.addValidatedData('json', checkFields(schema, given))
      await next()
    },
    {
      requestBody: { required: isRequired, content: { 'application/json': { schema: documented(schema, 'input') } } },
      responses: problems('not_json', 'too_large', 'unsupported_media_type', 'invalid'),
    },
  )
}

/** Checks the query: `context.req.valid('query')`. */
export function query<TSchema extends ObjectSchema>(schema: TSchema): Checked<'query', TSchema> {
  const middleware: MiddlewareHandler<Env> = async (context, next) => {
    context.req.addValidatedData('query', checkFields(schema, storableJson(context.req.query())))
    await next()
  }
  return Object.assign(middleware, { [uniqueSymbol]: { target: 'query', ...documented(schema, 'input') } })
}

/** Refuses a query where the route takes none. */
function refuseUnknownQuery(context: Context<Env>): void {
  if (!context.req.url.includes('?') || matchedRoutes(context).some(({ handler }) => takesQuery(handler))) return
  const names = Object.keys(context.req.query()).slice(0, fieldErrorsMax)
  if (names.length > 0) throw invalid(names.map(path => ({ path, message: 'Is not known here' })))
}

function takesQuery(handler: object): boolean {
  const added: unknown = Reflect.get(handler, uniqueSymbol)
  return typeof added === 'object' && added !== null && Reflect.get(added, 'target') === 'query'
}

/** A step, with what it adds to the API document. */
export function step(middleware: MiddlewareHandler<Env>, spec: Record<string, unknown>): MiddlewareHandler<Env> {
  return Object.assign(middleware, { [uniqueSymbol]: { spec } })
}

/** The answers for errors, one a status. */
export function problems(...codes: readonly ErrorCode[]): Responses {
  const responses: Responses = {}
  for (const code of codes) {
    const { status, title } = errorCatalogue[code]
    responses[status] = {
      description: title,
      content: { 'application/problem+json': { schema: documented(problemSchema, 'output') } },
    }
  }
  return responses
}

function hasBody(request: Request): boolean {
  const length = request.headers.get('content-length')
  return length === null ? request.body !== null : length !== '0'
}

/** What PostgreSQL cannot store is replaced at the door, so that no text can break a statement later. */
async function readStorable(request: Request): Promise<Json> {
  const given = await readJson(request, bodyBytesMax)
  // A list would pass for an object of which every field may be left out.
  if (Array.isArray(given)) throw invalid([{ path: '', message: 'Must be an object' }])
  if (!isBoundedJson(given, Number.POSITIVE_INFINITY))
    throw new AppError(
      'not_json',
      `The body is nested deeper than ${JSON_DEPTH_MAX}, or has a number or a name that is refused.`,
    )
  return storableJson(given)
}

/** The `:id` of the route. What is no id names nothing: `not_found`. */
export function idOf(context: Context): string {
  const id = context.req.param('id') ?? ''
  if (!isUuid(id)) throw notFound('resource')
  return id
}

/** Also for what is another tenant's. */
export function notFound(what: string): AppError {
  return new AppError('not_found', `There is no such ${what}.`)
}

/** The value, or `not_found` where there is none. */
export function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw notFound(what)
  return value
}
