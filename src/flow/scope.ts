import { toCel } from './cel-values.ts'
import { type InboundContent, wordsOf } from './content.ts'
import type { Scope } from './expression.ts'
import type { Json, JsonObject } from './json.ts'
import { EXPRESSION_COST_MAX } from './limits.ts'
import type { ConversationState } from './state.ts'

/** What expressions may read besides the run's variables; `now` is in milliseconds since 1970. */
export type Context = {
  readonly now: number
  readonly customer: {
    readonly id: string
    readonly name: string | null
    readonly phone: string | null
    readonly email: string | null
    readonly variables: JsonObject
  }
  readonly conversation: { readonly id: string; readonly bot_id: string }
}

/**
 * What names mean to the expressions of one call, and what they may spend. `current` gives the state at that moment,
 * `content` is the message of this call. Objects are converted once, when first read.
 */
export function scopeOf(current: () => ConversationState, content: InboundContent | null, context: Context): Scope {
  const converted = new Map<Json, unknown>()
  const convert = (value: Json): unknown => {
    if (typeof value !== 'object' || value === null) return toCel(value)
    if (!converted.has(value)) converted.set(value, toCel(value))
    return converted.get(value)
  }
  const lookup = (name: string): unknown => {
    const variables = current().run?.variables
    if (variables !== undefined && Object.hasOwn(variables, name)) return convert(variables[name] ?? null)
    switch (name) {
      case 'customer':
        return convert(context.customer)
      case 'conversation':
        return context.conversation
      case 'message':
        return { type: content?.type ?? '', text: content === null ? '' : wordsOf(content) }
      case 'now':
        return new Date(context.now)
      case 'error':
        return null
      default:
        return undefined
    }
  }
  return { lookup, left: EXPRESSION_COST_MAX }
}
