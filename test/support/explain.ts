import type { ReservedSQL, SQL } from 'bun'
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
  /** The index by which each table was read, as `table.index`; `table.` where it was not read in the order of one. */
  readonly indexes: readonly string[]
}

type Plan = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Loops': number
  readonly 'Actual Rows': number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly Plan[]
}

/** As whom a statement is run: a tenant's request, or one of the program's other roles. */
type Asker = { readonly role: string; readonly tenantId: string }

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
  const asker = tenantId === null ? workerAsker : { role: 'dashoffice_app', tenantId }
  const [one, ...more] = await explainAll(connection, asker, cacheMode, list)
  if (one === undefined || more.length > 0) throw new Error('A list runs one statement')
  return one
}

const workerAsker: Asker = { role: 'dashoffice_worker', tenantId: '' }

/** Explains all statements of some work, each of which returns nothing, and what it does is done. */
export async function explainAll(
  connection: ReservedSQL,
  { role, tenantId }: Asker,
  cacheMode: (typeof cacheModes)[number],
  work: (tx: Transaction) => Promise<unknown>,
): Promise<readonly Explained[]> {
  const explained: Explained[] = []
  let asked = 0
  await connection.begin(async sql => {
    await sql.unsafe(`set local plan_cache_mode = ${cacheMode}`)
    await sql`select set_config('role', ${role}, true), set_config('app.tenant_id', ${tenantId}, true)`
    await work({
      async run(statement, values) {
        const given = statement.params.map(param => literal(Reflect.get(values, param)))
        explained.push(await explain(sql, `explained_${++asked}`, statement, given))
        return []
      },
    })
  })
  return explained
}

async function explain(
  sql: SQL,
  prepared: string,
  statement: { readonly name: string; readonly sql: string },
  given: readonly string[],
): Promise<Explained> {
  await sql.unsafe(`prepare ${prepared} as ${statement.sql}`)
  const call = given.length === 0 ? prepared : `${prepared} (${given.join(', ')})`
  const [row] = await sql.unsafe(`explain (analyze, buffers, format json) execute ${call}`)
  await sql.unsafe(`deallocate ${prepared}`)
  const plan: Plan = row['QUERY PLAN'][0].Plan
  return {
    name: statement.name,
    buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    rows: plan['Actual Rows'],
    scans: scansOf(plan),
    indexes: indexesOf(plan),
  }
}

/** A parameter as it stands in SQL. */
export function literal(value: Parameter): string {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text =
    value instanceof Date
      ? value.toISOString()
      : Array.isArray(value)
        ? `{${value.map(element).join(',')}}`
        : String(value)
  return `'${text.replaceAll("'", "''")}'`
}

function element(item: string | number | boolean | null): string {
  return typeof item === 'string' ? JSON.stringify(item) : String(item)
}

function indexesOf(plan: Plan): string[] {
  const table = plan['Relation Name']
  const own = table === undefined || plan['Actual Loops'] === 0 ? [] : [`${table}.${plan['Index Name'] ?? ''}`]
  return [...own, ...(plan.Plans ?? []).flatMap(indexesOf)]
}

/** How each table was read, as far as it was. */
function scansOf(plan: Plan): string[] {
  const table = plan['Relation Name']
  const own = table === undefined || plan['Actual Loops'] === 0 ? [] : [`${plan['Node Type']} ${table}`]
  return [...own, ...(plan.Plans ?? []).flatMap(scansOf)]
}
