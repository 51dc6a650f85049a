import type { Environment } from '@marcbachmann/cel-js'
import { dateFunctions } from './cel-dates.ts'
import { type CelFunction, type Parameter, usageOf } from './cel-function.ts'
import { listFunctions } from './cel-lists.ts'
import { moneyFunctions } from './cel-money.ts'
import { textFunctions } from './cel-text.ts'
import { suggestion } from './finding.ts'

/** The functions of expressions by what they are about. */
export const functionGroups: Readonly<Record<string, readonly CelFunction[]>> = {
  'Money and numbers': moneyFunctions,
  'Dates and times': dateFunctions,
  Lists: listFunctions,
  Texts: textFunctions,
}

const functions: ReadonlyMap<string, CelFunction> = new Map(
  Object.values(functionGroups).flatMap(group => group.map(one => [one.name, one])),
)

/**
 * Registers the functions, each also as a method of its first argument: `items.sum()` is `sum(items)`. For `checking`
 * their arguments have types, so that a wrong one is found before it runs; for evaluating they have none, and a function
 * says itself, in plain words, what it can't take.
 */
export function registerFunctions(target: Environment, purpose: 'checking' | 'evaluating'): void {
  for (const one of functions.values()) {
    for (const parameters of forms(one)) {
      const choices = parameters.map(({ types }) => (purpose === 'checking' ? types : ['dyn']))
      for (const types of combinations(choices)) register(target, one, types)
    }
  }
}

// CEL keeps how it calls a handler on the handler itself, so each gets one of its own.
function register(target: Environment, { name, returns, call }: CelFunction, types: readonly string[]): void {
  const [first, ...others] = types
  target.registerFunction(`${name}(${types.join(', ')}): ${returns}`, (...args) => call(args), { async: false })
  const method = `${first}.${name}(${others.join(', ')}): ${returns}`
  target.registerFunction(method, (...args) => call(args), { async: false })
}

/** The parameters with all of the optional ones, with one fewer, and so on. */
function forms({ parameters }: CelFunction): readonly (readonly Parameter<unknown>[])[] {
  const required = parameters.filter(parameter => parameter.isOptional !== true).length
  return Array.from({ length: parameters.length - required + 1 }, (_, left) => parameters.slice(0, required + left))
}

function combinations(choices: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return choices.reduce<readonly (readonly string[])[]>(
    (before, choice) => before.flatMap(types => choice.map(type => [...types, type])),
    [[]],
  )
}

const NO_OVERLOAD = /^found no matching overload for '(?:(.*)\.)?(\w+)\((.*)\)'$/

/** CEL's complaint of a call in plain words; any other as it is. `known` are the names of CEL's own functions. */
export function explainCall(message: string, known: ReadonlySet<string>): string {
  const [, receiver, name = '', rest = ''] = NO_OVERLOAD.exec(message) ?? []
  if (name === '') return message
  const own = functions.get(name)
  if (own === undefined) {
    return known.has(name)
      ? message
      : `there is no function ${name}()${suggestion(name, [...functions.keys(), ...known])}`
  }
  const given = [receiver, rest].filter(types => types !== undefined && types !== '').join(', ')
  const takes = own.parameters.map(parameter => `${parameter.name}: ${parameter.what}`).join('; ')
  return `${usageOf(own)} can't take (${inWords(given)}); it takes ${takes}`
}

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/google\.protobuf\.Timestamp/g, 'time'],
  [/google\.protobuf\.Duration/g, 'duration'],
  [/\bstring\b/g, 'text'],
  [/\bint\b/g, 'whole number'],
  [/\bdouble\b/g, 'number'],
  [/\bbool\b/g, 'true or false'],
  [/\bdyn\b/g, 'anything'],
]

function inWords(types: string): string {
  return WORDS.reduce((text, [type, words]) => text.replace(type, words), types)
}
