import { type Ids, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

// Whether a customer wants messages. What counts now is in the customer's row; who said so, when and by what is appended
// to a table of evidence that nothing deletes from while there is the customer.

/**
 * What somebody said: the customer by a `word` in a message, a user or a program on their behalf, with a note. `erasure`: it
 * was said before what is known of the customer was erased.
 */
export type Consent = {
  readonly tenantId: string
  readonly id: string
  readonly customerId: string
  readonly kind: 'opted_out' | 'opted_in'
  readonly source: 'customer' | 'agent' | 'api' | 'erasure'
  readonly word: string | null
  readonly messageId: string | null
  readonly conversationId: string | null
  /** The user, or the API key. */
  readonly userId: string | null
  readonly note: string | null
  readonly at: Date
}

// In the order of their ids: whoever else locks several customers does it in this order.
const lockCustomers = statement({
  name: 'consent_lock_customers',
  params: ['tenant_ids', 'ids'],
  row: { id: 'uuid' },
  sql: `select k.id from (select distinct * from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)) g
    join customers k using (tenant_id, id)
    order by k.tenant_id, k.id for no key update of k`,
})

const insertConsents = statement({
  name: 'consent_insert',
  params: [
    'tenant_ids',
    'ids',
    'customer_ids',
    'kinds',
    'sources',
    'words',
    'message_ids',
    'conversation_ids',
    'user_ids',
    'notes',
    'ats',
  ],
  row: {},
  sql: `insert into consents
      (tenant_id, id, customer_id, kind, source, word, message_id, conversation_id, user_id, note, at)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[],
      $9::uuid[], $10::text[], $11::timestamptz[])`,
})

// Who says it twice is opted out since the first time.
const setOptedOut = statement({
  name: 'consent_set',
  params: ['tenant_ids', 'customer_ids', 'are_out', 'ats'],
  row: {},
  sql: `update customers k
    set opted_out_at = case when g.is_out then coalesce(k.opted_out_at, g.at) end, updated_at = now()
    from unnest($1::uuid[], $2::uuid[], $3::bool[], $4::timestamptz[]) as g (tenant_id, customer_id, is_out, at)
    where k.tenant_id = g.tenant_id and k.id = g.customer_id`,
})

/**
 * Notes what customers, or others for them, have said, in that order, with its evidence. Of several things said about one
 * customer the last counts. Whatever has locked conversations may call this; whoever locks a customer first must not.
 */
export async function saveConsents(tx: Transaction, consents: readonly Consent[]): Promise<void> {
  if (consents.length === 0) return
  const last = [...new Map(consents.map(one => [`${one.tenantId} ${one.customerId}`, one])).values()]
  const each = <K extends keyof Consent>(key: K): Consent[K][] => consents.map(one => one[key])
  await tx.run(lockCustomers, { tenant_ids: last.map(one => one.tenantId), ids: last.map(one => one.customerId) })
  await tx.run(insertConsents, {
    ...{ tenant_ids: each('tenantId'), ids: each('id'), customer_ids: each('customerId') },
    ...{ kinds: each('kind'), sources: each('source'), words: each('word'), message_ids: each('messageId') },
    ...{ conversation_ids: each('conversationId'), user_ids: each('userId'), notes: each('note') },
    ats: each('at').map(at => at.toISOString()),
  })
  await tx.run(setOptedOut, {
    tenant_ids: last.map(one => one.tenantId),
    customer_ids: last.map(one => one.customerId),
    are_out: last.map(one => one.kind === 'opted_out'),
    ats: last.map(one => one.at.toISOString()),
  })
}

/** What a user or a program says for a customer. */
export type ConsentByCaller = {
  readonly tenantId: string
  readonly customerId: string
  readonly caller: { readonly kind: 'user' | 'api_key'; readonly id: string }
  readonly note: string
  readonly at: Date
}

/** The customer wants no messages any more: nothing is sent to them from now on, what waits to be sent neither. */
export async function optOut(tx: Transaction, ids: Ids, said: ConsentByCaller): Promise<void> {
  await saveConsents(tx, [consentOf(ids, said, 'opted_out')])
}

/** The customer may be written to again. */
export async function optIn(tx: Transaction, ids: Ids, said: ConsentByCaller): Promise<void> {
  await saveConsents(tx, [consentOf(ids, said, 'opted_in')])
}

function consentOf(ids: Ids, { caller, ...said }: ConsentByCaller, kind: Consent['kind']): Consent {
  const nowhere = { word: null, messageId: null, conversationId: null }
  const source = caller.kind === 'user' ? 'agent' : 'api'
  return { ...said, ...nowhere, id: ids.next(), kind, source, userId: caller.id }
}

const shownRow = {
  id: 'uuid',
  kind: 'text',
  source: 'text',
  word: nullable('text'),
  message_id: nullable('uuid'),
  conversation_id: nullable('uuid'),
  user_id: nullable('uuid'),
  note: nullable('text'),
  at: 'timestamptz',
} as const

/** Evidence as it is shown. */
export type ShownConsent = RowOf<typeof shownRow>

const selectPage = statement({
  name: 'consent_list',
  params: ['tenant_id', 'customer_id', 'before_id', 'limit'],
  row: shownRow,
  sql: `select id, kind, source, word, message_id, conversation_id, user_id, note, at from consents
    where tenant_id = $1 and customer_id = $2 and id < $3::uuid order by id desc limit $4`,
})

/** What was said of a customer, newest first; `beforeId` is the last one of the page before. */
export async function listConsents(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly customerId: string
    readonly beforeId: string | null
    readonly limit: number
  },
): Promise<ShownConsent[]> {
  const { tenantId, customerId, beforeId, limit } = page
  return await tx.run(selectPage, {
    tenant_id: tenantId,
    customer_id: customerId,
    before_id: beforeId ?? lastId,
    limit,
  })
}
