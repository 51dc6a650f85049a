import type { Sealer } from '../../lib/crypto.ts'
import type { Ids } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { TryAgain } from '../../stores/postgres/in-tenant.ts'
import { lockCustomersToMerge } from '../merge-customers.ts'
import { erasePersonRows } from './erase-rows.ts'
import { type Erasure, findErasureOf, insertErasure, type NewErasure } from './erasures.ts'
import { withoutPerson } from './find-mentions.ts'
import { describePerson, findPersonRow, type Person, type PersonRow } from './person.ts'
import { keepSuppression } from './suppressions.ts'

export type ErasureAsked = Omit<NewErasure, 'person'> & { readonly customerId: string }

/** `known`: it was asked for before. `nobody`: the customer of the orders of erased people. */
export type Erased =
  | { readonly kind: 'erased'; readonly erasure: Erasure }
  | { readonly kind: 'known'; readonly erasure: Erasure }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'nobody' }

/**
 * Erases a customer: in this transaction all that names them by a key, their conversations with all that they consist of
 * among it. Their orders stay, as those of nobody. Whether they wanted no messages is kept by a hash. What mentions them
 * elsewhere, and files, logs and keys, are erased by whoever goes on with the erasure that this notes. The role `privacy`;
 * throws `TryAgain`.
 */
export async function erasePerson(tx: Transaction, ids: Ids, sealer: Sealer, asked: ErasureAsked): Promise<Erased> {
  const { tenantId, customerId } = asked
  const before = await findErasureOf(tx, tenantId, customerId)
  if (before !== undefined) return { kind: 'known', erasure: before }
  if ((await findPersonRow(tx, tenantId, customerId)) === undefined) return { kind: 'unknown' }
  const key = { tenantId, id: customerId }
  if (!(await lockCustomersToMerge(tx, [key], [key]))) throw new TryAgain()
  const row = await findPersonRow(tx, tenantId, customerId)
  if (row === undefined) throw new TryAgain()
  if (row.is_erased) return { kind: 'nobody' }
  const person = await describePerson(tx, tenantId, customerId, row)
  const id = ids.next()
  await suppress(tx, sealer, { tenantId, erasureId: id }, row, person)
  await erasePersonRows(tx, ids, tenantId, person)
  const reason = asked.reason === null ? null : withoutPerson(asked.reason, person)
  return { kind: 'erased', erasure: await insertErasure(tx, id, sealer, { ...asked, person, reason }) }
}

async function suppress(
  tx: Transaction,
  sealer: Sealer,
  erasure: { readonly tenantId: string; readonly erasureId: string },
  { opted_out_at: optedOutAt }: PersonRow,
  { identities }: Person,
): Promise<void> {
  if (optedOutAt !== null) await keepSuppression(tx, sealer, { ...erasure, identities, optedOutAt })
}
