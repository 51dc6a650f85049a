import type { ReservedSQL, SQL } from 'bun'
import type { Database } from '../../src/stores/postgres/database.ts'
import {
  type Columns,
  execute,
  type Parameter,
  type RowOf,
  type Statement,
} from '../../src/stores/postgres/statement.ts'
import { type cacheModes, literal } from './explain.ts'

/** One read of one table, as a statement has made it. */
export type Read = {
  readonly statement: string
  readonly table: string
  readonly node: string
  /** Null where it was not read by an index. */
  readonly index: string | null
  /** How often it was read, each time for another row of what it is joined to. */
  readonly loops: number
  /** Rows that were read and were none of those looked for, together. */
  readonly removed: number
}

type Plan = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Plan[]
}

/**
 * A database that explains each statement, undoes that, and then runs it. `reads`: all that was read, in the plans that
 * PostgreSQL makes for the values or for any.
 */
export function makeExplainingDatabase(
  connection: ReservedSQL,
  cacheMode: (typeof cacheModes)[number],
): Pick<Database, 'transaction' | 'read'> & { readonly reads: Read[] } {
  const reads: Read[] = []
  const transaction: Database['transaction'] = async (scope, work) =>
    await connection.begin(async sql => {
      const tenantId = scope.role === 'app' ? scope.tenantId : ''
      await sql`select set_config('role', ${`dashoffice_${scope.role}`}, true), set_config('app.tenant_id', ${tenantId}, true)`
      await sql.unsafe(`set local plan_cache_mode = ${cacheMode}`)
      let last: Promise<unknown> = Promise.resolve()
      return await work({
        run<P extends readonly string[], C extends Columns>(
          statement: Statement<P, C>,
          values: Readonly<Record<P[number], Parameter>>,
        ): Promise<RowOf<C>[]> {
          const rows = last.then(async () => {
            reads.push(...(await explain(sql, statement, values)))
            return await execute(sql, statement, values)
          })
          last = rows.catch(() => undefined)
          return rows
        },
      })
    })
  return { reads, transaction, read: transaction }
}

async function explain(
  sql: SQL,
  statement: { readonly name: string; readonly sql: string; readonly params: readonly string[] },
  values: object,
): Promise<Read[]> {
  const given = statement.params.map(param => literal(Reflect.get(values, param)))
  await sql.unsafe('savepoint explained')
  await sql.unsafe(`prepare explained as ${statement.sql}`)
  const call = given.length === 0 ? 'explained' : `explained (${given.join(', ')})`
  const [row] = await sql.unsafe(`explain (analyze, format json) execute ${call}`)
  await sql.unsafe('rollback to savepoint explained')
  await sql.unsafe('deallocate explained')
  return readsOf(statement.name, row['QUERY PLAN'][0].Plan)
}

function readsOf(statement: string, plan: Plan): Read[] {
  const table = plan['Relation Name']
  const loops = plan['Actual Loops']
  const removed = ((plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Index Recheck'] ?? 0)) * loops
  const own =
    table === undefined || loops === 0 || plan['Node Type'] === 'ModifyTable'
      ? []
      : [{ statement, table, node: plan['Node Type'], index: plan['Index Name'] ?? null, loops, removed }]
  return [...own, ...(plan.Plans ?? []).flatMap(part => readsOf(statement, part))]
}
