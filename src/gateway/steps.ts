import type { Context, MiddlewareHandler } from 'hono'
import { uniqueSymbol } from 'hono-openapi'
import * as v from 'valibot'
import { isBoundedJson } from '../flow/json.ts'
import { JSON_DEPTH_MAX } from '../flow/limits.ts'
import { verifyAccessToken } from '../identity/access-token.ts'
import { isAllowed, type Permission } from '../identity/permissions.ts'
import { AppError, type ErrorCode, errorCatalogue, type FieldError } from '../lib/errors.ts'
import { readJson } from '../lib/http.ts'
import { isUuid } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import { documented } from './json-schema.ts'
import type { Env, Parts } from './parts.ts'
import { problemSchema } from './schemas.ts'

// A route is a list of steps, each of which also says what it adds to the API document.

const bodyBytesMax = 1024 * 1024
const fieldErrorsMax = 50

type Responses = Record<string, { description: string; content?: Record<string, unknown> }>

/** What a route does, and how it answers. */
export function describe(route: {
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
  const { tag, summary, description } = route
  return step((_context, next) => next(), {
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    responses: { ...answers, ...problems(...(route.errors ?? []), 'unexpected', 'database_unavailable') },
  })
}

/** Lets through whoever has the permission; `me` is anyone who is logged in. */
export function makeGuard({ config, clock }: Pick<Parts, 'config' | 'clock'>) {
  return (permission: Permission | 'me'): MiddlewareHandler<Env> => {
    const errors: ErrorCode[] = permission === 'me' ? ['unauthenticated'] : ['unauthenticated', 'forbidden']
    return step(
      async (context: Context<Env>, next) => {
        const token = /^Bearer ([\w.-]+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
        const identity = token === undefined ? null : verifyAccessToken(token, config.JWT_SECRET, clock.now())
        if (identity === null) throw new AppError('unauthenticated', 'The access token is missing, wrong or expired.')
        if (permission !== 'me' && !isAllowed(identity.role, permission))
          throw new AppError('forbidden', `The role ${identity.role} does not include ${permission}.`)
        context.set('identity', identity)
        await next()
      },
      { security: [{ access_token: [] }], responses: problems(...errors) },
    )
  }
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
      const given = isRequired || hasBody(context.req.raw) ? await readStorable(context.req.raw) : {}
      context.req.addValidatedData('json', check(schema, given))
      await next()
    },
    {
      requestBody: { required: isRequired, content: { 'application/json': { schema: documented(schema, 'input') } } },
      responses: problems('not_json', 'too_large', 'unsupported_media_type', 'invalid'),
    },
  )
}

/** Checks the query: `context.req.valid('query')`. Parameters that are not in the schema have no effect. */
export function query<TSchema extends ObjectSchema>(schema: TSchema): Checked<'query', TSchema> {
  const middleware: MiddlewareHandler<Env> = async (context, next) => {
    context.req.addValidatedData('query', check(schema, context.req.query()))
    await next()
  }
  return Object.assign(middleware, { [uniqueSymbol]: { target: 'query', ...documented(schema, 'input') } })
}

function step(middleware: MiddlewareHandler<Env>, spec: Record<string, unknown>): MiddlewareHandler<Env> {
  return Object.assign(middleware, { [uniqueSymbol]: { spec } })
}

/** The answers for errors, one a status. */
function problems(...codes: readonly ErrorCode[]): Responses {
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
  if (!isBoundedJson(given, Number.POSITIVE_INFINITY))
    throw new AppError(
      'not_json',
      `The body is nested deeper than ${JSON_DEPTH_MAX}, or has a number or a name that is refused.`,
    )
  return storableJson(given)
}

/** The data as the schema gives it. Throws `invalid` with every field that is wrong, each once. */
function check<TSchema extends ObjectSchema>(schema: TSchema, data: unknown): v.InferOutput<TSchema> {
  const parsed = v.safeParse(schema, data)
  if (parsed.success) return parsed.output
  const first = new Map(
    parsed.issues
      .map(fieldError)
      .reverse()
      .map(error => [error.path, error]),
  )
  throw invalid([...first.values()].reverse().slice(0, fieldErrorsMax))
}

/** The error for fields that are wrong. */
export function invalid(errors: readonly FieldError[]): AppError {
  const paths = [...new Set(errors.map(error => error.path).filter(path => path !== ''))]
  const detail = paths.length === 0 ? 'The body is not valid.' : `Not valid: ${paths.slice(0, 5).join(', ')}.`
  return new AppError('invalid', detail, errors)
}

/** Says what is expected, never what was given: it may be a secret. */
function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path = v.getDotPath(issue) ?? ''
  if (issue.expected === 'never') return { path, message: 'Is not known here' }
  if (issue.kind === 'schema' && issue.input === undefined) return { path, message: 'Is missing' }
  if (issue.message.startsWith('Invalid')) return { path, message: `Must be ${issue.expected ?? 'something else'}` }
  return { path, message: issue.message }
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
