import * as v from 'valibot'
import type { Sealer } from '../../lib/crypto.ts'
import { lastId } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'
import type { Person } from './person.ts'

// Erasures of people, and how far each has come. What a person is found by is kept, sealed, until it is done.

/** Looks through everything that an erasure takes: one at once, one for what was under way then. */
export const passesMax = 2

const shownColumns = 'id, customer_id, actor_kind, actor_id, reason, requested_at, done_at'
const shownRow = {
  id: 'uuid',
  customer_id: 'uuid',
  actor_kind: 'text',
  actor_id: 'uuid',
  reason: nullable('text'),
  requested_at: 'timestamptz',
  done_at: nullable('timestamptz'),
} as const

/** An erasure as it is shown; `done_at` is null while something may be left. */
export type Erasure = RowOf<typeof shownRow>

const insert = statement({
  name: 'erasure_insert',
  params: [
    'tenant_id',
    'id',
    'customer_id',
    'actor_kind',
    'actor_id',
    'reason',
    'requested_at',
    'subject',
    'key_id',
    'due_at',
  ],
  row: shownRow,
  sql: `insert into erasures
      (tenant_id, id, customer_id, actor_kind, actor_id, reason, requested_at, subject, key_id, due_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning ${shownColumns}`,
})

const selectOfCustomer = statement({
  name: 'erasure_find_of_customer',
  params: ['tenant_id', 'customer_id'],
  row: shownRow,
  sql: `select ${shownColumns} from erasures where tenant_id = $1 and customer_id = $2`,
})

const selectOne = statement({
  name: 'erasure_find',
  params: ['tenant_id', 'id'],
  row: shownRow,
  sql: `select ${shownColumns} from erasures where tenant_id = $1 and id = $2`,
})

const selectPage = statement({
  name: 'erasure_list',
  params: ['tenant_id', 'before_id', 'limit'],
  row: shownRow,
  sql: `select ${shownColumns} from erasures where tenant_id = $1 and id < $2::uuid order by id desc limit $3`,
})

const claimDue = statement({
  name: 'erasure_claim',
  params: ['now', 'until'],
  row: { tenant_id: 'uuid', id: 'uuid', passes: 'int4', subject: 'bytea' },
  sql: `update erasures set due_at = $2
    where ctid = any (array(
      select ctid from erasures where done_at is null and due_at <= $1 order by due_at limit 1 for update skip locked))
    returning tenant_id, id, passes, subject`,
})

const postpone = statement({
  name: 'erasure_postpone',
  params: ['tenant_id', 'id', 'due_at', 'passes'],
  row: {},
  sql: 'update erasures set due_at = $3, passes = $4 where tenant_id = $1 and id = $2 and done_at is null',
})

const end = statement({
  name: 'erasure_end',
  params: ['tenant_id', 'id', 'at', 'passes'],
  row: {},
  sql: `update erasures set done_at = $3, passes = $4, subject = null, key_id = null
    where tenant_id = $1 and id = $2 and done_at is null`,
})

export type NewErasure = {
  readonly tenantId: string
  /** Who asked for it. */
  readonly caller: { readonly kind: 'user' | 'api_key'; readonly id: string }
  readonly person: Person
  readonly reason: string | null
  readonly at: Date
}

/** Notes an erasure, which is to be gone on with at once. The role `privacy`. */
export async function insertErasure(tx: Transaction, id: string, sealer: Sealer, asked: NewErasure): Promise<Erasure> {
  const { tenantId, caller, person, reason, at } = asked
  const [made] = await tx.run(insert, {
    ...{ tenant_id: tenantId, id, customer_id: person.customerId, actor_kind: caller.kind, actor_id: caller.id },
    ...{ reason, requested_at: at, due_at: at, key_id: sealer.keyId },
    subject: sealer.seal(JSON.stringify(person), contextOf(tenantId, id)),
  })
  if (made === undefined) throw new Error('A row that was inserted was not returned')
  return made
}

export async function findErasureOf(
  tx: Transaction,
  tenantId: string,
  customerId: string,
): Promise<Erasure | undefined> {
  return (await tx.run(selectOfCustomer, { tenant_id: tenantId, customer_id: customerId }))[0]
}

export async function findErasure(tx: Transaction, tenantId: string, id: string): Promise<Erasure | undefined> {
  return (await tx.run(selectOne, { tenant_id: tenantId, id }))[0]
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listErasures(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<Erasure[]> {
  return await tx.run(selectPage, { tenant_id: page.tenantId, before_id: page.beforeId ?? lastId, limit: page.limit })
}

/** An erasure that this process goes on with. `passes`: looks through everything that were made. */
export type DueErasure = {
  readonly tenantId: string
  readonly id: string
  readonly passes: number
  readonly subject: Uint8Array
}

/** Takes one that is due, of any tenant, for as long as until `until`; undefined where none is. The role `cleaner`. */
export async function claimErasure(tx: Transaction, now: Date, until: Date): Promise<DueErasure | undefined> {
  const [row] = await tx.run(claimDue, { now, until })
  return row && { tenantId: row.tenant_id, id: row.id, passes: row.passes, subject: row.subject }
}

const identity = v.object({ kind: v.string(), value: v.string() })
const texts = v.array(v.string())
const personSchema: v.GenericSchema<unknown, Person> = v.object({
  ...{ customerId: v.string(), names: texts, emails: texts, identities: v.array(identity), conversationIds: texts },
  ...{ orderIds: texts, mediaIds: texts, sendIds: texts, providerIds: texts },
})

/** Whom an erasure is of. Throws where it was sealed under another ENCRYPTION_KEY. */
export function personOf(sealer: Sealer, { tenantId, id, subject }: DueErasure): Person {
  return v.parse(personSchema, JSON.parse(sealer.open(subject, contextOf(tenantId, id))))
}

/** Has an erasure gone on with later. The role `cleaner`. */
export async function postponeErasure(
  tx: Transaction,
  { tenantId, id }: Pick<DueErasure, 'tenantId' | 'id'>,
  next: { readonly dueAt: Date; readonly passes: number },
): Promise<void> {
  await tx.run(postpone, { tenant_id: tenantId, id, due_at: next.dueAt, passes: next.passes })
}

/** Nothing is left: what the person was found by is forgotten too. The role `cleaner`. */
export async function endErasure(tx: Transaction, { tenantId, id }: DueErasure, at: Date): Promise<void> {
  await tx.run(end, { tenant_id: tenantId, id, at, passes: passesMax })
}

function contextOf(tenantId: string, id: string): string {
  return `erasure:${tenantId}:${id}`
}
