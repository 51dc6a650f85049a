import { parseMomentMs } from './answer-rule.ts'
import { currentManner, spend } from './evaluation.ts'
import { isRealDay, momentAt } from './time-zone.ts'

/**
 * One argument of a function. `types` are the CEL types that may be written there; `what` says so in words. `read` gives
 * the value to compute with, undefined for one that is of another type after all.
 */
export type Parameter<T> = {
  readonly name: string
  readonly types: readonly string[]
  readonly what: string
  readonly isOptional?: boolean
  readonly read: (value: unknown) => T | undefined
  /** What a value that can't be read is, in words; `kindOf` unless told. */
  readonly kindOf?: (value: unknown) => string
}

/** A function that expressions may call: what it takes, what it is for, and examples that always hold. */
export type CelFunction = {
  readonly name: string
  readonly about: string
  readonly parameters: readonly Parameter<unknown>[]
  /** The CEL type of what it gives; "dyn" where that depends. */
  readonly returns: string
  readonly examples: readonly string[]
  /** Throws an Error in plain words, and `costExceeded`. */
  readonly call: (args: readonly unknown[]) => unknown
}

type Values<TParameters extends readonly Parameter<unknown>[]> = {
  [Index in keyof TParameters]: TParameters[Index] extends Parameter<infer T> ? T : never
}

/** A function whose `compute` gets its arguments read, and paid for by their length. */
export function celFunction<const TParameters extends readonly Parameter<unknown>[]>(
  given: Omit<CelFunction, 'call'> & {
    readonly parameters: TParameters
    readonly compute: (...values: Values<TParameters>) => unknown
  },
): CelFunction {
  const { compute, ...described } = given
  const call = (args: readonly unknown[]): unknown => {
    const values = given.parameters.map((parameter, index) => readArgument(given.name, parameter, args, index))
    // Each of them was read by the parameter whose type it has here.
    return compute(...(values as Values<TParameters>))
  }
  return { ...described, call }
}

function readArgument(name: string, parameter: Parameter<unknown>, args: readonly unknown[], index: number): unknown {
  if (index >= args.length) return undefined
  const value = parameter.read(args[index])
  if (value === undefined) {
    const kind = (parameter.kindOf ?? kindOf)(args[index])
    throw new Error(`${name}() takes ${parameter.what} as "${parameter.name}", and not ${kind}`)
  }
  spend(lengthOf(value))
  return value
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Math.floor(value.length / 8)
  return Array.isArray(value) ? value.length : 0
}

/** How a function is written: `money(minor, currency?, language?)`. */
export function usageOf({ name, parameters }: CelFunction): string {
  return `${name}(${parameters.map(parameter => `${parameter.name}${parameter.isOptional ? '?' : ''}`).join(', ')})`
}

/** What a value is, in words: "a text". */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'a text'
    case 'bigint':
    case 'number':
      return 'a number'
    case 'boolean':
      return 'true or false'
    default:
      if (value === null) return 'null'
      if (value instanceof Date) return 'a time'
      return Array.isArray(value) ? 'a list' : 'an object'
  }
}

/** A text. */
export function text(name: string): Parameter<string> {
  return { name, types: ['string'], what: 'a text', read: value => (typeof value === 'string' ? value : undefined) }
}

/** A number, whole or not. */
export function number(name: string): Parameter<number | bigint> {
  return { name, types: ['int', 'double'], what: 'a number', read: readNumber }
}

function readNumber(value: unknown): number | bigint | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined
}

/** A text, or a number to be written as one. */
export function textOrNumber(name: string): Parameter<string | number | bigint> {
  const read = (value: unknown) => (typeof value === 'string' ? value : readNumber(value))
  return { name, types: ['string', 'int', 'double'], what: 'a text or a number', read }
}

/** A whole number that a double holds exactly; one that came out of a division or of JSON counts too. */
export function whole(name: string): Parameter<number> {
  const read = (value: unknown) => {
    const given = typeof value === 'bigint' ? Number(value) : value
    return typeof given === 'number' && Number.isSafeInteger(given) ? given : undefined
  }
  return { name, types: ['int', 'double'], what: 'a whole number', read }
}

/** CEL's name for its type of a point in time. */
export const TIMESTAMP = 'google.protobuf.Timestamp'

/** A point in time, in milliseconds since 1970; of a text that is a day, its beginning in the business's zone. */
export function moment(name: string): Parameter<number> {
  return {
    name,
    types: [TIMESTAMP, 'string'],
    what: 'a time, or a text like 2026-12-25 or 2026-12-25T17:00:00Z',
    read: value => {
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.getTime()
      return typeof value === 'string' ? readMomentMs(value) : undefined
    },
  }
}

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/

function readMomentMs(value: string): number | undefined {
  const [, year, month, day] = DAY.exec(value) ?? []
  if (year === undefined) return parseMomentMs(value) ?? undefined
  const named = { year: Number(year), month: Number(month), day: Number(day), hour: 0, minute: 0 }
  return isRealDay(named) ? momentAt(currentManner().zone, named) : undefined
}

/** A list of anything. */
export function list(name: string): Parameter<readonly unknown[]> {
  return { name, types: ['list'], what: 'a list', read: value => (Array.isArray(value) ? value : undefined) }
}

/** A list of numbers. */
export function numbers(name: string): Parameter<readonly (number | bigint)[]> {
  const read = (value: unknown) =>
    Array.isArray(value) && value.every(item => readNumber(item) !== undefined) ? value : undefined
  const kindOfMixed = (value: unknown) =>
    Array.isArray(value) ? `a list with ${kindOf(value.find(item => readNumber(item) === undefined))}` : kindOf(value)
  return { name, types: ['list<int>', 'list<double>'], what: 'a list of numbers', read, kindOf: kindOfMixed }
}

/** Any value, null among them; a function only passes it on, for it may be of any size. */
export function anything(name: string): Parameter<{ readonly value: unknown }> {
  return { name, types: ['dyn'], what: 'anything', read: value => ({ value }) }
}

/** The same, which may be left out; only the last ones may. */
export function optional<T>(parameter: Parameter<T>): Parameter<T | undefined> {
  return { ...parameter, isOptional: true }
}
