import type { Ids } from '../../lib/ids.ts'
import type { Json } from '../../lib/json.ts'
import type { Database } from '../../stores/postgres/database.ts'
import { createCustomer } from '../customers.ts'
import type { Action, ActionResult, OutsideAction } from './action.ts'

/** Thrown to roll back what an action has written; carries what it answered. */
class Rehearsed extends Error {
  readonly result: ActionResult

  constructor(result: ActionResult) {
    super('rehearsed')
    this.result = result
  }
}

const noDetails = { name: '', phone: null, email: null, identities: [], variables: {} }

/**
 * What an action would answer now, called for a customer who is met for the first time. It is done on the tenant's real
 * rows, in a transaction of its own that is rolled back: what it writes is seen by nobody, not by the next rehearsal
 * either, and held up is nobody beyond the moment that it takes.
 */
export async function rehearse(
  { database, ids }: { readonly database: Database; readonly ids: Ids },
  action: Action,
  { tenantId, input }: { readonly tenantId: string; readonly input: Json },
): Promise<ActionResult> {
  if (action.kind === 'outside') return rehearseOutside(action, input)
  try {
    return await database.transaction({ role: 'app', tenantId }, async tx => {
      const customer = await createCustomer(tx, ids, tenantId, noDetails)
      if (customer.kind !== 'written') throw new Error(`A customer for a rehearsal was not made: ${customer.kind}`)
      const call = { tenantId, customerId: customer.customer.id, conversationId: ids.next(), input }
      throw new Rehearsed(await action.run(tx, ids, call))
    })
  } catch (error) {
    if (error instanceof Rehearsed) return error.result
    throw error
  }
}

/** Nobody outside is asked: only what is wrong with the input is told. */
function rehearseOutside({ handler, prepare }: OutsideAction, input: Json): ActionResult {
  const prepared = prepare(input)
  if (!prepared.ok) return prepared
  return { ok: false, code: 'not_simulated', message: `The action "${handler}" is not performed in a simulation.` }
}
