import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { providerNames } from './bot-config.ts'
import { capabilitiesOf } from './capabilities.ts'

const selectProviders = statement({
  name: 'flow_bot_providers',
  params: ['tenant_id', 'flow_id'],
  row: { provider: 'text', answers: 'bool' },
  sql: `select provider, bool_or(flow_id = $2 or $2 = any (flow_ids)) is true as answers
    from bots where tenant_id = $1 group by provider`,
})

/**
 * Whether a flow may meet a closed window: of the bots that answer with it, else of all that the tenant has, one may send
 * only templates 24 hours after the customer last wrote. True where there is no bot yet.
 */
export async function mayMeetClosedWindow(tx: Transaction, tenantId: string, flowId: string): Promise<boolean> {
  const rows = await tx.run(selectProviders, { tenant_id: tenantId, flow_id: flowId })
  const answering = rows.filter(row => row.answers)
  const counted = answering.length > 0 ? answering : rows
  return counted.length === 0 || counted.some(({ provider }) => hasWindow(provider))
}

function hasWindow(provider: string): boolean {
  const known = providerNames.find(name => name === provider)
  return known === undefined || capabilitiesOf(known, {}).hasWindow
}
