import * as v from 'valibot'
import { type InboundContent, inboundContentSchema } from '../../flow/content.ts'
import { INBOUND_TEXT_LENGTH_MAX, REASON_LENGTH_MAX } from '../../flow/limits.ts'

/**
 * What was read of a customer's message, as content. What is none (a field missing, a text too long) becomes
 * `unsupported` with this reason: nothing that a customer wrote is dropped. Fields that are undefined are left out.
 */
export function contentOr(read: unknown, reason: string): InboundContent {
  const checked = v.safeParse(inboundContentSchema, withoutUndefined(read))
  return checked.success ? checked.output : unsupported(reason)
}

export function unsupported(reason: string): InboundContent {
  return { type: 'unsupported', reason: reason.slice(0, REASON_LENGTH_MAX) }
}

/** What the schema takes of a value, made into content; null where the value is something else. */
export function given<T>(schema: v.GenericSchema<unknown, T>, value: unknown, make: (value: T) => unknown): unknown {
  const parsed = v.safeParse(schema, value)
  return parsed.success ? make(parsed.output) : null
}

/** As much of a customer's text as is kept. */
export function cut(written: string): string {
  return written.slice(0, INBOUND_TEXT_LENGTH_MAX)
}

function withoutUndefined(content: unknown): unknown {
  if (typeof content !== 'object' || content === null) return content
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined))
}
