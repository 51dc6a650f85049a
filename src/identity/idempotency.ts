import type { Sealer } from '../lib/crypto.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

/** What a key looks like: visible ASCII characters. */
export const idempotencyKeyShape = /^[\x21-\x7e]{1,255}$/
/** How long a key is remembered. */
export const idempotencyMs = 86_400_000

/** What a request was answered. */
export type KeptAnswer = { readonly status: number; readonly body: string | null }

/** Whose key it is: each caller has their own. */
type Owned = { readonly tenantId: string; readonly callerId: string; readonly key: string }

// A row that is as old as keys are remembered counts as none: it is taken over.
const insertKey = statement({
  name: 'idempotency_claim',
  params: ['tenant_id', 'caller_id', 'key', 'request_hash', 'now', 'forgotten_before'],
  row: { key: 'text' },
  sql: `insert into idempotency_keys as k (tenant_id, caller_id, key, request_hash, created_at) values ($1, $2, $3, $4, $5)
    on conflict (tenant_id, caller_id, key) do update
      set request_hash = $4, created_at = $5, status = null, answer = null where k.created_at < $6
    returning k.key`,
})

const selectKey = statement({
  name: 'idempotency_find',
  params: ['tenant_id', 'caller_id', 'key'],
  row: { request_hash: 'text', status: nullable('int4'), answer: nullable('bytea') },
  sql: 'select request_hash, status, answer from idempotency_keys where tenant_id = $1 and caller_id = $2 and key = $3',
})

const updateKey = statement({
  name: 'idempotency_keep',
  params: ['tenant_id', 'caller_id', 'key', 'status', 'answer'],
  row: {},
  sql: `update idempotency_keys set status = $4, answer = $5 where tenant_id = $1 and caller_id = $2 and key = $3`,
})

// The age is asked for again: one that was claimed anew meanwhile stays.
const deleteOld = statement({
  name: 'idempotency_forget',
  params: ['before', 'limit'],
  row: { key: 'text' },
  sql: `delete from idempotency_keys where (tenant_id, caller_id, key) in (
      select tenant_id, caller_id, key from idempotency_keys where created_at < $1 order by created_at limit $2)
      and created_at < $1
    returning key`,
})

/** What came of claiming a key: `done` has the answer of then, `reused` was another request. */
export type Claimed =
  | { readonly kind: 'new' }
  | { readonly kind: 'done'; readonly answer: KeptAnswer }
  | { readonly kind: 'reused' }

/**
 * Claims a key in the transaction that does the work. The same key at the same moment waits here until that work is
 * committed, and gets its answer; where it was rolled back, the key is new again.
 */
export async function claimKey(
  tx: Transaction,
  sealer: Sealer,
  asked: Owned & { readonly requestHash: string; readonly now: Date },
): Promise<Claimed> {
  const { tenantId, callerId, key, requestHash, now } = asked
  const owned = { tenant_id: tenantId, caller_id: callerId, key }
  const forgottenBefore = new Date(now.getTime() - idempotencyMs)
  const inserted = await tx.run(insertKey, {
    ...owned,
    request_hash: requestHash,
    now,
    forgotten_before: forgottenBefore,
  })
  if (inserted.length > 0) return { kind: 'new' }
  const [found] = await tx.run(selectKey, owned)
  if (found === undefined || found.status === null || found.request_hash !== requestHash) return { kind: 'reused' }
  const body = found.answer === null ? null : openAnswer(sealer, { ...asked, answer: found.answer })
  return { kind: 'done', answer: { status: found.status, body } }
}

/** Keeps the answer, sealed: it may show a secret that is shown only once. */
export async function keepAnswer(tx: Transaction, sealer: Sealer, owned: Owned, answer: KeptAnswer): Promise<void> {
  const { tenantId, callerId, key } = owned
  const sealed = answer.body === null ? null : sealer.seal(answer.body, contextOf(owned))
  await tx.run(updateKey, { tenant_id: tenantId, caller_id: callerId, key, status: answer.status, answer: sealed })
}

/** What `keepAnswer` has sealed. */
export function openAnswer(sealer: Sealer, kept: Owned & { readonly answer: Uint8Array }): string {
  return sealer.open(kept.answer, contextOf(kept))
}

/** Deletes keys that are not remembered any more, of all tenants, at most `limit` at once: how many it were. */
export async function forgetKeys(tx: Transaction, now: Date, limit: number): Promise<number> {
  return (await tx.run(deleteOld, { before: new Date(now.getTime() - idempotencyMs), limit })).length
}

function contextOf({ tenantId, callerId, key }: Owned): string {
  return `idempotency:${tenantId}:${callerId}:${key}`
}
