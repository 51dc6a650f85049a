import { Duration } from '@marcbachmann/cel-js/evaluator'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/**
 * JSON as CEL sees it: a whole number becomes an int (BigInt), any other number stays a double, deep in lists and
 * objects too. What holds no whole number is returned as it is, not copied.
 */
export function toCel(value: Json): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value
  return isJsonObject(value) ? objectToCel(value) : listToCel(value)
}

function listToCel(list: readonly Json[]): unknown {
  const converted = list.map(toCel)
  return converted.some((item, index) => item !== list[index]) ? converted : list
}

function objectToCel(object: JsonObject): unknown {
  let copy: Record<string, unknown> | undefined
  for (const key of Object.keys(object)) {
    const item = object[key] ?? null
    const converted = toCel(item)
    if (converted === item) continue
    copy ??= { ...object }
    copy[key] = converted
  }
  return copy ?? object
}

/**
 * A CEL result as JSON: ints become numbers, timestamps RFC 3339 text, durations text like "90s".
 * Throws an Error in plain words for what JSON can't hold exactly (an int beyond 2^53, NaN, bytes, a type).
 */
export function toJson(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'bigint':
      return intToNumber(value)
    case 'number':
      if (Number.isFinite(value)) return value
      throw new Error(`the result ${value} is not a number that can be kept`)
    case 'object':
      return objectToJson(value)
    default:
      throw new Error(`a result of type ${typeof value} can't be kept`)
  }
}

function intToNumber(value: bigint): number {
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new Error(`the whole number ${value} is too large`)
}

function objectToJson(value: object | null): Json {
  if (value === null) return null
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Duration) return value.toString()
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new Error("a result of this type can't be kept")
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]))
}

/** A CEL result inside a text: null is empty, text is itself, lists and objects are their JSON. Throws like `toJson`. */
export function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  if (typeof value === 'bigint') return value.toString()
  const json = toJson(value)
  return typeof json === 'string' ? json : JSON.stringify(json)
}
