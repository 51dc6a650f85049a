import { firstId } from '../lib/ids.ts'
import { storableJson } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import { type DeliveryError, failWaitingDeliveries } from './webhook-deliveries.ts'

// How deliveries are taken by whoever makes them, and what becomes of them and of their webhook.

/** Tenants that one claim looks at; the next goes on with those after them. */
const tenantsMax = 64

const findTenants = statement({
  name: 'delivery_tenants',
  params: ['after_tenant', 'limit'],
  row: { tenant_id: 'uuid' },
  sql: `with recursive tenant as (
      (select tenant_id, 1 as n from webhook_deliveries
        where state = 'queued' and tenant_id > $1 order by tenant_id limit 1)
      union all
      select (select d.tenant_id from webhook_deliveries d where d.state = 'queued' and d.tenant_id > t.tenant_id
        order by d.tenant_id limit 1), t.n + 1
      from tenant t where t.tenant_id is not null and t.n < $2
    )
    select tenant_id from tenant where tenant_id is not null`,
})

const claimedRow = {
  tenant_id: 'uuid',
  webhook_id: 'uuid',
  id: 'uuid',
  event_id: 'uuid',
  payload: 'text',
  attempts: 'int4',
  url: 'text',
  active: 'bool',
  sealed: 'bytea',
  previous_sealed: nullable('bytea'),
} as const

/** A delivery that is to be made now. `attempts` counts this try. */
export type ClaimedDelivery = RowOf<typeof claimedRow>

// One of every tenant after the other, and within a tenant one of every webhook; of a tenant no more than it has places,
// of a webhook neither. Whose address is slow waits for itself.
const claim = statement({
  name: 'delivery_claim',
  params: ['tenant_ids', 'per_tenant_max', 'per_webhook_max', 'limit', 'lease_ms'],
  row: claimedRow,
  sql: `with due as (
      select t.tenant_id, q.id, b.busy,
        row_number() over (partition by t.tenant_id order by q.place, q.due_at, q.id) as place
      from unnest($1::uuid[]) as t (tenant_id)
      cross join lateral (
        select count(*) as busy from (
          select from webhook_deliveries where tenant_id = t.tenant_id and state = 'sending' limit $2) s) b
      cross join lateral (select id from webhooks where tenant_id = t.tenant_id offset 0) w
      cross join lateral (
        select count(*) as busy from (
          select from webhook_deliveries
          where tenant_id = t.tenant_id and webhook_id = w.id and state = 'sending' limit $3) s) wb
      cross join lateral (
        select id, due_at, row_number() over (order by due_at, id) as place from (
          select id, due_at from webhook_deliveries
          where tenant_id = t.tenant_id and webhook_id = w.id and state = 'queued' and due_at <= now()
          order by due_at, id limit $3) d) q
      where q.place <= $3 - wb.busy
    ), locked as materialized (
      select d.id from (select * from due where place <= $2 - busy order by place, tenant_id limit $4) c
      cross join lateral (
        select id from webhook_deliveries
        where id = c.id and state = 'queued' and due_at <= now() for update skip locked) d
    ), taken as (
      update webhook_deliveries set state = 'sending', attempts = attempts + 1,
        due_at = now() + make_interval(secs => $5::float8 / 1000)
      where id = any (array(select id from locked))
      returning tenant_id, webhook_id, id, event_id, payload, attempts
    )
    select t.*, w.url, w.active, w.sealed, w.previous_sealed from taken t
    cross join lateral (
      select url, active, sealed, case when previous_until > now() then previous_sealed end as previous_sealed
      from webhooks where tenant_id = t.tenant_id and id = t.webhook_id offset 0) w`,
})

/** Goes round the tenants, so that each has its turn however many wait. */
export type DeliveryCursor = { after: string }

export function newDeliveryCursor(): DeliveryCursor {
  return { after: firstId }
}

/**
 * Takes up to `limit` deliveries that are due, and marks them as being made until `leaseMs` from now: whoever made them
 * is taken for dead then. `hasMore`: others may be due.
 */
export async function claimDeliveries(
  tx: Transaction,
  cursor: DeliveryCursor,
  bounds: {
    readonly limit: number
    readonly perTenantMax: number
    readonly perWebhookMax: number
    readonly leaseMs: number
  },
): Promise<{ readonly deliveries: readonly ClaimedDelivery[]; readonly hasMore: boolean }> {
  const tenants = await tx.run(findTenants, { after_tenant: cursor.after, limit: tenantsMax })
  const isRoundOver = tenants.length < tenantsMax
  cursor.after = isRoundOver ? firstId : (tenants.at(-1)?.tenant_id ?? firstId)
  if (tenants.length === 0) return { deliveries: [], hasMore: false }
  const deliveries = await tx.run(claim, {
    tenant_ids: tenants.map(row => row.tenant_id),
    per_tenant_max: bounds.perTenantMax,
    per_webhook_max: bounds.perWebhookMax,
    limit: bounds.limit,
    lease_ms: bounds.leaseMs,
  })
  return { deliveries, hasMore: deliveries.length > 0 || !isRoundOver }
}

const record = statement({
  name: 'delivery_record',
  params: ['ids', 'attempts', 'states', 'wait_ms', 'response_statuses', 'latencies_ms', 'errors'],
  row: { id: 'uuid' },
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::int[], $3::text[], $4::float8[], $5::int[], $6::int[], $7::text[]) as g
        (id, attempts, state, wait_ms, response_status, latency_ms, error)
    )
    update webhook_deliveries d set (state, due_at, response_status, latency_ms, error, ended_at) = (
      select g.state, now() + make_interval(secs => g.wait_ms / 1000), g.response_status, g.latency_ms, g.error::jsonb,
        case when g.state <> 'queued' then now() end
      from given g where g.id = d.id)
    where d.id = any ($1::uuid[]) and d.state = 'sending'
      and d.attempts = (select g.attempts from given g where g.id = d.id)
    returning d.id`,
})

const noteSuccess = statement({
  name: 'webhook_note_success',
  params: ['tenant_ids', 'ids'],
  row: {},
  sql: `update webhooks w set failing_since = null
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    where w.tenant_id = g.tenant_id and w.id = g.id and w.failing_since is not null`,
})

// The time is kept of the first that failed since one was taken.
const noteFailure = statement({
  name: 'webhook_note_failure',
  params: ['tenant_ids', 'ids', 'are_gone', 'patience_ms', 'gone_reason', 'failing_reason', 'are_given_up'],
  row: { tenant_id: 'uuid', id: 'uuid', is_off: 'bool' },
  sql: `with judged as (
      select w.tenant_id, w.id, g.is_gone,
        g.is_given_up and coalesce(w.failing_since < now() - make_interval(secs => $4::float8 / 1000), false) as is_hopeless
      from unnest($1::uuid[], $2::uuid[], $3::bool[], $7::bool[]) as g (tenant_id, id, is_gone, is_given_up)
      join webhooks w on w.tenant_id = g.tenant_id and w.id = g.id
      where w.active
    )
    update webhooks w set failing_since = coalesce(w.failing_since, now()),
      active = not (j.is_gone or j.is_hopeless),
      disabled_reason = case when j.is_gone then $5 when j.is_hopeless then $6 end
    from judged j
    where w.tenant_id = j.tenant_id and w.id = j.id
      and (w.failing_since is null or j.is_gone or j.is_hopeless)
    returning w.tenant_id, w.id, j.is_gone or j.is_hopeless as is_off`,
})

/** How a try of a delivery ended. */
export type DeliveryTried = Pick<ClaimedDelivery, 'tenant_id' | 'webhook_id' | 'id' | 'attempts'> & {
  /** `queued`: it is to be tried again. */
  readonly state: 'queued' | 'delivered' | 'failed'
  readonly waitMs: number
  readonly responseStatus: number | null
  readonly latencyMs: number | null
  readonly error: DeliveryError | null
  /** Whether it says nothing of the webhook: there was no try. */
  readonly isIdle?: boolean
  /** Its receiver wants no more. */
  readonly isGone?: boolean
}

/**
 * Records tries, and what they say of their webhooks: one that has taken nothing for `patienceMs` when a delivery to it is
 * given up, or that is gone, is switched off with a reason, and what waits for it fails. A try that was taken for dead has no say any more. Returns the
 * webhooks that were switched off.
 */
export async function recordDeliveries(
  tx: Transaction,
  tries: readonly DeliveryTried[],
  patienceMs: number,
): Promise<readonly { readonly tenantId: string; readonly id: string }[]> {
  if (tries.length === 0) return []
  const rows = await tx.run(record, {
    ids: tries.map(one => one.id),
    attempts: tries.map(one => one.attempts),
    states: tries.map(one => one.state),
    wait_ms: tries.map(one => one.waitMs),
    response_statuses: tries.map(one => one.responseStatus),
    latencies_ms: tries.map(one => one.latencyMs && Math.round(one.latencyMs)),
    errors: tries.map(({ error }) => error && JSON.stringify(storableJson(error))),
  })
  const recorded = new Set(rows.map(row => row.id))
  return await noteHealth(
    tx,
    tries.filter(one => recorded.has(one.id) && one.isIdle !== true),
    patienceMs,
  )
}

type Health = Pick<DeliveryTried, 'tenant_id' | 'webhook_id'> & {
  readonly isTaken: boolean
  readonly isGone: boolean
  /** Of one delivery there are no more tries. */
  readonly isGivenUp: boolean
}

/**
 * A webhook that took one of several is well. In the order of the ids, so that two batches hardly ever wait for each other;
 * where they do, the keeper of results tries again.
 */
async function noteHealth(tx: Transaction, tries: readonly DeliveryTried[], patienceMs: number) {
  const health = [...Map.groupBy(tries, one => one.webhook_id).values()]
    .flatMap(([first, ...rest]): Health[] => {
      if (first === undefined) return []
      const all = [first, ...rest]
      const isTaken = all.some(one => one.state === 'delivered')
      const isGivenUp = all.some(one => one.state === 'failed')
      return [{ ...first, isTaken, isGivenUp, isGone: all.some(one => one.isGone === true) }]
    })
    .sort((a, b) => (a.webhook_id < b.webhook_id ? -1 : 1))
  const [well, unwell] = [health.filter(one => one.isTaken), health.filter(one => !one.isTaken)]
  if (well.length > 0) await tx.run(noteSuccess, keysOf(well))
  if (unwell.length === 0) return []
  const noted = await tx.run(noteFailure, {
    ...keysOf(unwell),
    are_gone: unwell.map(one => one.isGone),
    are_given_up: unwell.map(one => one.isGivenUp),
    patience_ms: patienceMs,
    gone_reason: 'It answered 410 Gone: whoever is there wants no more.',
    failing_reason: 'Nothing could be delivered to it for days.',
  })
  const off = noted.flatMap(({ tenant_id, id, is_off }) => (is_off ? [{ tenantId: tenant_id, id }] : []))
  await failWaitingDeliveries(tx, off)
  return off
}

function keysOf(health: readonly Health[]) {
  return { tenant_ids: health.map(one => one.tenant_id), ids: health.map(one => one.webhook_id) }
}

const requeueDead = statement({
  name: 'delivery_requeue_dead',
  params: ['limit', 'is_all'],
  row: { id: 'uuid' },
  sql: `update webhook_deliveries set state = 'queued', due_at = now()
    where id = any (array(
      select id from webhook_deliveries where state = 'sending' and ($2 or due_at <= now()) limit $1
      for update skip locked))
    returning id`,
})

/**
 * Has deliveries tried again whose process died while it made them: their receiver may get them twice, and knows them by
 * their id. `isAll`: no other process can be making any. Returns how many.
 */
export async function requeueDeadDeliveries(tx: Transaction, limit: number, isAll: boolean): Promise<number> {
  return (await tx.run(requeueDead, { limit, is_all: isAll })).length
}

const deleteOld = statement({
  name: 'delivery_delete_old',
  params: ['before', 'limit'],
  row: { id: 'uuid' },
  sql: `delete from webhook_deliveries where id = any (array(
      select id from webhook_deliveries where ended_at < $1 order by ended_at limit $2 for update skip locked))
    returning id`,
})

/** Forgets up to `limit` deliveries that ended before a time. Returns how many. */
export async function deleteOldDeliveries(tx: Transaction, before: Date, limit: number): Promise<number> {
  return (await tx.run(deleteOld, { before, limit })).length
}
