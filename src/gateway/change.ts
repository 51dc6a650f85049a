import type { Context } from 'hono'
import { type Origin, recordAudit } from '../identity/audit.ts'
import type { Caller } from '../identity/callers.ts'
import { claimKey, type KeptAnswer, keepAnswer } from '../identity/idempotency.ts'
import type { Resource } from '../identity/permissions.ts'
import { sha256Hex } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { FeedEvent } from '../stores/feed.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { etagOf } from './answers.ts'
import { addressOf } from './limits.ts'
import type { Env } from './options.ts'
import { inTenant, type Parts } from './parts.ts'

/** One thing that a request changed: for the audit log, the caches and the sockets. */
export type Change = {
  /** As in `product.updated`. */
  readonly action: string
  readonly resource: Resource
  readonly id: string | null
  /** As the API shows it, which is without secrets; null where there is nothing. */
  readonly before: object | null
  readonly after: object | null
  readonly events?: readonly FeedEvent[]
}

/** The resources whose answers show each resource, or are searched by what it says. */
const shownBy: Readonly<Partial<Record<Resource, readonly Resource[]>>> = {
  orders: ['orders', 'products'],
  flows: ['flows', 'bots'],
  customers: ['customers', 'conversations', 'orders'],
  sellers: ['sellers', 'users', 'orders', 'conversations'],
}

export type Work<T> = (tx: Transaction, caller: Caller, record: (change: Change) => void) => Promise<T>

/**
 * Runs what changes something in one transaction with its lines in the audit log. Once it is committed, and before this
 * resolves, no answer from before is given to anyone any more, and the sockets are told.
 */
export async function change<T>(parts: Parts, context: Context<Env>, work: Work<T>): Promise<T> {
  let changes: Change[] = []
  const result = await inTenant(parts, context, async (tx, caller) => {
    changes = []
    const made = await work(tx, caller, one => changes.push(one))
    for (const one of changes) await recordAudit(tx, parts.ids, caller, { ...one, ...originOf(parts, context) })
    return made
  })
  await parts.feed.announce(context.get('caller').tenantId, {
    changed: [...new Set(changes.flatMap(({ resource }) => shownBy[resource] ?? [resource]))],
    events: changes.flatMap(one => one.events ?? []),
  })
  return result
}

/**
 * The same, answered: with what `work` returns as JSON, or with nothing where the status is 204. A request that has an
 * `Idempotency-Key` and was done before gets the answer that it got then.
 */
export async function answerChange(
  parts: Parts,
  context: Context<Env>,
  status: 200 | 201 | 202 | 204,
  work: Work<object | null>,
  /** `isSecret`: shows something that is never shown again, so that its ETag is of no use. */
  { isSecret = false } = {},
): Promise<Response> {
  const asked = askedBefore(context)
  const answer = await change(parts, context, async (tx, caller, record) => {
    const before = asked && (await claim(tx, parts, caller, asked))
    if (before) return before
    const made = await work(tx, caller, record)
    const answer: KeptAnswer = { status, body: made === null ? null : JSON.stringify(made) }
    if (asked)
      await keepAnswer(tx, parts.sealer, { tenantId: caller.tenantId, callerId: caller.id, key: asked.key }, answer)
    return answer
  })
  return respond(answer, !isSecret)
}

type Asked = { readonly key: string; readonly requestHash: string }

function askedBefore(context: Context<Env>): Asked | null {
  const key = context.get('idempotencyKey')
  if (key === undefined) return null
  const { method, path } = context.req
  return { key, requestHash: sha256Hex(`${method} ${path} ${canonical(context.get('given') ?? null)}`) }
}

/** JSON with the keys of its objects in order: the same body however it was written. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

async function claim(
  tx: Transaction,
  { clock, sealer }: Parts,
  caller: Caller,
  asked: Asked,
): Promise<KeptAnswer | null> {
  const claimed = await claimKey(tx, sealer, {
    tenantId: caller.tenantId,
    callerId: caller.id,
    ...asked,
    now: new Date(clock.now()),
  })
  if (claimed.kind === 'new') return null
  if (claimed.kind === 'done') return claimed.answer
  throw new AppError('idempotency_key_reused', 'Send a new key with a new request.')
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
