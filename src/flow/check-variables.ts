import type { CompiledFlow, CompiledStep } from './compile.ts'
import { ROOT_NAMES } from './expression.ts'
import { errorAt, type Finding, suggestion, warningAt } from './finding.ts'
import { stepExpressions, stepTargets } from './step-parts.ts'

/**
 * What may stand in a run's variables when it comes to a step: `may` are set on some path to it, `must` on every one; a
 * bit for each name. `isOpen`: a called flow was on some path, which can set any name.
 */
type Known = { readonly may: bigint; readonly must: bigint; readonly isOpen: boolean }

/** The names that steps or callers set, each with its bit. */
type Bits = ReadonlyMap<string, bigint>

/**
 * Every read of a variable that no path to the step sets (an error), or that some path leaves unset (a warning). After
 * a called flow an unknown name is only a warning: the flows of a run share their variables. So is one of `inherited`,
 * the names that flows calling this one may have set.
 */
export function checkVariables(flow: CompiledFlow, inherited: ReadonlySet<string>): readonly Finding[] {
  const names = new Set([...inherited, ...[...flow.steps.values()].flatMap(variableOf)])
  const bits: Bits = new Map([...names].map((name, index) => [name, 1n << BigInt(index)]))
  const known = knownAtSteps(flow, bits, inherited)
  return [...flow.steps].flatMap(([id, step]) => {
    const atStep = known.get(id)
    return atStep === undefined ? [] : readsOf(step).flatMap(read => judge(id, read, atStep, bits))
  })
}

type Read = { readonly field: string; readonly name: string }

/** The variables a step reads, each once a field. */
function readsOf(step: CompiledStep): readonly Read[] {
  const reads = stepExpressions(step).flatMap(({ field, names }) => names.map(name => ({ field, name })))
  const unique = new Map(reads.map(read => [`${read.field} ${read.name}`, read]))
  return [...unique.values()].filter(read => !ROOT_NAMES.has(read.name))
}

function judge(step: string, { field, name }: Read, known: Known, bits: Bits): readonly Finding[] {
  const bit = bits.get(name) ?? 0n
  if ((known.must & bit) !== 0n) return []
  const place = { step, field }
  if ((known.may & bit) !== 0n) {
    return [warningAt(place, 'unset_variable', `"${name}" is not set on every way here, and then the flow stops`)]
  }
  const settable = [...bits].flatMap(([other, otherBit]) => ((known.may & otherBit) === 0n ? [] : [other]))
  const meant = suggestion(name, [...settable, ...ROOT_NAMES])
  if (known.isOpen) {
    return [warningAt(place, 'unset_variable', `no step here sets "${name}"; a called flow has to${meant}`)]
  }
  const text = bits.has(name) ? `"${name}" is set on no way here` : `no step sets the variable "${name}"${meant}`
  return [errorAt(place, 'undefined_variable', text)]
}

/** What is known at each step a run can come to: a fixed point over all paths. */
function knownAtSteps(flow: CompiledFlow, bits: Bits, inherited: ReadonlySet<string>): ReadonlyMap<string, Known> {
  const atStart = [...inherited].reduce((may, name) => may | (bits.get(name) ?? 0n), 0n)
  const known = new Map<string, Known>([[flow.start, { may: atStart, must: 0n, isOpen: false }]])
  const changed = new Set([flow.start])
  for (const id of changed) {
    // A set is walked in the order of insertion, with what is added meanwhile: this makes it a queue.
    changed.delete(id)
    const [step, atStep] = [flow.steps.get(id), known.get(id)]
    if (step === undefined || atStep === undefined) continue
    for (const { field, target } of stepTargets(step)) {
      const before = known.get(target)
      const after = meet(before, afterEdge(step, field, atStep, bits))
      if (before !== undefined && isSame(before, after)) continue
      known.set(target, after)
      changed.add(target)
    }
  }
  return known
}

function afterEdge(step: CompiledStep, field: string, known: Known, bits: Bits): Known {
  if (step.type === 'flow') return { ...known, isOpen: true }
  const [variable] = field === 'next' ? variableOf(step) : []
  if (variable === undefined) return known
  const bit = bits.get(variable) ?? 0n
  return { ...known, may: known.may | bit, must: known.must | bit }
}

/** The variable that a step sets where it goes on to its `next`. */
function variableOf(step: CompiledStep): readonly string[] {
  return (step.type === 'question' || step.type === 'action') && step.variable !== null ? [step.variable] : []
}

function meet(one: Known | undefined, other: Known): Known {
  if (one === undefined) return other
  return { may: one.may | other.may, must: one.must & other.must, isOpen: one.isOpen || other.isOpen }
}

function isSame(before: Known, after: Known): boolean {
  return before.may === after.may && before.must === after.must && before.isOpen === after.isOpen
}
