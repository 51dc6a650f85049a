import { type Ids, idAt, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { Caller } from './callers.ts'

const insertEntry = statement({
  name: 'audit_insert',
  params: [
    'tenant_id',
    'id',
    'actor_kind',
    'actor_id',
    'action',
    'resource',
    'resource_id',
    'before',
    'after',
    'address',
    'user_agent',
    'request_id',
    'at',
  ],
  row: {},
  sql: `insert into audit_log (tenant_id, id, actor_kind, actor_id, action, resource, resource_id, before, after, address,
      user_agent, request_id, at)
    values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9::text::jsonb, $10, $11, $12, $13)`,
})

const entryRow = {
  id: 'uuid',
  actor_kind: 'text',
  actor_id: 'uuid',
  actor_name: nullable('text'),
  action: 'text',
  resource: 'text',
  resource_id: nullable('uuid'),
  before: nullableJson<Readonly<Record<string, unknown>>>(),
  after: nullableJson<Readonly<Record<string, unknown>>>(),
  address: nullable('text'),
  user_agent: nullable('text'),
  request_id: 'text',
  at: 'timestamptz',
} as const

/** A line of the audit log. `actor_name` is null where the user or the key is gone. */
export type AuditEntry = RowOf<typeof entryRow>

const pageParams = [
  'tenant_id',
  'before_id',
  'from_id',
  'actor_id',
  'resource',
  'resource_id',
  'action',
  'from',
  'to',
  'limit',
] as const

/** What a list can be led by, besides the id: each has its index. */
const led = { actor_id: '$4::uuid', resource: '$5::text', resource_id: '$6::uuid', action: '$7::text' } as const

/**
 * A page of lines that begins where the index on a column and the id does. They are compared as rows, not one by one: so
 * no other index will do, which could read a million lines to find the few that fit. The other filters pick from those.
 */
function selectPage(name: string, column?: keyof typeof led) {
  const keys = column === undefined ? ['l.id'] : [`l.${column}`, 'l.id']
  const value = column === undefined ? '' : `${led[column]}, `
  const filters = Object.entries(led).filter(([other]) => other !== column)
  return statement({
    name,
    params: pageParams,
    row: entryRow,
    sql: `select a.id, a.actor_kind, a.actor_id, coalesce(u.name, k.name) as actor_name, a.action, a.resource,
        a.resource_id, a.before, a.after, a.address, a.user_agent, a.request_id, a.at
      from (
        select l.* from audit_log l
        where l.tenant_id = $1 ${column === undefined ? '' : `and l.${column} is not null`}
          and (${keys.join(', ')}) < (${value}$2::uuid) and (${keys.join(', ')}) >= (${value}$3::uuid)
          ${filters.map(([other, given]) => `and (${given} is null or l.${other} = ${given})`).join(' ')}
          and ($8::timestamptz is null or l.at >= $8) and ($9::timestamptz is null or l.at < $9)
        order by ${keys.map(key => `${key} desc`).join(', ')} limit $10
      ) a
      left join users u on u.tenant_id = a.tenant_id and u.id = a.actor_id
      left join api_keys k on k.tenant_id = a.tenant_id and k.id = a.actor_id
      order by a.id desc`,
  })
}

const selectNewest = selectPage('audit_list')
const selectOfActor = selectPage('audit_list_of_actor', 'actor_id')
const selectByAction = selectPage('audit_list_by_action', 'action')
const selectByResource = selectPage('audit_list_by_resource', 'resource')
const selectOfThing = selectPage('audit_list_of_thing', 'resource_id')

/** Who does something. */
export type Actor = Pick<Caller, 'kind' | 'id' | 'tenantId'>

/** From where and when something is done. */
export type Origin = {
  readonly address: string | null
  readonly userAgent: string | null
  readonly requestId: string
  readonly at: Date
}

/** Appends a line, in the transaction of the change itself. `before` and `after` hold no secrets. */
export async function recordAudit(
  tx: Transaction,
  ids: Ids,
  actor: Actor,
  entry: Origin & {
    readonly action: string
    readonly resource: string
    readonly id: string | null
    readonly before: object | null
    readonly after: object | null
  },
): Promise<void> {
  await tx.run(insertEntry, {
    tenant_id: actor.tenantId,
    id: ids.next(),
    actor_kind: actor.kind,
    actor_id: actor.id,
    action: entry.action,
    resource: entry.resource,
    resource_id: entry.id,
    before: entry.before && JSON.stringify(entry.before),
    after: entry.after && JSON.stringify(entry.after),
    address: entry.address,
    user_agent: entry.userAgent,
    request_id: entry.requestId,
    at: entry.at,
  })
}

/** What a list of lines is narrowed by; null takes everything. */
export type AuditFilter = {
  readonly actorId: string | null
  readonly resource: string | null
  readonly resourceId: string | null
  readonly action: string | null
  /** At this time or later. */
  readonly from: Date | null
  /** Before. */
  readonly to: Date | null
}

/** A line's id is made when it is written, a moment after its time. */
const writtenWithinMs = 60_000

/** Newest first; `beforeId` is the last one of the page before. */
export async function listAudit(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number } & AuditFilter,
): Promise<AuditEntry[]> {
  const { tenantId, beforeId, limit, actorId, resource, resourceId, action, from, to } = page
  const toId = to === null ? lastId : idAt(to.getTime() + writtenWithinMs)
  return await tx.run(byBestIndex(page), {
    tenant_id: tenantId,
    before_id: beforeId !== null && beforeId < toId ? beforeId : toId,
    from_id: idAt(from?.getTime() ?? 0),
    ...{ actor_id: actorId, resource, resource_id: resourceId, action, from, to, limit },
  })
}

/** The one that leaves least to look at. */
function byBestIndex(filter: AuditFilter) {
  if (filter.resourceId !== null) return selectOfThing
  if (filter.actorId !== null) return selectOfActor
  if (filter.action !== null) return selectByAction
  return filter.resource === null ? selectNewest : selectByResource
}
