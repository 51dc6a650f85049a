import type { ASTNode } from '@marcbachmann/cel-js'
import { spend, unitsLeft } from './evaluation.ts'
import { FORMAT_COST } from './limits.ts'

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
