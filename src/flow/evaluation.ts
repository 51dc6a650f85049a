/** What an expression reads while it is evaluated: `lookup` gives a name's CEL value or undefined, `left` is cost units. */
export type Scope = { readonly lookup: (name: string) => unknown; left: number }

/** Thrown while evaluating once nothing is left to spend; one instance, so that a loop of failures stays cheap. */
export const costExceeded = new Error('the expression does too much work')

/** What is done outside of any evaluation costs nothing. */
const outside: Scope = { lookup: () => undefined, left: Number.POSITIVE_INFINITY }
let current = outside

/**
 * Does `work`, with what it spends taken from `scope`. What an expression calls finds its scope here: evaluation is
 * synchronous, and one within another gives way to it again.
 */
export function evaluating<T>(scope: Scope, work: () => T): T {
  const outer = current
  current = scope
  try {
    return work()
  } finally {
    current = outer
  }
}

/** Takes cost units from what is left, and throws `costExceeded` when that is not enough; see `meter.ts`. */
export function spend(units: number): void {
  current.left -= units
  if (current.left < 0) throw costExceeded
}

/** What is left to spend. */
export function unitsLeft(): number {
  return current.left
}

/** How the business whose expression is evaluated writes: its time zone, language and currency. */
export type Manner = { readonly zone: string; readonly language: string; readonly currency: string | null }

const PLAIN: Manner = { zone: 'UTC', language: 'es', currency: null }
const manners = new WeakMap<Scope, Manner>()

/** The manner of the business that `lookup` knows; UTC, Spanish and no currency where it knows none. */
export function currentManner(): Manner {
  const known = manners.get(current)
  if (known !== undefined) return known
  const made = mannerOf(current.lookup('business'))
  manners.set(current, made)
  return made
}

function mannerOf(business: unknown): Manner {
  if (typeof business !== 'object' || business === null) return PLAIN
  const read = (key: string): unknown => Object.getOwnPropertyDescriptor(business, key)?.value
  const [zone, language, currency] = [read('time_zone'), read('language'), read('currency')]
  return {
    zone: typeof zone === 'string' ? zone : PLAIN.zone,
    language: typeof language === 'string' ? language : PLAIN.language,
    currency: typeof currency === 'string' ? currency : null,
  }
}
