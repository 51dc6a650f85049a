import * as v from 'valibot'
import type { ActionResult } from '../flow/continue-run.ts'
import { firstId, type Ids } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { type RowOf, statement } from '../stores/postgres/statement.ts'
import { botOf } from './inbox.ts'
import type { ConversationKey } from './save-turns.ts'

// Calls of the outside: a turn queues them, the orchestrator makes them, their results come back as mail.

/** Tenants that one claim looks at; the next goes on with those after them. */
const tenantsMax = 64

/** A call that a turn makes; `id` is the Idempotency-Key of every try, `callId` what the conversation knows it by. */
export type NewCall = ConversationKey & {
  readonly id: string
  readonly callId: string
  readonly handler: string
  /** As the action has prepared it. */
  readonly request: Json
}

const insertCalls = statement({
  name: 'call_queue',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'call_ids', 'handlers', 'requests'],
  row: {},
  sql: `insert into calls (tenant_id, conversation_id, id, call_id, handler, request)
    select tenant_id, conversation_id, id, call_id, handler, request::jsonb
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[]) as g
      (tenant_id, conversation_id, id, call_id, handler, request)`,
})

/** Queues calls, in the transaction of the turns that make them. Publish `calls` on the bus once it is committed. */
export async function enqueueCalls(tx: Transaction, calls: readonly NewCall[]): Promise<void> {
  if (calls.length === 0) return
  await tx.run(insertCalls, {
    tenant_ids: calls.map(call => call.tenantId),
    conversation_ids: calls.map(call => call.conversationId),
    ids: calls.map(call => call.id),
    call_ids: calls.map(call => call.callId),
    handlers: calls.map(call => call.handler),
    requests: calls.map(call => JSON.stringify(storableJson(call.request))),
  })
}

const findTenants = statement({
  name: 'call_tenants',
  params: ['after_tenant', 'limit'],
  row: { tenant_id: 'uuid' },
  sql: `with recursive tenant as (
      (select tenant_id, 1 as n from calls where state = 'queued' and tenant_id > $1 order by tenant_id limit 1)
      union all
      select (select c.tenant_id from calls c where c.state = 'queued' and c.tenant_id > t.tenant_id
        order by c.tenant_id limit 1), t.n + 1
      from tenant t where t.tenant_id is not null and t.n < $2
    )
    select tenant_id from tenant where tenant_id is not null`,
})

const claimedRow = {
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  id: 'uuid',
  call_id: 'text',
  handler: 'text',
  request: 'jsonb',
  attempts: 'int4',
  elapsed_ms: 'float8',
} as const

/** A call that is to be made now. `attempts` counts this try; `elapsed_ms` is how long ago the first one began. */
export type ClaimedCall = RowOf<typeof claimedRow>

// One of every tenant after the other, and of each no more than it has places: whose address is slow waits for itself.
// What another process looks at is passed over.
const claim = statement({
  name: 'call_claim',
  params: ['tenant_ids', 'per_tenant_max', 'limit', 'lease_ms'],
  row: claimedRow,
  sql: `with waiting as (
      select q.id, q.place, t.tenant_id
      from unnest($1::uuid[]) as t (tenant_id)
      cross join lateral (
        select count(*) as busy from (
          select from calls where tenant_id = t.tenant_id and state = 'running' limit $2) r) b
      cross join lateral (
        select id, row_number() over (order by due_at, id) as place from (
          select id, due_at from calls
          where tenant_id = t.tenant_id and state = 'queued' and due_at <= now()
          order by due_at, id limit $2) d) q
      where q.place <= $2 - b.busy
      order by q.place, t.tenant_id limit $3
    ), locked as materialized (
      select c.id from waiting w
      cross join lateral (
        select id from calls where id = w.id and state = 'queued' and due_at <= now() for update skip locked) c
    )
    update calls set state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
      due_at = now() + make_interval(secs => $4::float8 / 1000)
    where id = any (array(select id from locked))
    returning tenant_id, conversation_id, id, call_id, handler, request, attempts,
      extract(epoch from now() - started_at)::float8 * 1000 as elapsed_ms`,
})

/** Goes round the tenants, so that each has its turn however many wait. */
export type CallCursor = { after: string }

export function newCallCursor(): CallCursor {
  return { after: firstId }
}

/**
 * Takes up to `limit` calls that are due, and marks them as being made until `leaseMs` from now: whoever made them is
 * taken for dead then. `hasMore`: others may be due.
 */
export async function claimCalls(
  tx: Transaction,
  cursor: CallCursor,
  { limit, perTenantMax, leaseMs }: { readonly limit: number; readonly perTenantMax: number; readonly leaseMs: number },
): Promise<{ readonly calls: readonly ClaimedCall[]; readonly hasMore: boolean }> {
  const tenants = await tx.run(findTenants, { after_tenant: cursor.after, limit: tenantsMax })
  const isRoundOver = tenants.length < tenantsMax
  cursor.after = isRoundOver ? firstId : (tenants.at(-1)?.tenant_id ?? firstId)
  if (tenants.length === 0) return { calls: [], hasMore: false }
  const tenant_ids = tenants.map(row => row.tenant_id)
  const calls = await tx.run(claim, { tenant_ids, per_tenant_max: perTenantMax, limit, lease_ms: leaseMs })
  return { calls, hasMore: calls.length > 0 || !isRoundOver }
}

const endRows = statement({
  name: 'call_end',
  params: ['ids', 'attempts', 'mail_ids', 'results'],
  row: { id: 'uuid' },
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[]) as g (id, attempts, mail_id, result)
    ), gone as (
      delete from calls c
      where c.id = any ($1::uuid[]) and c.state = 'running'
        and c.attempts = (select g.attempts from given g where g.id = c.id)
      returning c.tenant_id, c.conversation_id, c.id, c.call_id
    )
    insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select o.tenant_id, o.conversation_id, g.mail_id, 'result',
      jsonb_build_object('call_id', o.call_id, 'result', g.result::jsonb), ${botOf('o.tenant_id', 'o.conversation_id')}
    from gone o join given g on g.id = o.id
    returning id`,
})

/** How a try ended, for good. */
export type CallEnd = Pick<ClaimedCall, 'id' | 'attempts'> & { readonly result: ActionResult }

/**
 * Ends calls, and puts their results into their conversations' mail. A try that was taken for dead has no say any more.
 * Returns how many were ended; publish `inbox` on the bus once it is committed.
 */
export async function endCalls(tx: Transaction, ids: Ids, ends: readonly CallEnd[]): Promise<number> {
  if (ends.length === 0) return 0
  const rows = await tx.run(endRows, {
    ids: ends.map(end => end.id),
    attempts: ends.map(end => end.attempts),
    mail_ids: ends.map(() => ids.next()),
    results: ends.map(({ result }) => JSON.stringify(storableJson(result))),
  })
  return rows.length
}

const anyJson = v.custom<Json>(() => true)

/** What is in the mail of a call that has ended. */
export const callResultBody = v.object({
  call_id: v.string(),
  result: v.variant('ok', [
    v.object({ ok: v.literal(true), value: anyJson }),
    v.object({ ok: v.literal(false), code: v.string(), message: v.string(), data: v.exactOptional(anyJson) }),
  ]),
})

const requeueRows = statement({
  name: 'call_requeue',
  params: ['ids', 'attempts', 'wait_ms'],
  row: {},
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::int[], $3::float8[]) as g (id, attempts, wait_ms))
    update calls c set state = 'queued',
      due_at = now() + make_interval(secs => (select g.wait_ms from given g where g.id = c.id) / 1000)
    where c.id = any ($1::uuid[]) and c.state = 'running'
      and c.attempts = (select g.attempts from given g where g.id = c.id)`,
})

/** A try after which there is to be another. */
export type CallAgain = Pick<ClaimedCall, 'id' | 'attempts'> & { readonly waitMs: number }

/** Has calls made again, later. */
export async function requeueCalls(tx: Transaction, again: readonly CallAgain[]): Promise<void> {
  if (again.length === 0) return
  await tx.run(requeueRows, {
    ids: again.map(one => one.id),
    attempts: again.map(one => one.attempts),
    wait_ms: again.map(one => one.waitMs),
  })
}

const findDead = statement({
  name: 'call_find_dead',
  params: ['limit', 'is_all'],
  row: { id: 'uuid', attempts: 'int4', handler: 'text', request: 'jsonb' },
  sql: `select id, attempts, handler, request from calls
    where state = 'running' and ($2 or due_at <= now()) limit $1 for update skip locked`,
})

export type DeadCall = Pick<ClaimedCall, 'id' | 'attempts' | 'handler' | 'request'>

/**
 * Calls whose process died while it made them: nobody knows whether they were taken. Locked until the transaction ends.
 * `isAll`: no other process can be making any, so that all there are were left over.
 */
export async function findDeadCalls(tx: Transaction, limit: number, isAll: boolean): Promise<readonly DeadCall[]> {
  return await tx.run(findDead, { limit, is_all: isAll })
}
