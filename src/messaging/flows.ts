import { type Ids, lastId } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import { isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

const columns = 'id, name, document, published_version, created_at, updated_at'
const row = {
  id: 'uuid',
  name: 'text',
  document: json<DraftDocument>(),
  published_version: nullable('int4'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A document as its author left it: it has a name, and need not be complete until it is published. */
export type DraftDocument = { readonly name: string } & { readonly [key: string]: Json }

/** A flow with its draft. */
export type Flow = RowOf<typeof row>

const insertFlow = statement({
  name: 'flow_insert',
  params: ['tenant_id', 'id', 'name', 'document'],
  row,
  sql: `insert into flows (tenant_id, id, name, document) values ($1, $2, $3, $4::text::jsonb) returning ${columns}`,
})

const updateDraft = statement({
  name: 'flow_update',
  params: ['tenant_id', 'id', 'name', 'document'],
  row,
  sql: `update flows set name = $3, document = $4::text::jsonb, updated_at = now()
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

// The filters have no index of their own: a tenant's flows are few, and read by the primary key in the order of the list.
const selectPage = statement({
  name: 'flow_list',
  params: ['tenant_id', 'before_id', 'published', 'search', 'limit'],
  row,
  sql: `select ${columns} from flows
    where tenant_id = $1 and id < $2::uuid and ($3::bool is null or (published_version is not null) = $3)
      and ($4::text is null or position(plain_text($4) in plain_text(name)) > 0)
    order by id desc limit $5`,
})

const selectOne = statement({
  name: 'flow_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from flows where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'flow_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from flows where tenant_id = $1 and id = $2 for update`,
})

const findUser = statement({
  name: 'flow_find_bot',
  params: ['tenant_id', 'flow_id'],
  row: { name: 'text' },
  sql: 'select name from bots where tenant_id = $1 and (flow_id = $2 or $2 = any (flow_ids)) limit 1',
})

// What is published calls it by the name that it is published under; that it calls itself is nobody else's business.
const selectCallers = statement({
  name: 'flow_callers',
  params: ['tenant_id', 'id', 'limit'],
  row: { name: 'text' },
  sql: `select coalesce(f.published_name, f.name) as name
    from flows called
    join flows f on f.tenant_id = called.tenant_id and f.id <> called.id
    join flow_versions v on v.tenant_id = f.tenant_id and v.flow_id = f.id and v.version = f.published_version
    where called.tenant_id = $1 and called.id = $2 and jsonb_path_exists(v.document,
      '$.steps.* ? (@.type == "flow" && @.flow == $name)', jsonb_build_object('name', called.published_name))
    order by 1 limit $3`,
})

/** Callers that a refusal names. */
const callersMax = 5

const deleteRow = statement({
  name: 'flow_delete',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from flows where tenant_id = $1 and id = $2',
})

/** What came of writing a flow. */
export type FlowWritten =
  | { readonly kind: 'written'; readonly flow: Flow }
  | { readonly kind: 'unknown' }
  /** Another flow of the tenant has the name. The transaction is spent: let it roll back. */
  | { readonly kind: 'name_taken' }

/** Adds a flow as a draft. */
export async function createFlow(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  document: DraftDocument,
): Promise<FlowWritten> {
  const text = JSON.stringify(document)
  return await written(tx.run(insertFlow, { tenant_id: tenantId, id: ids.next(), name: document.name, document: text }))
}

/** Replaces the draft. What is published stays as it is. */
export async function updateFlow(
  tx: Transaction,
  tenantId: string,
  id: string,
  document: DraftDocument,
): Promise<FlowWritten> {
  const text = JSON.stringify(document)
  return await written(tx.run(updateDraft, { tenant_id: tenantId, id, name: document.name, document: text }))
}

async function written(rows: Promise<Flow[]>): Promise<FlowWritten> {
  try {
    const [flow] = await rows
    return flow === undefined ? { kind: 'unknown' } : { kind: 'written', flow }
  } catch (error) {
    if (isDuplicate(error, 'flows_name')) return { kind: 'name_taken' }
    throw error
  }
}

/** Newest first; `beforeId` is the last one of the page before. `search`: part of the name. */
export async function listFlows(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly published: boolean | null
    readonly search: string | null
    readonly limit: number
  },
): Promise<Flow[]> {
  const { tenantId, beforeId, published, search, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, published, search, limit })
}

/** One flow, held against every other change until the transaction ends. */
export async function lockFlow(tx: Transaction, tenantId: string, id: string): Promise<Flow | undefined> {
  const [flow] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return flow
}

/** Undefined where the tenant has no such flow. */
export async function findFlow(tx: Transaction, tenantId: string, id: string): Promise<Flow | undefined> {
  const [flow] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return flow
}

/** The names of some other published flows that call this one as it is published; none where it is not. */
export async function findCallers(tx: Transaction, tenantId: string, id: string): Promise<readonly string[]> {
  return (await tx.run(selectCallers, { tenant_id: tenantId, id, limit: callersMax })).map(caller => caller.name)
}

/** What came of deleting a flow; `used` names a bot that answers with it, `called` other published flows that call it. */
export type FlowDeleted =
  | { readonly kind: 'deleted' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'used'; readonly botName: string }
  | { readonly kind: 'called'; readonly callers: readonly string[] }

/** Removes a flow and its versions, unless a bot answers with it or another published flow calls it. A conversation that is in it goes to a person. */
export async function deleteFlow(tx: Transaction, tenantId: string, id: string): Promise<FlowDeleted> {
  // The lock holds off a bot that is about to take it.
  if ((await lockFlow(tx, tenantId, id)) === undefined) return { kind: 'unknown' }
  const [bot] = await tx.run(findUser, { tenant_id: tenantId, flow_id: id })
  if (bot !== undefined) return { kind: 'used', botName: bot.name }
  const callers = await findCallers(tx, tenantId, id)
  if (callers.length > 0) return { kind: 'called', callers }
  await tx.run(deleteRow, { tenant_id: tenantId, id })
  return { kind: 'deleted' }
}
