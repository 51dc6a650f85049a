import { type CelFunction, celFunction, kindOf, list, numbers, optional, text, whole } from './cel-function.ts'
import { currentManner, spend, unitsLeft } from './evaluation.ts'
import { collator } from './formats.ts'
import { NAME_LENGTH_MAX } from './limits.ts'
import { fullSize } from './meter.ts'
import { shorten } from './words.ts'

/** What expressions may do with lists, besides what CEL brings. */
export const listFunctions: readonly CelFunction[] = [
  celFunction({
    name: 'sum',
    about: 'The sum of a list of numbers.',
    parameters: [numbers('list')],
    returns: 'dyn',
    examples: ['sum([1250, 150])', 'sum(cart.map(line, line.quantity * line.price_minor))', 'sum([])'],
    compute: add,
  }),
  celFunction({
    name: 'sumOf',
    about: 'The sum of a field of each item.',
    parameters: [list('list'), text('field')],
    returns: 'dyn',
    examples: ['sumOf(cart, "quantity")'],
    compute: (items, field) => add(items.map(fieldOf('sumOf', field)).map(asNumber('sumOf', field))),
  }),
  celFunction({
    name: 'min',
    about: 'The least of a list of numbers; null of an empty one.',
    parameters: [numbers('list')],
    returns: 'dyn',
    examples: ['min(pluck(cart, "price_minor"))'],
    compute: items =>
      items.reduce<number | bigint | null>((least, item) => (least === null || item < least ? item : least), null),
  }),
  celFunction({
    name: 'max',
    about: 'The greatest of a list of numbers; null of an empty one.',
    parameters: [numbers('list')],
    returns: 'dyn',
    examples: ['max([1, 2.5])'],
    compute: items =>
      items.reduce<number | bigint | null>((most, item) => (most === null || item > most ? item : most), null),
  }),
  celFunction({
    name: 'first',
    about: 'The first item; null of an empty list.',
    parameters: [list('list')],
    returns: 'dyn',
    examples: ['first(cart).name', 'first([])'],
    compute: items => items[0] ?? null,
  }),
  celFunction({
    name: 'last',
    about: 'The last item; null of an empty list.',
    parameters: [list('list')],
    returns: 'dyn',
    examples: ['last([1, 2, 3])'],
    compute: items => items.at(-1) ?? null,
  }),
  celFunction({
    name: 'slice',
    about: 'The items from place `from` (0 is the first) until before `to`, or to the end; -1 is the last one.',
    parameters: [list('list'), whole('from'), optional(whole('to'))],
    returns: 'list',
    examples: ['slice(cart, 0, 10)', 'slice([1, 2, 3], 1)', 'slice([1, 2, 3], -1)'],
    compute: (items, from, to) => items.slice(from, to),
  }),
  celFunction({
    name: 'reverse',
    about: 'The items, last one first.',
    parameters: [list('list')],
    returns: 'list',
    examples: ['reverse([1, 2, 3])'],
    compute: items => items.toReversed(),
  }),
  celFunction({
    name: 'unique',
    about: 'Each item once, where it stands first.',
    parameters: [list('list')],
    returns: 'list',
    examples: ['unique(["rojo", "azul", "rojo"])'],
    compute: unique,
  }),
  celFunction({
    name: 'sortBy',
    about:
      'The items in the order of a field of theirs: numbers, times, or texts as the business’s language puts them.',
    parameters: [list('list'), text('field')],
    returns: 'list',
    examples: [
      'sortBy(cart, "name").map(line, line.name)',
      'reverse(sortBy(cart, "price_minor")).map(line, line.name)',
    ],
    compute: sortBy,
  }),
  celFunction({
    name: 'pluck',
    about: 'A field of each item.',
    parameters: [list('list'), text('field')],
    returns: 'list',
    examples: ['pluck(cart, "name")', 'pluck(cart, "name").join(", ")'],
    compute: (items, field) => items.map(fieldOf('pluck', field)),
  }),
]

const INT_MAX = 2n ** 63n - 1n

function add(items: readonly (number | bigint)[]): number | bigint {
  let sum: number | bigint = 0n
  for (const item of items)
    sum = typeof sum === 'bigint' && typeof item === 'bigint' ? sum + item : Number(sum) + Number(item)
  if (typeof sum === 'bigint' && (sum > INT_MAX || sum < -INT_MAX)) throw new Error('the sum is too large')
  return sum
}

/** Reads `field` of an item; the place is for the error. */
function fieldOf(name: string, field: string): (item: unknown, index: number) => unknown {
  return (item, index) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item) || !Object.hasOwn(item, field)) {
      throw new Error(
        `${name}() finds no "${shorten(field, NAME_LENGTH_MAX)}" in item ${index + 1} of the list, which is ${kindOf(item)}`,
      )
    }
    const value: unknown = Object.getOwnPropertyDescriptor(item, field)?.value
    return value
  }
}

function asNumber(name: string, field: string): (value: unknown, index: number) => number | bigint {
  return (value, index) => {
    if (typeof value === 'number' || typeof value === 'bigint') return value
    throw new Error(`${name}() takes numbers, and "${field}" of item ${index + 1} of the list is ${kindOf(value)}`)
  }
}

function unique(items: readonly unknown[]): readonly unknown[] {
  spend(fullSize(items, unitsLeft() + 1))
  const seen = new Set<string>()
  return items.filter(item => {
    const key = keyOf(item)
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}

/** A text that two values share only when they are equal: 1 and 1.0 are, 1 and "1" are not. */
function keyOf(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value)
  if (value instanceof Date) return `@${value.getTime()}`
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${keyOf(item)}`).join()}}`
}

type Sorted = { readonly item: unknown; readonly key: unknown }

function sortBy(items: readonly unknown[], field: string): readonly unknown[] {
  const read = fieldOf('sortBy', field)
  const sorted = items.map((item, index): Sorted => ({ item, key: read(item, index) }))
  const compare = comparison(sorted, field)
  spend(costOfSorting(sorted))
  return sorted.toSorted((one, other) => compare(one.key, other.key)).map(({ item }) => item)
}

function comparison(sorted: readonly Sorted[], field: string): (one: unknown, other: unknown) => number {
  const [kind = 'a number', another] = new Set(sorted.map(({ key }) => kindOf(key)))
  if (another !== undefined)
    throw new Error(`sortBy() can't compare the "${field}" of all items: ${kind} and ${another}`)
  if (kind === 'a text') {
    const { compare } = collator(currentManner().language)
    return (one, other) => compare(String(one), String(other))
  }
  if (kind === 'a time') return (one, other) => Number(one) - Number(other)
  if (kind === 'a number') return compareNumbers
  throw new Error(`sortBy() can't sort by "${field}", which is ${kind}`)
}

/** Not by their difference: an int and a double have none. */
function compareNumbers(one: unknown, other: unknown): number {
  const [left, right] = [one, other].map(value => (typeof value === 'bigint' ? value : Number(value)))
  if (left === undefined || right === undefined || left === right) return 0
  return left < right ? -1 : left > right ? 1 : 0
}

function costOfSorting(sorted: readonly Sorted[]): number {
  const comparisons = sorted.length * Math.ceil(Math.log2(sorted.length + 1))
  const longest = sorted.reduce((most, { key }) => Math.max(most, typeof key === 'string' ? key.length : 0), 0)
  return comparisons * (1 + longest / 16)
}
