import * as v from 'valibot'
import { AppError } from '../lib/errors.ts'
import { writtenAs } from './json-schema.ts'

const limitDefault = 20
const limitMax = 100

const limitSchema = v.pipe(
  v.string(),
  v.regex(/^(?:[1-9]\d?|100)$/, `Must be a whole number from 1 to ${limitMax}`),
  v.transform(Number),
)

/** The query of a list. */
export const pageQuery = {
  limit: writtenAs(
    { type: 'integer', minimum: 1, maximum: limitMax, default: limitDefault },
    v.optional(limitSchema, String(limitDefault)),
  ),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(500), v.description('`next_cursor` of the page before'))),
}

/** The answer of a list. */
export function pageOf<TItem extends v.GenericSchema>(item: TItem) {
  return v.strictObject({ data: v.array(item), next_cursor: v.nullable(v.string()) })
}

/** One page out of rows of which one more than the page takes were asked for. */
export function toPage<TRow>(
  rows: readonly TRow[],
  limit: number,
  partsOf: (row: TRow) => CursorParts,
): { data: readonly TRow[]; next_cursor: string | null } {
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, next_cursor: last === undefined || rows.length <= limit ? null : cursorOf(partsOf(last)) }
}

/** What the next page begins after: the values that its list is ordered by. */
type CursorParts = readonly (string | number)[]

/** The text of a position in a list. */
export function cursorOf(parts: CursorParts): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** Reads a cursor that `toPage` made; null where none was given. Throws `invalid` for any other. */
export function readCursor<TSchema extends v.GenericSchema>(
  cursor: string | undefined,
  schema: TSchema,
): v.InferOutput<TSchema> | null {
  if (cursor === undefined) return null
  const parsed = v.safeParse(schema, decode(cursor))
  if (parsed.success) return parsed.output
  throw new AppError('invalid', 'The cursor is not one of this list.', [
    { path: 'cursor', message: 'Must be the next_cursor of the page before' },
  ])
}

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
