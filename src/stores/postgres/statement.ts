import type { SQL } from 'bun'

/** PostgreSQL's type names as they stand in a declared row or parameter list, with the TypeScript type of each. */
type TypeOf = {
  uuid: string
  text: string
  bool: boolean
  int4: number
  int8: number
  float8: number
  timestamptz: Date
  bytea: Uint8Array
  /** Sent as text: PostgreSQL parses it. Received parsed. */
  jsonb: unknown
}
export type ColumnType = keyof TypeOf

/** A column of a row: a type's name, `nullable(name)`, or `json<T>()`. */
export type Column<T = unknown> = { readonly type: ColumnType; readonly nullable: boolean; readonly _type?: T }
export type Columns = Readonly<Record<string, ColumnType | Column>>

type ColumnValue<C> = C extends ColumnType ? TypeOf[C] : C extends Column<infer T> ? T : never
export type RowOf<C extends Columns> = { readonly [K in keyof C]: ColumnValue<C[K]> }

/** A column that may be null. */
export function nullable<T extends ColumnType>(type: T): Column<TypeOf[T] | null> {
  return { type, nullable: true }
}

/** A jsonb column whose values were written by this code from a T. */
export function json<T>(): Column<T> {
  return { type: 'jsonb', nullable: false }
}

export function nullableJson<T>(): Column<T | null> {
  return { type: 'jsonb', nullable: true }
}

export type Parameter =
  | string
  | number
  | boolean
  | Date
  | Uint8Array
  | null
  | readonly (string | number | boolean | null)[]

/**
 * One SQL statement. `name` is the label of its metric; `params` are names for its `$1…`, in order; `row` declares the
 * columns it returns, held against the migrated database by a test.
 */
export type Statement<P extends readonly string[], C extends Columns> = {
  readonly name: string
  readonly sql: string
  readonly params: P
  readonly row: C
  /** The columns that arrive as text and are numbers. */
  readonly numbers: readonly string[]
}

/** Every statement of the program that was loaded: what the test prepares. */
export const statements: Statement<readonly string[], Columns>[] = []

export function statement<const P extends readonly string[], const C extends Columns>(definition: {
  readonly name: string
  readonly params: P
  readonly row: C
  readonly sql: string
}): Statement<P, C> {
  const numbers = Object.entries(definition.row).flatMap(([name, column]) => (typeOf(column) === 'int8' ? [name] : []))
  const made = { ...definition, numbers }
  statements.push(made)
  return made
}

export function typeOf(column: ColumnType | Column): ColumnType {
  return typeof column === 'string' ? column : column.type
}

/** The values of a statement's parameters, by name. */
export type Values<P extends readonly string[]> = { readonly [K in P[number]]: Parameter }

/** Runs a statement on an open transaction. */
export async function execute<P extends readonly string[], C extends Columns>(
  sql: SQL,
  statement: Statement<P, C>,
  values: Values<P>,
): Promise<RowOf<C>[]> {
  const parameters = statement.params.map(name => encode(values[name as P[number]]))
  // Sent now, not when it is awaited: what is sent after it must come after it.
  const rows: RowOf<C>[] = await sql.unsafe(statement.sql, parameters).execute()
  return statement.numbers.length === 0 ? rows : rows.map(row => withNumbers(row, statement.numbers))
}

function withNumbers<R extends object>(row: R, names: readonly string[]): R {
  const numbers = names.map(name => [name, toNumber(Reflect.get(row, name))] as const)
  return Object.assign(row, Object.fromEntries(numbers))
}

function toNumber(value: unknown): number | null {
  return value === null ? null : Number(value)
}

function encode(value: Parameter): string | number | boolean | Date | Uint8Array | null {
  return Array.isArray(value) ? arrayLiteral(value) : (value as Exclude<Parameter, readonly unknown[]>)
}

/** PostgreSQL's text form of an array, which it takes for an array of any element type. */
function arrayLiteral(items: readonly (string | number | boolean | null)[]): string {
  let text = ''
  for (const item of items) text += `${text === '' ? '' : ','}${arrayElement(item)}`
  return `{${text}}`
}

function arrayElement(item: string | number | boolean | null): string {
  if (typeof item !== 'string') return item === null ? 'NULL' : String(item)
  return plainElement.test(item) ? item : `"${item.replace(/[\\"]/g, '\\$&')}"`
}

/** What needs no quotes in an array's text form: ids and plain words (but not `null`, any case). */
const plainElement = /^(?!null$)[0-9a-z_.:+-]+$/i
