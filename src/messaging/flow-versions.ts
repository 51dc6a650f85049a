import type { FlowDocument } from '../flow/document.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { DraftDocument } from './flows.ts'

const columns = 'version, document, note, restored_from, published_by, published_at'
const row = {
  version: 'int4',
  // What is stored is JSON too: no key of it is undefined.
  document: json<FlowDocument & DraftDocument>(),
  note: nullable('text'),
  restored_from: nullable('int4'),
  published_by: nullable('uuid'),
  published_at: 'timestamptz',
} as const

/** One published version, which never changes. `restored_from`: the earlier version that it publishes again. */
export type FlowVersion = RowOf<typeof row>

const selectVersions = statement({
  name: 'flow_version_list',
  params: ['tenant_id', 'flow_id', 'before_version', 'limit'],
  row,
  sql: `select ${columns} from flow_versions
    where tenant_id = $1 and flow_id = $2 and version < $3::int order by version desc limit $4`,
})

const selectVersion = statement({
  name: 'flow_version_find',
  params: ['tenant_id', 'flow_id', 'version'],
  row,
  sql: `select ${columns} from flow_versions where tenant_id = $1 and flow_id = $2 and version = $3::int`,
})

// A conversation that has the flow several times in its run counts for each version once.
const countRunning = statement({
  name: 'flow_running_count',
  params: ['tenant_id', 'flow_id'],
  row: { version: 'int4', conversations: 'int4' },
  sql: `select (frame ->> 'version')::int as version, count(distinct c.id)::int as conversations
    from conversations c cross join jsonb_array_elements(c.state #> '{run,frames}') as frame
    where c.tenant_id = $1 and c.status <> 'closed' and frame ->> 'flow_id' = $2::uuid::text
    group by 1 order by 1 desc`,
})

/** Undefined where the flow has no such version. */
export async function findFlowVersion(
  tx: Transaction,
  tenantId: string,
  flowId: string,
  version: number,
): Promise<FlowVersion | undefined> {
  const [found] = await tx.run(selectVersion, { tenant_id: tenantId, flow_id: flowId, version })
  return found
}

/** What a version's number is at most. */
export const flowVersionMax = 2_147_483_647

/** Newest first; `beforeVersion` is the last one of the page before. */
export async function listFlowVersions(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly flowId: string
    readonly beforeVersion: number | null
    readonly limit: number
  },
): Promise<FlowVersion[]> {
  return await tx.run(selectVersions, {
    tenant_id: page.tenantId,
    flow_id: page.flowId,
    before_version: page.beforeVersion ?? flowVersionMax,
    limit: page.limit,
  })
}

/** How many open conversations are in a run of each version of the flow, newest first; none is no row. Reads every open one. */
export async function countRunningByVersion(
  tx: Transaction,
  tenantId: string,
  flowId: string,
): Promise<{ readonly version: number; readonly conversations: number }[]> {
  return await tx.run(countRunning, { tenant_id: tenantId, flow_id: flowId })
}
