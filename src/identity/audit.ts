import { type Ids, lastId } from '../lib/ids.ts'
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

const selectPage = statement({
  name: 'audit_list',
  params: ['tenant_id', 'before_id', 'limit', 'actor_id', 'resource', 'resource_id', 'action', 'from', 'to'],
  row: entryRow,
  sql: `select a.id, a.actor_kind, a.actor_id, coalesce(u.name, k.name) as actor_name, a.action, a.resource, a.resource_id,
      a.before, a.after, a.address, a.user_agent, a.request_id, a.at
    from audit_log a
    left join users u on u.tenant_id = a.tenant_id and u.id = a.actor_id
    left join api_keys k on k.tenant_id = a.tenant_id and k.id = a.actor_id
    where a.tenant_id = $1 and a.id < $2::uuid
      and ($4::uuid is null or a.actor_id = $4) and ($5::text is null or a.resource = $5)
      and ($6::uuid is null or a.resource_id = $6) and ($7::text is null or a.action = $7)
      and ($8::timestamptz is null or a.at >= $8) and ($9::timestamptz is null or a.at < $9)
    order by a.id desc limit $3`,
})

/** Appends a line, in the transaction of the change itself. `before` and `after` hold no secrets. */
export async function recordAudit(
  tx: Transaction,
  ids: Ids,
  caller: Caller,
  entry: {
    readonly action: string
    readonly resource: string
    readonly id: string | null
    readonly before: object | null
    readonly after: object | null
    readonly address: string | null
    readonly userAgent: string | null
    readonly requestId: string
    readonly at: Date
  },
): Promise<void> {
  await tx.run(insertEntry, {
    tenant_id: caller.tenantId,
    id: ids.next(),
    actor_kind: caller.kind,
    actor_id: caller.id,
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

/** Newest first; a filter that is null takes everything. */
export async function listAudit(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly limit: number
    readonly actorId: string | null
    readonly resource: string | null
    readonly resourceId: string | null
    readonly action: string | null
    readonly from: Date | null
    readonly to: Date | null
  },
): Promise<AuditEntry[]> {
  const { tenantId, beforeId, limit, actorId, resource, resourceId, action, from, to } = page
  const filter = { actor_id: actorId, resource, resource_id: resourceId, action, from, to }
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, limit, ...filter })
}
