import { firstId } from '../../lib/ids.ts'

/** A key of three columns, as text. */
export type Key = readonly [string, string, string]

/** A part of a source: at most `limit` rows after `key` of the transaction `from`, and of those after it but before `below`. */
export type Part = { readonly from: number; readonly key: Key; readonly below: number; readonly limit: number }

/** Before every key there is: ids, and numbers, both come after it. */
export function keyOf(key: readonly string[], last: string): Key {
  const [first = firstId, second = firstId, third = last] = key
  return [first, second, third]
}
