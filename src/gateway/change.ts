import type { Context } from 'hono'
import type { Origin } from '../identity/audit.ts'
import * as identity from '../identity/change.ts'
import type { KeptAnswer } from '../identity/idempotency.ts'
import { etagOf } from './answers.ts'
import { addressOf } from './limits.ts'
import type { Env } from './options.ts'
import type { Parts } from './parts.ts'

/**
 * Runs what changes something in one transaction with its lines in the audit log. Once it is committed, and before this
 * resolves, no answer from before is given to anyone any more, and the sockets are told.
 */
export async function change<T>(parts: Parts, context: Context<Env>, work: identity.Work<T>): Promise<T> {
  return await identity.change(parts, askerOf(parts, context), work)
}

/**
 * The same, answered: with what `work` returns as JSON, or with nothing where the status is 204. A request that has an
 * `Idempotency-Key` and was done before gets the answer that it got then.
 */
export async function answerChange(
  parts: Parts,
  context: Context<Env>,
  status: 200 | 201 | 202 | 204,
  work: identity.Work<object | null>,
  /** `isSecret`: shows something that is never shown again, so that its ETag is of no use. */
  { isSecret = false } = {},
): Promise<Response> {
  const asker = askerOf(parts, context)
  return respond(await identity.changeOnce(parts, asker, askedBefore(context), { status, work }), !isSecret)
}

function askerOf(parts: Parts, context: Context<Env>): identity.Asker {
  return { caller: context.get('caller'), origin: originOf(parts, context) }
}

function askedBefore(context: Context<Env>): identity.Keyed | null {
  const key = context.get('idempotencyKey')
  if (key === undefined) return null
  const { method, path } = context.req
  return identity.keyed(key, { method, path, given: context.get('given') ?? null })
}

/** From where and when a request asks. */
export function originOf(parts: Pick<Parts, 'config' | 'clock'>, context: Context<Env>): Origin {
  return {
    address: addressOf(context, parts),
    userAgent: context.req.header('user-agent')?.slice(0, 300) ?? null,
    requestId: context.get('requestId'),
    at: new Date(parts.clock.now()),
  }
}

function respond({ status, body }: KeptAnswer, hasEtag: boolean): Response {
  if (body === null) return new Response(null, { status })
  const headers = { 'content-type': 'application/json', ...(hasEtag && { etag: etagOf(body) }) }
  return new Response(body, { status, headers })
}
