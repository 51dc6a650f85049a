/** What a whole message may mean wherever a conversation is. `start` means it only for who asked to be left alone. */
export type WordKind = 'menu' | 'cancel' | 'agent' | 'stop' | 'start'

/** What the bot says of its own: a run was cancelled, a person is asked for, the customer is out, or in again. */
export type TextKind = 'cancelled' | 'agent' | 'stopped' | 'started'

/** From one time of the day to a later one, `HH:MM` each; to "24:00" is to the end of the day. */
export type Span = readonly [from: string, to: string]

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** When a business is open, in its own time zone; a span past midnight is written as two. */
export type Hours = { readonly [day in Weekday]: readonly Span[] }

/** A day, `YYYY-MM-DD`, that has other hours than its weekday; without `hours` it is closed. */
export type Holiday = { readonly date: string; readonly name?: string; readonly hours?: readonly Span[] }

/** What a bot knows of the business it speaks for: a tenant's settings, checked where they came in. */
export type Business = {
  readonly name: string
  /** The name of an IANA time zone. */
  readonly time_zone: string
  readonly language: 'es' | 'en' | 'pt'
  /** For phone numbers written without one: "34". */
  readonly country_code: string | null
  /** ISO 4217. */
  readonly currency: string | null
  /** Null: always open. */
  readonly hours: Hours | null
  readonly holidays: readonly Holiday[]
  /** Words in place of the language's own, and texts likewise. */
  readonly words: { readonly [kind in WordKind]?: readonly string[] }
  readonly texts: { readonly [kind in TextKind]?: string }
  /** How long a conversation waits for a person to take it, and for that person to answer; null is for ever. */
  readonly handoff: { readonly waiting_timeout_ms: number | null; readonly agent_timeout_ms: number | null }
}

/** A business of which nothing has been told. */
export const unknownBusiness: Business = {
  name: '',
  time_zone: 'UTC',
  language: 'es',
  country_code: null,
  currency: null,
  hours: null,
  holidays: [],
  words: {},
  texts: {},
  handoff: { waiting_timeout_ms: null, agent_timeout_ms: null },
}
