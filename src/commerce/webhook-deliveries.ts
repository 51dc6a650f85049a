import { type Ids, lastId, timeOf } from '../lib/ids.ts'
import { type Json, storableText } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'

// What is to be told to a tenant's webhooks, and what became of it.

/** Deliveries of one webhook that wait at the same time: beyond, nothing more is taken for it. */
export const waitingMax = 10_000
/** What a tenant's own test tells of. */
export const testEvent = 'webhook.test'

export const deliveryStates = ['queued', 'sending', 'delivered', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** Why a delivery did not succeed, the last time. */
export type DeliveryError = { readonly code: string; readonly message: string }

/** Something that happened, for a tenant's webhooks. */
export type WebhookEvent = {
  readonly tenantId: string
  /** As in `shop.thing`. */
  readonly type: string
  readonly data: Json
  /** Whom it is about. */
  readonly about?: { readonly conversation_id: string; readonly customer_id: string }
}

const findSubscribed = statement({
  name: 'delivery_subscribed',
  params: ['tenant_id', 'event', 'waiting_max'],
  row: { id: 'uuid', is_full: 'bool' },
  sql: `select w.id, q.waiting >= $3 as is_full from webhooks w
    cross join lateral (
      select count(*) as waiting from (
        select from webhook_deliveries d
        where d.tenant_id = w.tenant_id and d.webhook_id = w.id and d.state = 'queued' limit $3) d) q
    where w.tenant_id = $1 and w.active and w.events && array['*', $2::text]`,
})

const insert = statement({
  name: 'delivery_insert',
  params: ['tenant_id', 'webhook_ids', 'ids', 'event_id', 'event', 'payload'],
  row: {},
  sql: `insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload)
    select $1, webhook_id, id, $4, $5, $6 from unnest($2::uuid[], $3::uuid[]) as g (webhook_id, id)`,
})

export type EventQueued =
  | { readonly kind: 'queued'; readonly deliveries: number }
  | { readonly kind: 'too_much_waiting' }

/**
 * Queues an event for every webhook of the tenant that wants it, in the transaction of what happened, which is now. Where
 * one of them has too much waiting already, nothing is queued.
 */
export async function queueEvent(tx: Transaction, ids: Ids, event: WebhookEvent): Promise<EventQueued> {
  const found = await tx.run(findSubscribed, {
    ...{ tenant_id: event.tenantId, event: event.type, waiting_max: waitingMax },
  })
  if (found.some(webhook => webhook.is_full)) return { kind: 'too_much_waiting' }
  await queueFor(
    tx,
    ids,
    event,
    found.map(webhook => webhook.id),
  )
  return { kind: 'queued', deliveries: found.length }
}

/** Queues an event for one webhook, whether it wants it or not. Returns the delivery's id. */
export async function queueTest(tx: Transaction, ids: Ids, tenantId: string, webhookId: string): Promise<string> {
  const [id] = await queueFor(tx, ids, { tenantId, type: testEvent, data: { test: true } }, [webhookId])
  if (id === undefined) throw new Error('A delivery was not queued')
  return id
}

async function queueFor(
  tx: Transaction,
  ids: Ids,
  event: WebhookEvent,
  webhookIds: readonly string[],
): Promise<readonly string[]> {
  if (webhookIds.length === 0) return []
  const event_id = ids.next()
  const deliveryIds = webhookIds.map(() => ids.next())
  await tx.run(insert, {
    ...{ tenant_id: event.tenantId, webhook_ids: webhookIds, ids: deliveryIds },
    ...{ event_id, event: event.type, payload: payloadOf(event, timeOf(event_id)) },
  })
  return deliveryIds
}

/** As Standard Webhooks recommends it: what it is, when it happened, and what there is to say. */
function payloadOf({ type, data, about }: WebhookEvent, at: Date): string {
  return storableText(JSON.stringify({ type, timestamp: at.toISOString(), ...about, data }))
}

const shownColumns = `id, webhook_id, event_id, event, state, attempts, response_status, latency_ms, error,
  case when state = 'queued' then due_at end as next_attempt_at, created_at, ended_at`
const shownRow = {
  id: 'uuid',
  webhook_id: 'uuid',
  event_id: 'uuid',
  event: 'text',
  state: 'text',
  attempts: 'int4',
  response_status: nullable('int4'),
  latency_ms: nullable('int4'),
  error: nullableJson<DeliveryError>(),
  next_attempt_at: nullable('timestamptz'),
  created_at: 'timestamptz',
  ended_at: nullable('timestamptz'),
} as const

/** A delivery as it is shown; `latency_ms` and what follows it are of the last try. */
export type Delivery = RowOf<typeof shownRow>

// Each by the index that serves it: of a state, and of any.
const listAll = statement({
  name: 'delivery_list',
  params: ['tenant_id', 'webhook_id', 'before_id', 'limit'],
  row: shownRow,
  sql: `select ${shownColumns} from webhook_deliveries
    where tenant_id = $1 and webhook_id = $2 and id < $3::uuid order by id desc limit $4`,
})

const listOfState = statement({
  name: 'delivery_list_of_state',
  params: ['tenant_id', 'webhook_id', 'before_id', 'limit', 'state'],
  row: shownRow,
  sql: `select ${shownColumns} from webhook_deliveries
    where tenant_id = $1 and webhook_id = $2 and state = $5 and id < $3::uuid order by id desc limit $4`,
})

const selectOne = statement({
  name: 'delivery_find',
  params: ['tenant_id', 'webhook_id', 'id'],
  row: { ...shownRow, payload: 'text' },
  sql: `select ${shownColumns}, payload from webhook_deliveries where tenant_id = $1 and webhook_id = $2 and id = $3`,
})

// One that is under way, or waits, is left to it.
const requeue = statement({
  name: 'delivery_retry',
  params: ['tenant_id', 'webhook_id', 'id'],
  row: shownRow,
  sql: `update webhook_deliveries set state = 'queued', attempts = 0, due_at = now(), ended_at = null
    where tenant_id = $1 and webhook_id = $2 and id = $3 and state in ('delivered', 'failed')
    returning ${shownColumns}`,
})

/** Newest first; `beforeId` is the last one of the page before. */
export async function listDeliveries(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly webhookId: string
    readonly beforeId: string | null
    readonly state: DeliveryState | null
    readonly limit: number
  },
): Promise<Delivery[]> {
  const { tenantId, webhookId, beforeId, state, limit } = page
  const given = { tenant_id: tenantId, webhook_id: webhookId, before_id: beforeId ?? lastId, limit }
  return state === null ? await tx.run(listAll, given) : await tx.run(listOfState, { ...given, state })
}

/** One delivery, with what it says; undefined where the webhook has no such one. */
export async function findDelivery(
  tx: Transaction,
  key: { readonly tenantId: string; readonly webhookId: string; readonly id: string },
): Promise<(Delivery & { readonly payload: string }) | undefined> {
  return (await tx.run(selectOne, { tenant_id: key.tenantId, webhook_id: key.webhookId, id: key.id }))[0]
}

/** Has a delivery that has ended tried again, from the start. Undefined where it has not ended. */
export async function retryDelivery(
  tx: Transaction,
  key: { readonly tenantId: string; readonly webhookId: string; readonly id: string },
): Promise<Delivery | undefined> {
  return (await tx.run(requeue, { tenant_id: key.tenantId, webhook_id: key.webhookId, id: key.id }))[0]
}

const failWaiting = statement({
  name: 'delivery_fail_waiting',
  params: ['tenant_ids', 'webhook_ids', 'error'],
  row: {},
  sql: `update webhook_deliveries d set state = 'failed', ended_at = now(), error = $3::text::jsonb
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, webhook_id)
    where d.tenant_id = g.tenant_id and d.webhook_id = g.webhook_id and d.state = 'queued'`,
})

/** Fails all that waits for webhooks which are switched off. */
export async function failWaitingDeliveries(
  tx: Transaction,
  webhooks: readonly { readonly tenantId: string; readonly id: string }[],
): Promise<void> {
  if (webhooks.length === 0) return
  const error: DeliveryError = {
    code: 'webhook_off',
    message: 'The webhook was switched off before this was delivered.',
  }
  await tx.run(failWaiting, {
    tenant_ids: webhooks.map(one => one.tenantId),
    webhook_ids: webhooks.map(one => one.id),
    error: JSON.stringify(error),
  })
}
