import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { json, type Statement, statement } from '../../stores/postgres/statement.ts'

// The tables that hold rows of a tenant, as the database has them: whoever adds a table need not think of this.

const columnShape = json<readonly { readonly name: string; readonly type: string }[]>()

const findTables = statement({
  name: 'tenant_tables',
  params: [],
  row: { name: 'text', columns: columnShape, key: json<readonly string[]>() },
  sql: `select c.relname::text as name,
      (select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      (select coalesce(jsonb_agg(a.attname order by k.place), '[]')
        from pg_index i
        cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
        where i.indrelid = c.oid and i.indisprimary) as key
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
    order by c.relname`,
})

const findReferences = statement({
  name: 'tenant_table_references',
  params: [],
  row: { from: 'text', to: 'text' },
  sql: `select distinct c.conrelid::regclass::text as from, c.confrelid::regclass::text as to
    from pg_constraint c where c.contype = 'f' and c.conrelid <> c.confrelid and c.connamespace = 'public'::regnamespace`,
})

/** A table with a column `tenant_id`. `key`: the columns of its primary key. */
export type TenantTable = {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly key: readonly string[]
}

/** All of them: those that refer to others come before those. The role `privacy`. */
export async function readTenantTables(database: Database, tenantId: string): Promise<TenantTable[]> {
  return await database.transaction({ role: 'privacy', tenantId }, async tx => {
    const tables = await tx.run(findTables, {})
    return inOrder(tables, await tx.run(findReferences, {}))
  })
}

function inOrder(
  tables: readonly TenantTable[],
  references: readonly { readonly from: string; readonly to: string }[],
): TenantTable[] {
  const ordered: TenantTable[] = []
  let left = tables
  while (left.length > 0) {
    const names = new Set(left.map(table => table.name))
    const isReferredTo = (name: string) => references.some(({ from, to }) => to === name && names.has(from))
    const next = left.filter(table => !isReferredTo(table.name))
    if (next.length === 0) throw new Error(`Tables refer to each other in a circle: ${[...names].join(', ')}`)
    ordered.push(...next)
    left = left.filter(table => !next.includes(table))
  }
  return ordered
}

const rowText = { text: 'text', key: json<readonly (string | null)[]>() } as const

/** A page of a tenant's rows of a table as JSON, in the order of its key, from after a row. `omitted`: columns left out. */
export async function readRows(
  tx: Transaction,
  table: TenantTable,
  asked: {
    readonly tenantId: string
    readonly omitted: readonly string[]
    readonly after: readonly (string | null)[] | null
    readonly limit: number
  },
): Promise<readonly { readonly text: string; readonly key: readonly (string | null)[] }[]> {
  const { tenantId, omitted, after, limit } = asked
  const keys = table.key.filter(name => name !== 'tenant_id').map(name => columnOf(table, name))
  const position = keys.map((_, index) => `after_${index}`)
  const isAfter = `(${keys.map(key => `t.${key.name}`).join(', ')}) > (${keys.map((key, index) => `$${index + 4}::${key.type}`).join(', ')})`
  const page: Statement<readonly string[], typeof rowText> = {
    name: 'tenant_rows',
    params: ['tenant_id', 'omitted', 'limit', ...(after === null ? [] : position)],
    row: rowText,
    numbers: [],
    sql: `select (to_jsonb(t) - $2::text[])::text as text, jsonb_build_array(${keys.map(key => `t.${key.name}::text`).join(', ')}) as key
      from ${table.name} t
      where t.tenant_id = $1 ${after === null || keys.length === 0 ? '' : `and ${isAfter}`}
      order by ${keys.length === 0 ? '1' : keys.map(key => `t.${key.name}`).join(', ')} limit $3`,
  }
  const positions = Object.fromEntries(position.map((name, index) => [name, after?.[index] ?? null]))
  return await tx.run(page, { tenant_id: tenantId, omitted, limit, ...positions })
}

function columnOf({ name: table, columns }: TenantTable, name: string) {
  const column = columns.find(one => one.name === name)
  if (column === undefined) throw new Error(`${table} has no column ${name}`)
  return column
}

const removedRow = { removed: 'int4' } as const

/** Removes up to `limit` rows of a tenant from a table. Says how many. */
export async function removeRows(
  tx: Transaction,
  table: TenantTable,
  tenantId: string,
  limit: number,
): Promise<number> {
  const bite: Statement<readonly ['tenant_id', 'limit'], typeof removedRow> = {
    name: 'tenant_remove_rows',
    params: ['tenant_id', 'limit'],
    row: removedRow,
    numbers: [],
    // Of a log, a row may lie at the same place as another one of another day: which is the tenant's too, or is left.
    sql: `with gone as (
        delete from ${table.name} where tenant_id = $1 and ctid = any (array(
          select ctid from ${table.name} where tenant_id = $1 limit $2))
        returning 1)
      select count(*)::int as removed from gone`,
  }
  return (await tx.run(bite, { tenant_id: tenantId, limit }))[0]?.removed ?? 0
}
