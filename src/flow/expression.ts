import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { Lru } from '../lib/lru.ts'
import { explainCall, registerFunctions } from './cel-functions.ts'
import { costExceeded, evaluating, type Scope } from './evaluation.ts'
import { suggestion } from './finding.ts'
import { EXPRESSION_LENGTH_MAX, LITERAL_LENGTH_MAX } from './limits.ts'
import { childrenOf, installMeter } from './meter.ts'

export type { Scope } from './evaluation.ts'

/** The fields of the names that an expression can always read; those of type `dyn` may be null. */
export const ROOT_FIELDS = {
  customer: {
    ...{ id: 'string', name: 'dyn', phone: 'dyn', email: 'dyn' },
    ...{ variables: 'map', tags: 'list<string>', opted_out: 'bool' },
  },
  conversation: { id: 'string', bot_id: 'string' },
  message: { type: 'string', text: 'string', choice_id: 'string', referral: 'dyn' },
  window: { open: 'bool', minutes_left: 'int' },
  business: {
    ...{ name: 'string', open: 'bool', opens_at: 'dyn' },
    ...{ language: 'string', currency: 'dyn', time_zone: 'string' },
  },
} as const

/**
 * The names an expression can always read: those of `ROOT_FIELDS`, of which `message` is the one being handled (empty
 * texts when there is none), `now` (a timestamp) and `error` {code, message} of the run's last failed action (null
 * before any).
 */
export const ROOT_NAMES: ReadonlySet<string> = new Set([...Object.keys(ROOT_FIELDS), 'now', 'error'])

/** Names that mean something else in CEL, so that a variable of that name could never be read. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  ...ROOT_NAMES,
  ...'string bool int uint double map list bytes null_type type dyn optional cel google true false null in'.split(' '),
  ...'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
])

/** A parsed expression. `problem` says why it can't be evaluated; `names` are the names it reads from outside. */
export type Expression = {
  readonly field: string
  readonly source: string
  readonly names: readonly string[]
  readonly problem: string | null
  /** The CEL value. Throws ExpressionError, and nothing else. */
  readonly evaluate: (scope: Scope) => unknown
}

/** An expression failed: `field` is where it stands in its step, the message is in plain words. */
export class ExpressionError extends Error {
  readonly field: string
  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}

const options = {
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 8 },
}

const environment = withFunctions(new Environment(options), 'evaluating')
const builtIns: ReadonlySet<string> = new Set(new Environment().getDefinitions().functions.map(({ name }) => name))

// For checking only: here the roots have fields and arguments types, so that `customer.nmae` is found before it runs.
const checkingEnvironment = withFunctions(new Environment(options), 'checking').registerVariable(
  'now',
  'google.protobuf.Timestamp',
)
for (const [name, schema] of Object.entries(ROOT_FIELDS)) checkingEnvironment.registerVariable(name, { schema })

/** CEL has no arithmetic between int and double; JSON can't tell 3 from 3.0, so here it gives a double. */
function withFunctions(target: Environment, purpose: 'checking' | 'evaluating'): Environment {
  const arithmetic: Record<string, (left: number, right: number) => number> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
  }
  for (const [operator, compute] of Object.entries(arithmetic)) {
    const handler = (left: number | bigint, right: number | bigint) => compute(Number(left), Number(right))
    target.registerOperator(`int ${operator} double: double`, handler)
    target.registerOperator(`double ${operator} int: double`, handler)
  }
  registerFunctions(target, purpose)
  return target
}

type Prepared =
  | { readonly problem: string }
  | { readonly run: (context: Record<string, unknown>) => unknown; readonly names: readonly string[] }

// A flow is checked at each keystroke, and compiled again with each version: most of it is as it was.
const knownMax = 1_000
const prepared = new Lru<string, Prepared>(knownMax)
const judged = new Lru<string, Judged>(knownMax)

function prepare(source: string): Prepared {
  const parsed = parse(environment, source)
  const made = 'problem' in parsed ? { problem: parsed.problem } : metered(parsed.evaluate)
  prepared.set(source, made)
  return made
}

function metered(evaluate: ReturnType<Environment['parse']>): Prepared {
  installMeter(evaluate.ast)
  return { run: context => evaluate(context), names: [...freeNames(evaluate.ast)] }
}

/** Parses an expression once, for evaluating often. Never throws: what is wrong is in `problem`. */
export function parseExpression(source: string, field: string): Expression {
  const known = prepared.get(source) ?? prepare(source)
  if ('problem' in known) return brokenExpression(source, field, known.problem)
  const { run, names } = known
  const evaluate = (scope: Scope): unknown => {
    try {
      const value: unknown = evaluating(scope, () => run(readNames(names, scope)))
      // An expression can go on after a failure, but not after this one.
      if (scope.left < 0) throw costExceeded
      return value
    } catch (error) {
      throw new ExpressionError(field, messageOf(error))
    }
  }
  return { field, source, names, problem: null, evaluate }
}

/** An expression that fails with `problem` whenever it is evaluated. */
export function brokenExpression(source: string, field: string, problem: string): Expression {
  const evaluate = () => {
    throw new ExpressionError(field, problem)
  }
  return { field, source, names: [], problem, evaluate }
}

/** Checks an expression with the roots' fields known: its CEL type ("bool", "dyn", "list"…), or what is wrong. */
export function checkExpression(source: string): Judged {
  const known = judged.get(source)
  if (known !== undefined) return known
  const parsed = parse(checkingEnvironment, source)
  const made = 'problem' in parsed ? { problem: parsed.problem + suggestionFor(parsed.problem) } : { type: parsed.type }
  judged.set(source, made)
  return made
}

type Judged = { readonly type: string } | { readonly problem: string }

const fieldNames = Object.values(ROOT_FIELDS).flatMap(fields => Object.keys(fields))

function suggestionFor(problem: string): string {
  const missing = /^No such key: (\w+)$/.exec(problem)?.[1]
  return missing === undefined ? '' : suggestion(missing, fieldNames)
}

function parse(target: Environment, source: string) {
  if (source.length > EXPRESSION_LENGTH_MAX) return { problem: `is longer than ${EXPRESSION_LENGTH_MAX} characters` }
  try {
    const evaluate = target.parse(source)
    const problem = forbidden(evaluate.ast)
    if (problem !== null) return { problem }
    const checked = evaluate.check()
    return checked.valid ? { evaluate, type: checked.type ?? 'dyn' } : { problem: explain(checked.error) }
  } catch (error) {
    return { problem: explain(error) }
  }
}

function explain(error: unknown): string {
  return explainCall(messageOf(error), builtIns)
}

/**
 * What costs more than a meter can see from outside: a regular expression can run for ever, a join can be gigabytes,
 * and CEL reads a duration in a time that grows with the cube of its length.
 */
function forbidden(node: ASTNode): string | null {
  const problem = forbiddenCall(node)
  if (problem !== null) return problem
  for (const child of childrenOf(node)) {
    const below = forbidden(child)
    if (below !== null) return below
  }
  return null
}

function forbiddenCall(node: ASTNode): string | null {
  if (node.op !== 'call' && node.op !== 'rcall') return null
  const [name] = node.args
  const [argument] = node.op === 'call' ? node.args[1] : node.args[2]
  if (name === 'matches') return 'matches() is not available; use contains(), startsWith() or endsWith()'
  if ((name === 'join' || name === 'duration') && argument !== undefined && !isShortText(argument)) {
    return `${name}() takes a literal text of at most ${LITERAL_LENGTH_MAX} characters`
  }
  return null
}

function isShortText(node: ASTNode): boolean {
  return node.op === 'value' && typeof node.args === 'string' && node.args.length <= LITERAL_LENGTH_MAX
}

const LOOP_MACROS: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'exists', 'exists_one'])

/** The names a node reads from outside: not a macro's own variable, not CEL's type names. */
function freeNames(node: ASTNode, bound: readonly string[] = [], found = new Set<string>()): Set<string> {
  if (node.op === 'id') {
    if (!bound.includes(node.args) && (ROOT_NAMES.has(node.args) || !RESERVED_NAMES.has(node.args)))
      found.add(node.args)
    return found
  }
  const inner = [...bound, ...boundNames(node)]
  childrenOf(node).forEach((child, index) => {
    // The receiver of a macro, and the value of cel.bind, are outside of the variable's reach.
    const isOutside = index === 0 || (index === 2 && isBind(node))
    freeNames(child, isOutside ? bound : inner, found)
  })
  return found
}

function boundNames(node: ASTNode): readonly string[] {
  if (node.op !== 'rcall') return []
  const [method, , [first]] = node.args
  return first?.op === 'id' && (LOOP_MACROS.has(method) || isBind(node)) ? [first.args] : []
}

function isBind(node: ASTNode): boolean {
  return node.op === 'rcall' && node.args[0] === 'bind' && node.args[1].op === 'id' && node.args[1].args === 'cel'
}

function readNames(names: readonly string[], scope: Scope): Record<string, unknown> {
  const context: Record<string, unknown> = Object.create(null)
  for (const name of names) {
    const value = scope.lookup(name)
    if (value === undefined) throw new Error(`"${name}" has no value yet`)
    context[name] = value
  }
  return context
}

/** The first line of an error; CEL adds a drawing of the place below it. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? message
}
