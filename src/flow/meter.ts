import type { ASTNode } from '@marcbachmann/cel-js'
import { spend, unitsLeft } from './evaluation.ts'
import { COMPARISONS_PER_UNIT, FORMAT_COST } from './limits.ts'

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown
type MeteredNode = ASTNode & { meta: { evaluate: Evaluate }; setMeta(key: 'evaluate', value: Evaluate): void }

/**
 * Makes every node of a checked expression spend each time it is evaluated, so that nested macros over large
 * lists, and lists or texts that double, stop early. A node costs 1, a call 20, and its result an eighth of its
 * size, where an item counts 1 and a text 1 more for each 8 code units. What is made, compared or given back counts in
 * full, depth and all: `[v, v]` is cheap to make twenty times over, but comparing or writing the result is not. What is
 * only passed on counts by its own length. CEL promises termination, not a bound anyone can wait for.
 * Macros evaluate the very nodes of their arguments, so metering those meters each turn of the loop. What a function does
 * with its arguments it pays for itself (`cel-function.ts`).
 */
export function installMeter(node: ASTNode, isResult = true): void {
  if (isMetered(node)) meterNode(node, isResult || MAKING.has(node.op))
  if (node.op === 'rcall' && SEARCHES.has(node.args[0])) meterSearch(node.args[1], node.args[2][0])
  for (const child of childrenOf(node)) installMeter(child, COMPARING.has(node.op))
}

const MAKING: ReadonlySet<ASTNode['op']> = new Set(['list', 'map', 'call', 'rcall', '+'])
const COMPARING: ReadonlySet<ASTNode['op']> = new Set(['==', '!=', 'in'])

// `setMeta` is how the library itself swaps a node's evaluation after the check (empty lists, synchronous macros);
// its types leave it out. `meter.test.ts` fails if an update changes that.
function isMetered(node: ASTNode): node is MeteredNode {
  return 'setMeta' in node && typeof node.setMeta === 'function'
}

function meterNode(node: MeteredNode, isInFull: boolean): void {
  const evaluate = node.meta.evaluate
  const cost = costOf(node)
  node.setMeta('evaluate', (evaluator, self, context) => {
    spend(cost)
    const value = evaluate(evaluator, self, context)
    const size = isInFull ? fullSize(value, 8 * unitsLeft()) : ownSize(value)
    spend(Math.floor(size / 8))
    return value
  })
}

const SEARCHES: ReadonlySet<string> = new Set(['contains', 'indexOf', 'lastIndexOf', 'split'])

/** CEL searches once it has both texts, in whatever order: the search is paid for as soon as the second one is there. */
function meterSearch(searched: ASTNode, wanted: ASTNode | undefined): void {
  if (wanted === undefined) return
  let lengths: { readonly searched?: number; readonly wanted?: number } = {}
  const take = (length: typeof lengths) => {
    lengths = { ...lengths, ...length }
    if (lengths.searched === undefined || lengths.wanted === undefined) return
    const cost = searchCost(lengths.searched, lengths.wanted)
    lengths = {}
    spend(cost)
  }
  afterwards(searched, value => take({ searched: textLength(value) }))
  afterwards(wanted, value => take({ wanted: textLength(value) }))
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}

function afterwards(node: ASTNode, look: (value: unknown) => void): void {
  if (!isMetered(node)) return
  const { evaluate } = node.meta
  node.setMeta('evaluate', (evaluator, self, context) => {
    const value = evaluate(evaluator, self, context)
    look(value)
    return value
  })
}

/** What a search costs at worst: what is looked for is held against each place of the text, nearly to its end. */
export function searchCost(length: number, wantedLength: number): number {
  const places = Math.max(0, length - wantedLength + 1)
  return Math.floor((places * wantedLength) / COMPARISONS_PER_UNIT)
}

const IN_ZONE = /^get(?:Date|DayOfMonth|DayOfWeek|DayOfYear|FullYear|Hours|Minutes|Month|Seconds)$/

function costOf(node: ASTNode): number {
  if (node.op !== 'call' && node.op !== 'rcall') return 1
  // CEL makes a formatter for each of these when it is given a zone.
  const isInZone = node.op === 'rcall' && node.args[2].length === 1 && IN_ZONE.test(node.args[0])
  return isInZone ? FORMAT_COST : 20
}

function ownSize(value: unknown): number {
  if (typeof value === 'string') return 1 + value.length / 8
  if (typeof value !== 'object' || value === null) return 1
  return Array.isArray(value) ? value.length : 80
}

/** The size of a value with all that is in it; it stops counting beyond `max`, so that counting stays bounded too. */
export function fullSize(value: unknown, max: number): number {
  if (typeof value === 'string') return 1 + value.length / 8
  if (typeof value !== 'object' || value === null) return 1
  if (ArrayBuffer.isView(value)) return 2 + value.byteLength / 8
  let size = 2
  if (Array.isArray(value)) {
    for (const item of value) {
      size += fullSize(item, max - size)
      if (size > max) break
    }
    return size
  }
  for (const [key, item] of Object.entries(value)) {
    size += 1 + key.length / 8 + fullSize(item, max - size)
    if (size > max) break
  }
  return size
}

/** The nodes below a node, in source order; a macro's variable is among its arguments. */
export function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'map':
      return node.args.flat()
    case '!_':
    case '-_':
      return [node.args]
    default:
      return node.args
  }
}
