import type { Json } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

// What a flow may learn of a customer and write down: not what WhatsApp knows them by.

export const customerNameLengthMax = 200
export const emailLengthMax = 254
export const variableNameLengthMax = 64
/** JSON of all variables of a customer. */
export const variablesLengthMax = 64 * 1024

const profileRow = {
  name: 'text',
  phone: nullable('text'),
  email: nullable('text'),
  variables: json<Readonly<Record<string, Json>>>(),
  tags: json<readonly string[]>(),
} as const

/** `name` is empty where it is not known; `phone` is E.164. */
export type CustomerProfile = RowOf<typeof profileRow>

const lockOne = statement({
  name: 'customer_profile_lock',
  params: ['tenant_id', 'id'],
  row: profileRow,
  sql: `select name, phone, email, variables, to_jsonb(tags) as tags from customers
    where tenant_id = $1 and id = $2 for no key update`,
})

const updateOne = statement({
  name: 'customer_profile_update',
  params: ['tenant_id', 'id', 'name', 'email', 'variables', 'tags'],
  row: {},
  sql: `update customers set name = $3, email = $4, variables = $5::text::jsonb, tags = $6::text[], updated_at = now()
    where tenant_id = $1 and id = $2`,
})

/** Held against every other change until the transaction ends; undefined where the tenant has no such customer. */
export async function lockProfile(tx: Transaction, tenantId: string, id: string): Promise<CustomerProfile | undefined> {
  const [profile] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return profile
}

/** Writes all but the phone, of a customer whom this transaction has locked. */
export async function writeProfile(
  tx: Transaction,
  tenantId: string,
  id: string,
  { name, email, variables, tags }: CustomerProfile,
): Promise<void> {
  await tx.run(updateOne, { tenant_id: tenantId, id, name, email, variables: JSON.stringify(variables), tags })
}

/** A tag as it is kept: tags are the same however they are written. */
export function tagOf(text: string): string {
  return text.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase()
}
