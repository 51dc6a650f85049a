import type { Business } from './business.ts'
import { toCel } from './cel-values.ts'
import { type InboundContent, wordsOf } from './content.ts'
import type { Scope } from './expression.ts'
import { isOpenAt, nextOpening } from './hours.ts'
import type { Json, JsonObject } from './json.ts'
import { EXPRESSION_COST_MAX, WINDOW_MS } from './limits.ts'
import type { ConversationState } from './state.ts'

/** What a call of the engine knows besides the state; `now` is in milliseconds since 1970. */
export type Context = {
  readonly now: number
  readonly customer: {
    readonly id: string
    readonly name: string | null
    readonly phone: string | null
    readonly email: string | null
    readonly variables: JsonObject
    readonly tags: readonly string[]
    /** Asked to be left alone: nothing but the answer to that is sent. */
    readonly opted_out: boolean
  }
  readonly conversation: { readonly id: string; readonly bot_id: string }
  /** Until when anything may be sent and not only templates, in milliseconds since 1970; null: always. */
  readonly window_expires_at: number | null
  readonly business: Business
}

/** Whether anything may be sent to the customer now, and not only templates. */
export function isWindowOpen({ window_expires_at, now }: Context): boolean {
  return window_expires_at === null || window_expires_at > now
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
        return messageRoot(content)
      case 'now':
        return new Date(context.now)
      case 'window':
        return windowRoot(context)
      case 'business':
        return businessRoot(context)
      case 'error':
        return null
      default:
        return undefined
    }
  }
  return { lookup, left: EXPRESSION_COST_MAX }
}

/** `choice_id` is empty where nothing was tapped, `referral` null where no advertisement or post led here. */
function messageRoot(content: InboundContent | null) {
  const referral = content !== null && 'referral' in content ? content.referral : undefined
  return {
    type: content?.type ?? '',
    text: content === null ? '' : wordsOf(content),
    choice_id: content?.type === 'choice' ? content.id : '',
    referral: referral === undefined ? null : { ...NO_REFERRAL, ...referral },
  }
}

const NO_REFERRAL = { source_type: '', source_id: '', source_url: '', headline: '', body: '', click_id: '' }

/** Where no window applies, one is always as open as can be. */
function windowRoot(context: Context) {
  const { window_expires_at, now } = context
  const leftMs = window_expires_at === null ? WINDOW_MS : Math.max(0, window_expires_at - now)
  return { open: isWindowOpen(context), minutes_left: BigInt(Math.floor(leftMs / 60_000)) }
}

function businessRoot({ business, now }: Context) {
  const { name, language, currency, time_zone } = business
  const open = isOpenAt(business, now)
  return {
    ...{ name, language, currency, time_zone, open },
    /** When it opens next; null while it is open, and where it does not within two months. Looked for where it is read. */
    get opens_at(): Date | null {
      const opening = open ? null : nextOpening(business, now)
      return opening === null ? null : new Date(opening)
    },
  }
}
