import type { ASTNode } from '@marcbachmann/cel-js'

/** What is left to spend, in cost units; see `installMeter`. */
export type Meter = { left: number }

/** Thrown while evaluating once a meter is below zero; one instance, so that a long loop of failures stays cheap. */
export const costExceeded = new Error('the expression does too much work')

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown
type MeteredNode = ASTNode & { meta: { evaluate: Evaluate }; setMeta(key: 'evaluate', value: Evaluate): void }

/**
 * Makes every node of a checked expression spend from `meter` each time it is evaluated, so that nested macros over
 * large lists, and lists or texts that double, stop early. A node costs 1, a call 20, and its result by size: a list
 * 1 per 8 items, a text 1 per 64 code units, an object 10. CEL promises termination, not a bound anyone can wait for.
 * Macros evaluate the very nodes of their arguments, so metering those meters each turn of the loop.
 */
export function installMeter(node: ASTNode, meter: Meter): void {
  if (isMetered(node)) meterNode(node, node.op === 'call' || node.op === 'rcall' ? 20 : 1, meter)
  for (const child of childrenOf(node)) installMeter(child, meter)
}

// `setMeta` is how the library itself swaps a node's evaluation after the check (empty lists, synchronous macros);
// its types leave it out. `meter.test.ts` fails if an update changes that.
function isMetered(node: ASTNode): node is MeteredNode {
  return 'setMeta' in node && typeof node.setMeta === 'function'
}

function meterNode(node: MeteredNode, cost: number, meter: Meter): void {
  const evaluate = node.meta.evaluate
  node.setMeta('evaluate', (evaluator, self, context) => {
    meter.left -= cost
    if (meter.left < 0) throw costExceeded
    const value = evaluate(evaluator, self, context)
    if (typeof value === 'string') meter.left -= value.length >> 6
    else if (typeof value === 'object' && value !== null) meter.left -= Array.isArray(value) ? value.length >> 3 : 10
    return value
  })
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
