import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import { storableText } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { TryAgain } from '../stores/postgres/in-tenant.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { lockCustomersToMerge, type MovedConversation, mergeCustomer } from './merge-customers.ts'
import { type Introduced, releaseSuppressions } from './privacy/suppressions.ts'

/** What WhatsApp knows a customer by: the phone (E.164), the business-scoped user id, the linked device id. */
export type Identity = { readonly kind: 'phone' | 'bsuid' | 'lid'; readonly value: string }

/** Who wrote: at least one identity; `name` is what the customer calls themselves, where the provider says it. */
export type Sender = { readonly identities: readonly Identity[]; readonly name: string | null }

type Asked = { readonly tenantId: string; readonly botId: string; readonly sender: Sender }

/** Another process made the same customer, conversation or message at the same moment: look again. */
export class RaceLost extends TryAgain {
  override readonly name = 'RaceLost'
}

type Customer = {
  readonly tenantId: string
  readonly id: string
  readonly isNew: boolean
  /** As stored; what is missing is learnt from the sender. */
  name: string
  phone: string | null
  hasLearnt: boolean
  mergedInto: Customer | null
}

type Merge = { readonly from: Customer; readonly into: Customer }

type NewIdentity = Identity & { readonly botId: string; readonly customer: Customer }

const nameLengthMax = 200

// Asked for in order, and as a range: only the primary key has that order. For one row by its key, the planner may take
// the index of a bot's customers instead, since it thinks that few share a tenant and a bot, and look through all of them.
const findIdentities = statement({
  name: 'inbound_find_identities',
  params: ['tenant_ids', 'bot_ids', 'kinds', 'values'],
  row: {
    tenant_id: 'uuid',
    bot_id: 'uuid',
    kind: 'text',
    value: 'text',
    customer_id: 'uuid',
    name: 'text',
    phone: nullable('text'),
  },
  sql: `select i.tenant_id, i.bot_id, i.kind, i.value, i.customer_id, c.name, c.phone
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as g (tenant_id, bot_id, kind, value)
    cross join lateral (
      select * from customer_identities
      where tenant_id = g.tenant_id and bot_id = g.bot_id
        and (kind, value) >= (g.kind, g.value) and (kind, value) <= (g.kind, g.value)
      order by kind, value limit 1) i
    join customers c on c.tenant_id = i.tenant_id and c.id = i.customer_id`,
})

// Of two with one phone, the one who came first.
const findByPhone = statement({
  name: 'inbound_find_by_phone',
  params: ['tenant_ids', 'phones'],
  row: { tenant_id: 'uuid', customer_id: 'uuid', name: 'text', phone: 'text' },
  sql: `select distinct on (c.tenant_id, c.phone) c.tenant_id, c.id as customer_id, c.name, c.phone
    from unnest($1::uuid[], $2::text[]) as g (tenant_id, phone)
    join customers c on c.tenant_id = g.tenant_id and c.phone = g.phone
    order by c.tenant_id, c.phone, c.id`,
})

const insertCustomers = statement({
  name: 'inbound_insert_customers',
  params: ['tenant_ids', 'ids', 'names', 'phones'],
  row: {},
  sql: `insert into customers (tenant_id, id, name, phone)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])`,
})

// Sorted, so that two transactions that meet the same customers wait for each other instead of deadlocking.
const insertIdentities = statement({
  name: 'inbound_insert_identities',
  params: ['tenant_ids', 'bot_ids', 'kinds', 'values', 'customer_ids'],
  row: { kind: 'text' },
  sql: `insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[])
      as g (tenant_id, bot_id, kind, value, customer_id)
    order by tenant_id, bot_id, kind, value
    on conflict do nothing
    returning kind`,
})

const updateCustomers = statement({
  name: 'inbound_update_customers',
  params: ['tenant_ids', 'ids', 'names', 'phones'],
  row: {},
  sql: `update customers c set name = g.name, phone = g.phone, updated_at = now()
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as g (tenant_id, id, name, phone)
    where c.tenant_id = g.tenant_id and c.id = g.id`,
})

/** Whose each sender is, and what that has changed. */
export type Resolved = {
  readonly customerIds: readonly string[]
  /** The tenants that have a customer more, or one that says more, or two that became one. */
  readonly changedTenants: ReadonlySet<string>
  readonly moved: readonly (MovedConversation & { readonly tenantId: string })[]
}

/**
 * The customer of each sender, found by any identity and made where none is known. A phone is the same person's whichever
 * bot they write to: who is known by it to another bot is found by it. Two identities seen together belong
 * to one customer from then on: what they were before is merged. Who wanted no messages when they were erased, and is known
 * again by this, wants none. Throws `RaceLost`.
 */
export async function resolveCustomers(
  tx: Transaction,
  ids: Ids,
  asked: readonly Asked[],
  sealer: Sealer,
): Promise<Resolved> {
  const known = await findCustomers(tx, asked)
  const byPhone = await findPhones(tx, asked, known)
  const fresh: NewIdentity[] = []
  const merges: Merge[] = []
  const customers = asked.map(({ tenantId, botId, sender }) => {
    const found = new Set(
      sender.identities.flatMap(
        identity => follow(known.get(keyOf(botId, identity)) ?? byPhone.get(phoneKey(tenantId, identity))) ?? [],
      ),
    )
    const [oldest, ...others] = [...found].sort((a, b) => (a.id < b.id ? -1 : 1))
    const customer = oldest ?? newCustomer(tenantId, ids.next())
    for (const other of others) {
      other.mergedInto = customer
      merges.push({ from: other, into: customer })
    }
    for (const identity of sender.identities) {
      if (!known.has(keyOf(botId, identity))) fresh.push({ ...identity, botId, customer })
      known.set(keyOf(botId, identity), customer)
    }
    learn(customer, sender)
    return customer
  })
  if (merges.length > 0) await lock(tx, merges)
  await write(tx, [...new Set(customers)], fresh)
  const moved: Resolved['moved'][number][] = []
  for (const { from, into } of merges)
    for (const conversation of await mergeCustomer(tx, into.tenantId, from.id, into.id))
      moved.push({ ...conversation, tenantId: into.tenantId })
  if (fresh.length > 0) await releaseSuppressions(tx, ids, sealer, fresh.map(introducedBy))
  const changed = [...customers.filter(one => one.isNew || one.hasLearnt), ...fresh.map(identity => identity.customer)]
  return {
    customerIds: customers.map(customer => follow(customer)?.id ?? customer.id),
    changedTenants: new Set(changed.concat(merges.map(merge => merge.into)).map(customer => customer.tenantId)),
    moved,
  }
}

function introducedBy({ customer, kind, value }: NewIdentity): Introduced {
  const { tenantId, id } = follow(customer) ?? customer
  return { tenantId, customerId: id, identities: [{ kind, value }] }
}

async function lock(tx: Transaction, merges: readonly Merge[]): Promise<void> {
  const isStored = (customer: Customer) => !customer.isNew
  const leaving = merges.map(merge => merge.from).filter(isStored)
  const all = new Set([...leaving, ...merges.map(merge => merge.into).filter(isStored)])
  if (!(await lockCustomersToMerge(tx, [...all], leaving))) throw new RaceLost()
}

function follow(customer: Customer | undefined): Customer | undefined {
  return customer?.mergedInto ? follow(customer.mergedInto) : customer
}

function newCustomer(tenantId: string, id: string): Customer {
  return { tenantId, id, isNew: true, name: '', phone: null, hasLearnt: false, mergedInto: null }
}

function learn(customer: Customer, sender: Sender): void {
  const phone = sender.identities.find(identity => identity.kind === 'phone')?.value ?? null
  const name = storableText(sender.name ?? '').slice(0, nameLengthMax)
  if (customer.name === '' && name !== '') Object.assign(customer, { name, hasLearnt: true })
  if (customer.phone === null && phone !== null) Object.assign(customer, { phone, hasLearnt: true })
}

async function findCustomers(tx: Transaction, asked: readonly Asked[]): Promise<Map<string, Customer>> {
  const identities = asked.flatMap(one => one.sender.identities.map(identity => ({ ...one, ...identity })))
  const rows = await tx.run(findIdentities, {
    tenant_ids: identities.map(identity => identity.tenantId),
    bot_ids: identities.map(identity => identity.botId),
    kinds: identities.map(identity => identity.kind),
    values: identities.map(identity => identity.value),
  })
  const customers = new Map<string, Customer>()
  const known = new Map<string, Customer>()
  for (const row of rows) {
    const customer = customers.get(row.customer_id) ?? {
      ...newCustomer(row.tenant_id, row.customer_id),
      isNew: false,
      name: row.name,
      phone: row.phone,
    }
    customers.set(row.customer_id, customer)
    known.set(`${row.bot_id} ${row.kind} ${row.value}`, customer)
  }
  return known
}

/** Customers by a phone that their bot does not know them by yet: those of new senders. */
async function findPhones(
  tx: Transaction,
  asked: readonly Asked[],
  known: ReadonlyMap<string, Customer>,
): Promise<ReadonlyMap<string, Customer>> {
  const unknown = asked.flatMap(({ tenantId, botId, sender }) =>
    sender.identities
      .filter(identity => identity.kind === 'phone' && !known.has(keyOf(botId, identity)))
      .map(({ value }) => ({ tenantId, value })),
  )
  if (unknown.length === 0) return new Map()
  const rows = await tx.run(findByPhone, {
    tenant_ids: unknown.map(one => one.tenantId),
    phones: unknown.map(one => one.value),
  })
  const byId = new Map([...known.values()].map(customer => [customer.id, customer]))
  return new Map(
    rows.map(({ tenant_id, customer_id, name, phone }) => [
      phoneKey(tenant_id, { kind: 'phone', value: phone }),
      byId.get(customer_id) ?? { ...newCustomer(tenant_id, customer_id), isNew: false, name, phone },
    ]),
  )
}

function phoneKey(tenantId: string, { kind, value }: Identity): string {
  return `${tenantId} ${kind} ${value}`
}

function keyOf(botId: string, identity: Identity): string {
  return `${botId} ${identity.kind} ${identity.value}`
}

async function write(tx: Transaction, customers: readonly Customer[], fresh: readonly NewIdentity[]): Promise<void> {
  const made = customers.filter(customer => customer.isNew)
  if (made.length > 0) await tx.run(insertCustomers, columnsOf(made))
  if (fresh.length > 0) {
    const inserted = await tx.run(insertIdentities, {
      tenant_ids: fresh.map(identity => identity.customer.tenantId),
      bot_ids: fresh.map(identity => identity.botId),
      kinds: fresh.map(identity => identity.kind),
      values: fresh.map(identity => identity.value),
      customer_ids: fresh.map(identity => identity.customer.id),
    })
    if (inserted.length < fresh.length) throw new RaceLost()
  }
  const changed = customers.filter(customer => !customer.isNew && customer.hasLearnt)
  if (changed.length > 0) await tx.run(updateCustomers, columnsOf(changed))
}

function columnsOf(customers: readonly Customer[]) {
  return {
    tenant_ids: customers.map(customer => customer.tenantId),
    ids: customers.map(customer => customer.id),
    names: customers.map(customer => customer.name),
    phones: customers.map(customer => customer.phone),
  }
}
