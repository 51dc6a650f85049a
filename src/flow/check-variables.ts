import type { CompiledFlow, CompiledStep } from './compile.ts'
import { ROOT_NAMES } from './expression.ts'
import { errorAt, type Finding, suggestion, warningAt } from './finding.ts'
import { stepExpressions, stepTargets } from './step-parts.ts'

/**
 * What may stand in a run's variables when it comes to a step: `may` are set on some path to it, `must` on every one.
 * `isOpen`: a called flow was on some path, which can set any name.
 */
type Known = { readonly may: ReadonlySet<string>; readonly must: ReadonlySet<string>; readonly isOpen: boolean }

/**
 * Every read of a variable that no path to the step sets (an error), or that some path leaves unset (a warning). After
 * a called flow an unknown name is only a warning: the flows of a run share their variables. So is one of `inherited`,
 * the names that flows calling this one may have set.
 */
export function checkVariables(flow: CompiledFlow, inherited: ReadonlySet<string>): readonly Finding[] {
  const known = knownAtSteps(flow, inherited)
  const settable = new Set([...inherited, ...[...flow.steps.values()].flatMap(variableOf)])
  return [...known].flatMap(([id, atStep]) => {
    const step = flow.steps.get(id)
    return step === undefined ? [] : readsOf(step).flatMap(read => judge(id, read, atStep, settable))
  })
}

type Read = { readonly field: string; readonly name: string }

/** The variables a step reads, each once a field. */
function readsOf(step: CompiledStep): readonly Read[] {
  const reads = stepExpressions(step).flatMap(({ field, names }) => names.map(name => ({ field, name })))
  const unique = new Map(reads.map(read => [`${read.field} ${read.name}`, read]))
  return [...unique.values()].filter(read => !ROOT_NAMES.has(read.name))
}

function judge(step: string, { field, name }: Read, known: Known, settable: ReadonlySet<string>): readonly Finding[] {
  if (known.must.has(name)) return []
  const place = { step, field }
  if (known.may.has(name)) {
    return [warningAt(place, 'unset_variable', `"${name}" is not set on every way here, and then the flow stops`)]
  }
  const meant = suggestion(name, [...known.may, ...ROOT_NAMES])
  if (known.isOpen) {
    return [warningAt(place, 'unset_variable', `no step here sets "${name}"; a called flow has to${meant}`)]
  }
  const text = settable.has(name) ? `"${name}" is set on no way here` : `no step sets the variable "${name}"${meant}`
  return [errorAt(place, 'undefined_variable', text)]
}

/** What is known at each step a run can come to, in the document's order: a fixed point over all paths. */
function knownAtSteps(flow: CompiledFlow, inherited: ReadonlySet<string>): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>([[flow.start, { may: inherited, must: new Set(), isOpen: false }]])
  const changed = new Set([flow.start])
  for (const id of changed) {
    // A set is walked in the order of insertion, with what is added meanwhile: this makes it a queue.
    changed.delete(id)
    const [step, atStep] = [flow.steps.get(id), known.get(id)]
    if (step === undefined || atStep === undefined) continue
    for (const { field, target } of stepTargets(step)) {
      const before = known.get(target)
      const after = before === undefined ? afterEdge(step, field, atStep) : meet(before, afterEdge(step, field, atStep))
      if (before !== undefined && isSame(before, after)) continue
      known.set(target, after)
      changed.add(target)
    }
  }
  return new Map([...flow.steps.keys()].flatMap(id => entryOf(id, known.get(id))))
}

function entryOf(id: string, known: Known | undefined): readonly (readonly [string, Known])[] {
  return known === undefined ? [] : [[id, known]]
}

function afterEdge(step: CompiledStep, field: string, known: Known): Known {
  if (step.type === 'flow') return { ...known, isOpen: true }
  const [variable] = field === 'next' ? variableOf(step) : []
  if (variable === undefined) return known
  return { ...known, may: new Set([...known.may, variable]), must: new Set([...known.must, variable]) }
}

/** The variable that a step sets where it goes on to its `next`. */
function variableOf(step: CompiledStep): readonly string[] {
  return (step.type === 'question' || step.type === 'action') && step.variable !== null ? [step.variable] : []
}

function meet(one: Known, other: Known): Known {
  return {
    may: one.may.union(other.may),
    must: one.must.intersection(other.must),
    isOpen: one.isOpen || other.isOpen,
  }
}

function isSame(before: Known, after: Known): boolean {
  return before.may.size === after.may.size && before.must.size === after.must.size && before.isOpen === after.isOpen
}
