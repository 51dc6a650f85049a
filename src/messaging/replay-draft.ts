import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

const findById = statement({
  name: 'replay_find_flow',
  params: ['id'],
  row: { id: 'uuid', tenant_id: 'uuid', name: 'text', document: 'jsonb' },
  sql: 'select id, tenant_id, name, document from flows where id = $1',
})

const findByName = statement({
  name: 'replay_find_flow_named',
  params: ['tenant_id', 'name'],
  row: { id: 'uuid', tenant_id: 'uuid', name: 'text', document: 'jsonb' },
  sql: 'select id, tenant_id, name, document from flows where tenant_id = $1 and name = $2',
})

/** A flow with its draft. */
export type FlowToReplay = {
  readonly id: string
  readonly tenant_id: string
  readonly name: string
  readonly document: unknown
}

/** A flow of any tenant. */
export async function findFlowToReplay(tx: Transaction, id: string): Promise<FlowToReplay | undefined> {
  const [found] = await tx.run(findById, { id })
  return found
}

export async function findFlowNamed(
  tx: Transaction,
  tenantId: string,
  name: string,
): Promise<FlowToReplay | undefined> {
  const [found] = await tx.run(findByName, { tenant_id: tenantId, name })
  return found
}
