import type { Columns, RowOf, Statement, Values } from '../../../src/stores/postgres/statement.ts'
import type { Random } from '../world/random.ts'

export type AnyStatement = Statement<readonly string[], Columns>
export type AnyValues = Values<readonly string[]>
export type AnyRow = RowOf<Columns>

/** Memory of what was found out about a statement: there are few, and they stay. */
function remembered(find: (given: AnyStatement) => boolean): (given: AnyStatement) => boolean {
  const known = new WeakMap<AnyStatement, boolean>()
  return given => {
    const found = known.get(given) ?? find(given)
    known.set(given, found)
    return found
  }
}

/** Whether a statement says in what order its rows come: an order inside of parentheses says nothing of it. */
const hasOrder = remembered(({ sql }) => {
  let outside = sql.replace(/--.*/g, '')
  for (let before = ''; before !== outside; ) [before, outside] = [outside, outside.replace(/\([^()]*\)/g, '')]
  return /\border by\b/i.test(outside)
})

/** Rows come in any order, where their statement asks for none. */
export function inNoOrder(random: Random, given: AnyStatement, rows: AnyRow[]): AnyRow[] {
  if (rows.length < 2 || hasOrder(given)) return rows
  // Sorted before, so that the order in which the server had them does not count.
  const sorted = rows.map(row => [JSON.stringify(row), row] as const).sort(([a], [b]) => (a < b ? -1 : 1))
  return random.shuffled(sorted.map(([, row]) => row))
}

/** Whether a statement may change rows, rather than lock them. */
const writes = remembered(({ sql }) =>
  /\b(?:insert into|delete from|update \w+ )/i.test(sql.replace(/for (?:no key )?update/gi, '')),
)

/** Whether a statement that gave these rows has, as far as can be seen, changed any. */
export function hasChanged(given: AnyStatement, rows: readonly AnyRow[]): boolean {
  return writes(given) && (rows.length > 0 || Object.keys(given.row).length === 0)
}

/** What tells rows apart. What is sealed differs each time. */
export function digestOf(rows: readonly AnyRow[]): string {
  const text = JSON.stringify(rows, (key, value: unknown) => (key === 'sealed' ? '' : value))
  return Bun.hash(text).toString(36)
}
