import { JSON_DEPTH_MAX } from './limits.ts'

/** A value that survives a JSON round trip. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json }

/** Whether a value is a JSON object (not null, not a list). */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * About the length of the value's JSON (escapes are not counted), without writing it.
 * Infinity when it is nested deeper than JSON_DEPTH_MAX, or as soon as it is known to exceed `max`.
 */
export function jsonLength(value: Json, max: number, depth = 0): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value === 'number') return 8
  if (typeof value !== 'object' || value === null) return 5
  if (depth >= JSON_DEPTH_MAX) return Number.POSITIVE_INFINITY
  let length = 2
  const entries: Iterable<[string, Json]> = Array.isArray(value) ? value.map(item => ['', item]) : Object.entries(value)
  for (const [key, item] of entries) {
    length += key.length + 4 + jsonLength(item, max - length, depth + 1)
    if (length > max) return Number.POSITIVE_INFINITY
  }
  return length
}

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Whether unknown data is JSON within `lengthMax` and JSON_DEPTH_MAX, with finite numbers
 * and no key that could reach a prototype.
 */
export function isBoundedJson(value: unknown, lengthMax: number): value is Json {
  return isJson(value, 0) && jsonLength(value, lengthMax) <= lengthMax
}

function isJson(value: unknown, depth: number): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || depth >= JSON_DEPTH_MAX) return false
  if (Array.isArray(value)) return value.every(item => isJson(item, depth + 1))
  return Object.entries(value).every(([key, item]) => !FORBIDDEN_KEYS.has(key) && isJson(item, depth + 1))
}
