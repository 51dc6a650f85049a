import type { CheckOptions } from '../../flow/check.ts'
import type { Ids } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { createFlow } from '../flows.ts'
import { publishFlow } from '../publish-flow.ts'
import type { Language } from '../tenant-settings.ts'
import { readyFlows } from './ready-flows.ts'

/** Puts the ready flows of a language into a new tenant, published. `handlers` are the actions that flows may call. */
export async function installReadyFlows(
  tx: Transaction,
  ids: Ids,
  to: { readonly tenantId: string; readonly language: Language; readonly handlers: CheckOptions['handlers'] },
): Promise<void> {
  const { tenantId, handlers } = to
  for (const { kind, document } of readyFlows(to.language)) {
    const written = await createFlow(tx, ids, tenantId, document)
    if (written.kind !== 'written') throw new Error(`The ready flow ${kind} was not written: ${written.kind}`)
    const published = await publishFlow(tx, { tenantId, id: written.flow.id, userId: null, handlers })
    if (published.kind !== 'published') throw new Error(`The ready flow ${kind} was not published`)
  }
}
