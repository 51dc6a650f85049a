import type { Clock } from '../lib/clock.ts'
import { type Sealer, sha256Hex } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { Ids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import type { Feed, FeedEvent } from '../stores/feed.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { inTenant } from '../stores/postgres/in-tenant.ts'
import { type Origin, recordAudit } from './audit.ts'
import type { Caller } from './callers.ts'
import { claimKey, type KeptAnswer, keepAnswer } from './idempotency.ts'
import type { Resource } from './permissions.ts'

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

export type Recorder = (change: Change) => void
export type Work<T> = (tx: Transaction, caller: Caller, record: Recorder) => Promise<T>

export type ChangeOptions = {
  readonly database: Database
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly sealer: Sealer
}

/** Who asks, and from where. */
export type Asker = { readonly caller: Caller; readonly origin: Origin }

/**
 * Runs what changes something in one transaction with its lines in the audit log. Once it is committed, and before this
 * resolves, no answer from before is given to anyone any more, and the sockets are told.
 */
export async function change<T>(options: ChangeOptions, { caller, origin }: Asker, work: Work<T>): Promise<T> {
  let changes: Change[] = []
  const result = await inTenant(options.database, caller.tenantId, async tx => {
    changes = []
    const made = await work(tx, caller, one => changes.push(one))
    for (const one of changes) await recordAudit(tx, options.ids, caller, { ...one, ...origin })
    return made
  })
  await options.feed.announce(caller.tenantId, {
    changed: [...new Set(changes.flatMap(({ resource }) => shownBy[resource] ?? [resource]))],
    events: changes.flatMap(one => one.events ?? []),
  })
  return result
}

/** A request under an idempotency key. */
export type Keyed = { readonly key: string; readonly requestHash: string }

/** `given` is its body: the same however its fields are ordered. */
export function keyed(key: string, request: { method: string; path: string; given: Json }): Keyed {
  const { method, path, given } = request
  return { key, requestHash: sha256Hex(`${method} ${path} ${canonical(given)}`) }
}

/** JSON with the keys of its objects in order: the same body however it was written. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/**
 * The same, answered with what `work` returns. What was done before under the same key is not done again: it gets the
 * answer of then. Throws `idempotency_key_reused` where that was another request.
 */
export async function changeOnce(
  options: ChangeOptions,
  asker: Asker,
  asked: Keyed | null,
  answer: { readonly status: number; readonly work: Work<object | null> },
): Promise<KeptAnswer> {
  return await change(options, asker, async (tx, caller, record) => {
    const before = asked && (await claim(tx, options, caller, asked))
    if (before) return before
    const made = await answer.work(tx, caller, record)
    const kept: KeptAnswer = { status: answer.status, body: made === null ? null : JSON.stringify(made) }
    if (asked)
      await keepAnswer(tx, options.sealer, { tenantId: caller.tenantId, callerId: caller.id, key: asked.key }, kept)
    return kept
  })
}

async function claim(
  tx: Transaction,
  { clock, sealer }: ChangeOptions,
  caller: Caller,
  asked: Keyed,
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
