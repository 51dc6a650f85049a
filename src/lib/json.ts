export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * A text that PostgreSQL can hold: NUL (which neither text nor jsonb takes) and lone surrogates (which jsonb refuses)
 * become U+FFFD. Everything else is kept as written.
 */
export function storableText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.includes('\0') ? whole.replaceAll('\0', '\ufffd') : whole
}

/** The same for every text in a JSON value, keys included. */
export function storableJson(value: Json): Json {
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map(storableJson)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storableText(key), storableJson(item)]))
}
