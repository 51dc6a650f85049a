import { type CheckOptions, checkFlow, type Finding } from '../flow/check.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { mayMeetClosedWindow } from './bots-of-flow.ts'
import { findFlowVersion } from './flow-versions.ts'
import { type Flow, findCallers, updateFlow } from './flows.ts'

const lockFlow = statement({
  name: 'flow_lock_draft',
  params: ['tenant_id', 'id'],
  row: { document: 'jsonb', published_version: nullable('int4'), published_name: nullable('text') },
  sql: 'select document, published_version, published_name from flows where tenant_id = $1 and id = $2 for no key update',
})

const selectPublishedNames = statement({
  name: 'flow_published_names',
  params: ['tenant_id'],
  row: { name: 'text' },
  sql: 'select published_name as name from flows where tenant_id = $1 and published_name is not null',
})

// Until the transaction ends none of them is removed or published under another name.
const lockOtherNames = statement({
  name: 'flow_lock_published_names',
  params: ['tenant_id', 'id'],
  row: { name: 'text' },
  sql: `select published_name as name from flows where tenant_id = $1 and id <> $2 and published_name is not null
    order by id for key share`,
})

const insertVersion = statement({
  name: 'flow_version_insert',
  params: ['tenant_id', 'flow_id', 'version', 'document', 'published_by', 'note', 'restored_from'],
  row: {},
  sql: `insert into flow_versions (tenant_id, flow_id, version, document, published_by, note, restored_from)
    values ($1, $2, $3, $4::text::jsonb, $5, $6, $7)`,
})

const setPublished = statement({
  name: 'flow_set_published',
  params: ['tenant_id', 'id', 'version', 'name'],
  row: {},
  sql: 'update flows set published_version = $3, published_name = $4 where tenant_id = $1 and id = $2',
})

/** What is published, by whom, and what it may call. */
export type Publication = {
  readonly tenantId: string
  /** The flow's. */
  readonly id: string
  /** Who publishes it; null for a program. */
  readonly userId: string | null
  readonly note?: string | null
  readonly handlers: CheckOptions['handlers']
  /** Why the publisher may not have a flow call this action; null where they may. Without it they may call all. */
  readonly refusalOf?: (handler: string) => string | null
}

/** What came of publishing. */
export type FlowPublished =
  | { readonly kind: 'published'; readonly version: number; readonly warnings: readonly Finding[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly findings: readonly Finding[] }
  /** Another flow is published under its name. */
  | { readonly kind: 'name_published' }
  /** It would be published under another name, while these call it by the one it has. */
  | { readonly kind: 'called'; readonly as: string; readonly callers: readonly string[] }
  /** The flow is good, but calls actions that its publisher may not. */
  | { readonly kind: 'forbidden'; readonly faults: readonly Fault[] }

type Fault = { readonly path: string; readonly message: string }

/**
 * Checks a flow's draft and makes it the next version: new runs take it, running ones end on the version they began
 * with.
 */
export async function publishFlow(tx: Transaction, publication: Publication): Promise<FlowPublished> {
  const draft = await lockForPublishing(tx, publication)
  return draft === undefined ? { kind: 'unknown' } : await publish(tx, publication, draft, draft.document, null)
}

/** What came of publishing an old version again. */
export type FlowRolledBack =
  | FlowPublished
  | { readonly kind: 'unknown_version' }
  /** It is the one that is published. */
  | { readonly kind: 'current' }
  /** Its name, which the draft was to get, is another flow's. The transaction is spent: let it roll back. */
  | { readonly kind: 'name_taken' }

/**
 * Makes the document of an earlier version the next version, as it was: checked as it would be today, since what it calls
 * may be gone. The draft stays as it is, unless `withDraft`.
 */
export async function rollBackFlow(
  tx: Transaction,
  publication: Publication & { readonly version: number; readonly withDraft: boolean },
): Promise<FlowRolledBack> {
  const { tenantId, id, version } = publication
  const draft = await lockForPublishing(tx, publication)
  if (draft === undefined) return { kind: 'unknown' }
  const old = await findFlowVersion(tx, tenantId, id, version)
  if (old === undefined) return { kind: 'unknown_version' }
  if (version === draft.published_version) return { kind: 'current' }
  if (publication.withDraft) {
    const written = await updateFlow(tx, tenantId, id, old.document)
    if (written.kind !== 'written') return { kind: written.kind }
  }
  return await publish(tx, publication, draft, old.document, version)
}

type Locked = Pick<Flow, 'published_version'> & { readonly document: unknown; readonly published_name: string | null }

async function lockForPublishing(tx: Transaction, { tenantId, id }: Publication): Promise<Locked | undefined> {
  const [draft] = await tx.run(lockFlow, { tenant_id: tenantId, id })
  return draft
}

async function publish(
  tx: Transaction,
  { tenantId, id, userId, note = null, handlers, refusalOf = () => null }: Publication,
  flow: Locked,
  given: unknown,
  restoredFrom: number | null,
): Promise<FlowPublished> {
  const others = (await tx.run(lockOtherNames, { tenant_id: tenantId, id })).map(other => other.name)
  // A flow may call itself: it is published once this is done.
  const flows = new Set([...namesIn(given), ...others])
  const hasWindow = await mayMeetClosedWindow(tx, tenantId, id)
  const checked = checkFlow(given, { handlers, flows, hasWindow })
  if (!checked.ok) return { kind: 'refused', findings: checked.findings }
  const faults = forbiddenCalls(checked.document, refusalOf)
  if (faults.length > 0) return { kind: 'forbidden', faults }
  const { name } = checked.document
  if (others.includes(name)) return { kind: 'name_published' }
  const callers =
    flow.published_name === null || flow.published_name === name ? [] : await findCallers(tx, tenantId, id)
  if (flow.published_name !== null && callers.length > 0) return { kind: 'called', as: flow.published_name, callers }
  const version = (flow.published_version ?? 0) + 1
  const document = JSON.stringify(checked.document)
  const origin = { published_by: userId, note, restored_from: restoredFrom }
  await tx.run(insertVersion, { tenant_id: tenantId, flow_id: id, version, document, ...origin })
  await tx.run(setPublished, { tenant_id: tenantId, id, version, name })
  return { kind: 'published', version, warnings: checked.warnings }
}

function namesIn(document: unknown): readonly string[] {
  const isNamed = typeof document === 'object' && document !== null && 'name' in document
  return isNamed && typeof document.name === 'string' ? [document.name] : []
}

function forbiddenCalls({ steps }: FlowDocument, refusalOf: (handler: string) => string | null): Fault[] {
  return Object.entries(steps).flatMap(([step, content]) => {
    const message = content.type === 'action' ? refusalOf(content.handler) : null
    return message === null ? [] : [{ path: `steps.${step}.handler`, message }]
  })
}

/** The names that a tenant's flows are published under: those that others may call. */
export async function publishedNames(tx: Transaction, tenantId: string): Promise<string[]> {
  return (await tx.run(selectPublishedNames, { tenant_id: tenantId })).map(published => published.name)
}
