import type { Ids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import { isDuplicate, sqlState, type Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

export const identityKinds = ['phone', 'bsuid', 'lid'] as const
/** Of an identity's value. */
export const identityLengthMax = 256
/** A phone in E.164. */
export const phoneShape = /^\+[1-9]\d{6,14}$/
/** Tags of one customer, and characters of one tag. */
export const customerTagsMax = 50
export const tagLengthMax = 50

/** What WhatsApp knows a customer by. */
export type CustomerIdentity = { readonly kind: (typeof identityKinds)[number]; readonly value: string }

/** The columns of a customer `c`. */
export const customerColumns = `c.id, c.name, c.phone, c.email, c.variables, to_jsonb(c.tags) as tags, c.opted_out_at,
  c.created_at, c.updated_at,
  (select coalesce(jsonb_agg(distinct jsonb_build_object('kind', i.kind, 'value', i.value)), '[]')
    from (
      select kind, value from customer_identities where tenant_id = c.tenant_id and customer_id = c.id
      union select 'phone', c.phone where c.phone is not null
    ) i) as identities`
export const customerRow = {
  id: 'uuid',
  name: 'text',
  phone: nullable('text'),
  email: nullable('text'),
  identities: json<readonly CustomerIdentity[]>(),
  variables: json<Readonly<Record<string, Json>>>(),
  tags: json<readonly string[]>(),
  opted_out_at: nullable('timestamptz'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A customer; `phone` is E.164, or null where WhatsApp hides it. `opted_out_at`: since when they want no messages. */
export type Customer = RowOf<typeof customerRow>

/** What a person decides about a customer. */
export type CustomerFields = Pick<Customer, 'name' | 'phone' | 'email' | 'variables'> & {
  readonly identities: readonly CustomerIdentity[]
  readonly tags?: readonly string[] | undefined
}

const fieldParams = ['tenant_id', 'id', 'name', 'phone', 'email', 'variables', 'tags'] as const

const insertCustomer = statement({
  name: 'customer_insert',
  params: fieldParams,
  row: {},
  sql: `insert into customers (tenant_id, id, name, phone, email, variables, tags)
    values ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text[])`,
})

const updateRow = statement({
  name: 'customer_update',
  params: fieldParams,
  row: {},
  sql: `update customers
    set name = $3, phone = $4, email = $5, variables = $6::text::jsonb, tags = $7::text[], updated_at = now()
    where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'customer_lock',
  params: ['tenant_id', 'id'],
  row: {
    name: 'text',
    phone: nullable('text'),
    email: nullable('text'),
    variables: json<Customer['variables']>(),
    tags: json<Customer['tags']>(),
    is_opted_out: 'bool',
    is_erased: 'bool',
  },
  sql: `select name, phone, email, variables, to_jsonb(tags) as tags, opted_out_at is not null as is_opted_out, is_erased
    from customers where tenant_id = $1 and id = $2 for update`,
})

// An identity is known to a bot. One entered by hand is made known to each bot that the tenant has.
const insertIdentities = statement({
  name: 'customer_insert_identities',
  params: ['tenant_id', 'customer_id', 'kinds', 'values'],
  row: {},
  sql: `insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select b.tenant_id, b.id, g.kind, g.value, $2
    from bots b cross join unnest($3::text[], $4::text[]) as g (kind, value)
    where b.tenant_id = $1 and not exists (
      select from customer_identities i
      where i.tenant_id = $1 and i.bot_id = b.id and i.kind = g.kind and i.value = g.value and i.customer_id = $2)
    order by b.id, g.kind, g.value`,
})

const findBot = statement({
  name: 'customer_find_bot',
  params: ['tenant_id'],
  row: { id: 'uuid' },
  sql: 'select id from bots where tenant_id = $1 limit 1',
})

const deleteIdentities = statement({
  name: 'customer_delete_identities',
  params: ['tenant_id', 'customer_id', 'kinds', 'values'],
  row: {},
  sql: `delete from customer_identities i
    where i.tenant_id = $1 and i.customer_id = $2
      and not exists (select from unnest($3::text[], $4::text[]) as g (kind, value)
        where g.kind = i.kind and g.value = i.value)`,
})

const selectOne = statement({
  name: 'customer_find',
  params: ['tenant_id', 'id'],
  row: customerRow,
  sql: `select ${customerColumns} from customers c where c.tenant_id = $1 and c.id = $2`,
})

const countUses = statement({
  name: 'customer_uses',
  params: ['tenant_id', 'id'],
  row: { has_orders: 'bool', has_conversations: 'bool' },
  sql: `select exists (select from orders where tenant_id = $1 and customer_id = $2) as has_orders,
      exists (select from conversations where tenant_id = $1 and customer_id = $2) as has_conversations`,
})

const deleteRow = statement({
  name: 'customer_delete',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from customers where tenant_id = $1 and id = $2',
})

/** What came of writing a customer. */
export type CustomerWritten =
  | { readonly kind: 'written'; readonly customer: Customer }
  | { readonly kind: 'unknown' }
  /** A phone or another identity is another customer's. The transaction is spent: let it roll back. */
  | { readonly kind: 'identity_taken' }
  /** An identity is known to a bot, and there is none. The transaction is to roll back. */
  | { readonly kind: 'no_bot' }
  /** Whose the orders of erased people are: nothing is to be known of them. */
  | { readonly kind: 'nobody' }
  /**
   * They want no messages, and would no longer be known by something: whoever is known by it would be written to. The
   * transaction is to roll back.
   */
  | { readonly kind: 'is_opted_out' }

/** Adds a customer. The phone is an identity too: whoever writes from it is this customer. */
export async function createCustomer(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  fields: CustomerFields,
): Promise<CustomerWritten> {
  const id = ids.next()
  await tx.run(insertCustomer, { tenant_id: tenantId, id, ...columnsOf(fields) })
  return await withIdentities(tx, tenantId, id, identitiesOf(fields.identities, fields.phone))
}

/** Changes the fields given. `identities` are replaced as a whole; a new phone is added to them. */
export async function updateCustomer(
  tx: Transaction,
  tenantId: string,
  id: string,
  changes: { readonly [K in keyof CustomerFields]?: CustomerFields[K] | undefined },
): Promise<CustomerWritten> {
  const [before] = await tx.run(lockOne, { tenant_id: tenantId, id })
  if (before === undefined) return { kind: 'unknown' }
  if (before.is_erased) return { kind: 'nobody' }
  const phone = changes.phone === undefined ? before.phone : changes.phone
  const name = changes.name ?? before.name
  const email = changes.email === undefined ? before.email : changes.email
  const variables = changes.variables ?? before.variables
  const tags = changes.tags ?? before.tags
  const identities = identitiesOf(changes.identities ?? [], phone)
  if (before.is_opted_out) {
    // A phone is made known to each bot that comes later only as long as it is the customer's.
    if (before.phone !== null && before.phone !== phone) return { kind: 'is_opted_out' }
    const known = (await findCustomer(tx, tenantId, id))?.identities ?? []
    if (changes.identities !== undefined && losesAny(known, identities)) return { kind: 'is_opted_out' }
  }
  await tx.run(updateRow, { tenant_id: tenantId, id, ...columnsOf({ name, phone, email, variables, tags }) })
  if (changes.identities !== undefined)
    await tx.run(deleteIdentities, { tenant_id: tenantId, customer_id: id, ...pairsOf(identities) })
  return await withIdentities(tx, tenantId, id, identities)
}

function losesAny(known: readonly CustomerIdentity[], kept: readonly CustomerIdentity[]): boolean {
  return known.some(one => !kept.some(other => other.kind === one.kind && other.value === one.value))
}

function columnsOf({ name, phone, email, variables, tags = [] }: Omit<CustomerFields, 'identities'>) {
  return { name, phone, email, variables: JSON.stringify(variables), tags: [...new Set(tags)] }
}

function identitiesOf(given: readonly CustomerIdentity[], phone: string | null): readonly CustomerIdentity[] {
  const all: readonly CustomerIdentity[] = phone === null ? given : [...given, { kind: 'phone', value: phone }]
  return [...new Map(all.map(identity => [`${identity.kind} ${identity.value}`, identity])).values()]
}

function pairsOf(identities: readonly CustomerIdentity[]) {
  return { kinds: identities.map(identity => identity.kind), values: identities.map(identity => identity.value) }
}

async function withIdentities(
  tx: Transaction,
  tenantId: string,
  id: string,
  identities: readonly CustomerIdentity[],
): Promise<CustomerWritten> {
  // A phone is kept with the customer, and made known to each bot that comes later. The others would be lost.
  if (identities.some(identity => identity.kind !== 'phone')) {
    const bots = await tx.run(findBot, { tenant_id: tenantId })
    if (bots.length === 0) return { kind: 'no_bot' }
  }
  try {
    if (identities.length > 0)
      await tx.run(insertIdentities, { tenant_id: tenantId, customer_id: id, ...pairsOf(identities) })
  } catch (error) {
    if (isDuplicate(error, 'customer_identities_pkey')) return { kind: 'identity_taken' }
    throw error
  }
  const customer = await findCustomer(tx, tenantId, id)
  return customer === undefined ? { kind: 'unknown' } : { kind: 'written', customer }
}

/** One customer, held against every other change until the transaction ends. */
export async function lockCustomer(tx: Transaction, tenantId: string, id: string): Promise<Customer | undefined> {
  await tx.run(lockOne, { tenant_id: tenantId, id })
  return await findCustomer(tx, tenantId, id)
}

/** Undefined where the tenant has no such customer. */
export async function findCustomer(tx: Transaction, tenantId: string, id: string): Promise<Customer | undefined> {
  const [customer] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return customer
}

/**
 * What came of deleting a customer. One who ordered or wrote stays: orders and conversations name them. So does one who is
 * opted out: deleted and entered again, they would be written to. The transaction of one who stays is to roll back.
 */
export type CustomerDeleted = 'deleted' | 'unknown' | 'has_orders' | 'has_conversations' | 'is_opted_out'

export async function deleteCustomer(tx: Transaction, tenantId: string, id: string): Promise<CustomerDeleted> {
  const [customer] = await tx.run(lockOne, { tenant_id: tenantId, id })
  if (customer === undefined) return 'unknown'
  if (customer.is_opted_out) return 'is_opted_out'
  const [uses] = await tx.run(countUses, { tenant_id: tenantId, id })
  if (uses?.has_orders) return 'has_orders'
  if (uses?.has_conversations) return 'has_conversations'
  try {
    await tx.run(deleteRow, { tenant_id: tenantId, id })
    return 'deleted'
  } catch (error) {
    if (sqlState(error) === '23503') return 'has_conversations'
    throw error
  }
}
