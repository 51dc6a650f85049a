import type { ReservedSQL } from 'bun'
import type { Transaction } from '../../src/stores/postgres/database.ts'
import type { Parameter } from '../../src/stores/postgres/statement.ts'

/** With the plan that PostgreSQL makes for the values, and with the one it may keep for any. */
export const cacheModes = ['force_custom_plan', 'force_generic_plan'] as const

/** How a statement was run: the pages it touched, its rows, and how each table was read. */
export type Explained = {
  readonly name: string
  readonly buffers: number
  readonly rows: number
  readonly scans: readonly string[]
}

type Plan = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Loops': number
  readonly 'Actual Rows': number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly Plan[]
}

/**
 * Explains the one statement of `list` instead of running it, as a transaction of a tenant's request would run it; null: as
 * one of the worker's.
 */
export async function explainList(
  connection: ReservedSQL,
  tenantId: string | null,
  cacheMode: (typeof cacheModes)[number],
  list: (tx: Transaction) => Promise<unknown>,
): Promise<Explained> {
  const explained: Explained[] = []
  await connection.begin(async sql => {
    await sql.unsafe(`set local plan_cache_mode = ${cacheMode}`)
    const role = tenantId === null ? 'dashoffice_worker' : 'dashoffice_app'
    await sql`select set_config('role', ${role}, true), set_config('app.tenant_id', ${tenantId ?? ''}, true)`
    await list({
      async run(statement, values) {
        const given = statement.params.map(param => literal(Reflect.get(values, param)))
        await sql.unsafe(`prepare explained as ${statement.sql}`)
        const [row] = await sql.unsafe(
          `explain (analyze, buffers, format json) execute explained (${given.join(', ')})`,
        )
        await sql.unsafe('deallocate explained')
        const plan: Plan = row['QUERY PLAN'][0].Plan
        explained.push({
          name: statement.name,
          buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
          rows: plan['Actual Rows'],
          scans: scansOf(plan),
        })
        return []
      },
    })
  })
  const [one, ...more] = explained
  if (one === undefined || more.length > 0) throw new Error('A list runs one statement')
  return one
}

function literal(value: Parameter): string {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text =
    value instanceof Date ? value.toISOString() : Array.isArray(value) ? `{${value.join(',')}}` : String(value)
  return `'${text.replaceAll("'", "''")}'`
}

/** How each table was read, as far as it was. */
function scansOf(plan: Plan): string[] {
  const table = plan['Relation Name']
  const own = table === undefined || plan['Actual Loops'] === 0 ? [] : [`${plan['Node Type']} ${table}`]
  return [...own, ...(plan.Plans ?? []).flatMap(scansOf)]
}
