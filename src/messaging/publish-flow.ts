import { type CheckOptions, checkFlow, type Finding } from '../flow/check.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

const lockDraft = statement({
  name: 'flow_lock_draft',
  params: ['tenant_id', 'id'],
  row: { name: 'text', document: 'jsonb', published_version: nullable('int4') },
  sql: 'select name, document, published_version from flows where tenant_id = $1 and id = $2 for no key update',
})

const selectPublishedNames = statement({
  name: 'flow_published_names',
  params: ['tenant_id'],
  row: { name: 'text' },
  sql: 'select name from flows where tenant_id = $1 and published_version is not null',
})

const insertVersion = statement({
  name: 'flow_version_insert',
  params: ['tenant_id', 'flow_id', 'version', 'document', 'published_by'],
  row: {},
  sql: `insert into flow_versions (tenant_id, flow_id, version, document, published_by)
    values ($1, $2, $3, $4::text::jsonb, $5)`,
})

const setPublished = statement({
  name: 'flow_set_published',
  params: ['tenant_id', 'id', 'version'],
  row: {},
  sql: 'update flows set published_version = $3 where tenant_id = $1 and id = $2',
})

const versionRow = {
  version: 'int4',
  document: json<FlowDocument>(),
  published_by: nullable('uuid'),
  published_at: 'timestamptz',
} as const

/** One published version, which never changes. */
export type FlowVersion = RowOf<typeof versionRow>

const selectVersions = statement({
  name: 'flow_version_list',
  params: ['tenant_id', 'flow_id', 'before_version', 'limit'],
  row: versionRow,
  sql: `select version, document, published_by, published_at from flow_versions
    where tenant_id = $1 and flow_id = $2 and version < $3::int order by version desc limit $4`,
})

const selectVersion = statement({
  name: 'flow_version_find',
  params: ['tenant_id', 'flow_id', 'version'],
  row: versionRow,
  sql: `select version, document, published_by, published_at from flow_versions
    where tenant_id = $1 and flow_id = $2 and version = $3::int`,
})

/** What came of publishing. */
export type FlowPublished =
  | { readonly kind: 'published'; readonly version: number; readonly warnings: readonly Finding[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly findings: readonly Finding[] }

/**
 * Checks a flow's draft and makes it the next version: new runs take it, running ones end on the version they began
 * with. `handlers` are the actions it may call.
 */
export async function publishFlow(
  tx: Transaction,
  flow: {
    readonly tenantId: string
    readonly id: string
    /** Who publishes it; null for a program. */
    readonly userId: string | null
    readonly handlers: CheckOptions['handlers']
  },
): Promise<FlowPublished> {
  const { tenantId, id, userId, handlers } = flow
  const [draft] = await tx.run(lockDraft, { tenant_id: tenantId, id })
  if (draft === undefined) return { kind: 'unknown' }
  // A flow may call itself: it is published once this is done.
  const flows = new Set([draft.name, ...(await publishedNames(tx, tenantId))])
  const checked = checkFlow(draft.document, { handlers, flows })
  if (!checked.ok) return { kind: 'refused', findings: checked.findings }
  const version = (draft.published_version ?? 0) + 1
  const document = JSON.stringify(checked.document)
  await tx.run(insertVersion, { tenant_id: tenantId, flow_id: id, version, document, published_by: userId })
  await tx.run(setPublished, { tenant_id: tenantId, id, version })
  return { kind: 'published', version, warnings: checked.warnings }
}

/** The names of a tenant's published flows: those that others may call. */
export async function publishedNames(tx: Transaction, tenantId: string): Promise<string[]> {
  return (await tx.run(selectPublishedNames, { tenant_id: tenantId })).map(published => published.name)
}

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

const versionMax = 2_147_483_647

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
    before_version: page.beforeVersion ?? versionMax,
    limit: page.limit,
  })
}
