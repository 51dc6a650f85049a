import type { CompiledFlow, CompiledStep } from './compile.ts'
import { END } from './document.ts'
import { errorAt, type Finding, suggestion } from './finding.ts'
import { stepTargets } from './step-parts.ts'

/** What is wrong with how the steps lead to each other: targets and goals that aren't there, steps nobody reaches, dead ends. */
export function checkGraph(flow: CompiledFlow): readonly Finding[] {
  return [...findMissing(flow), ...findMissingGoals(flow), ...findUnreachable(flow), ...findDeadEnds(flow)]
}

/** The ids of the steps that a run can come to. */
function reachableSteps(flow: CompiledFlow): ReadonlySet<string> {
  const reached = new Set<string>()
  const waiting = [flow.start]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const step = flow.steps.get(id)
    if (step === undefined || reached.has(id)) continue
    reached.add(id)
    waiting.push(...stepTargets(step).map(({ target }) => target))
  }
  return reached
}

/** The built-in end is no step that a run comes to: it has left the flow by then. */
function findMissingGoals(flow: CompiledFlow): readonly Finding[] {
  return [...flow.goals]
    .filter(goal => !flow.steps.has(goal))
    .map(goal => {
      const hint = goal === END ? '; give the flow a step of the type end' : suggestion(goal, flow.steps.keys())
      const text = `there is no step "${goal}"${hint}`
      return errorAt({ step: null, field: 'goals' }, 'missing_step', text)
    })
}

function findMissing(flow: CompiledFlow): readonly Finding[] {
  const isMissing = (target: string) => target !== END && !flow.steps.has(target)
  const explain = (target: string) => `there is no step "${target}"${suggestion(target, [...flow.steps.keys(), END])}`
  const atStart = { step: null, field: 'start' }
  return [
    ...(isMissing(flow.start) ? [errorAt(atStart, 'missing_step', explain(flow.start))] : []),
    ...[...flow.steps].flatMap(([step, compiled]) =>
      stepTargets(compiled)
        .filter(({ target }) => isMissing(target))
        .map(({ field, target }) => errorAt({ step, field }, 'missing_step', explain(target))),
    ),
  ]
}

function findUnreachable(flow: CompiledFlow): readonly Finding[] {
  // Without its first step nothing is reachable, and saying so of each would hide what is wrong.
  if (!flow.steps.has(flow.start) && flow.start !== END) return []
  const reached = reachableSteps(flow)
  return [...flow.steps.keys()]
    .filter(step => !reached.has(step))
    .map(step => errorAt({ step, field: null }, 'unreachable_step', 'no step leads here'))
}

/** Every step that a run would stand at for ever: no way leads from it to an end, or to a person. */
function findDeadEnds(flow: CompiledFlow): readonly Finding[] {
  const ends = new Set([...flow.steps].filter(([, step]) => mayEnd(step)).map(([id]) => id))
  const leadTo = new Map<string, string[]>()
  for (const [id, step] of flow.steps)
    for (const { target } of stepTargets(step)) {
      const known = leadTo.get(target)
      if (known === undefined) leadTo.set(target, [id])
      else known.push(id)
    }
  // A set is walked in the order of insertion, with what is added meanwhile.
  for (const id of ends) for (const before of leadTo.get(id) ?? []) ends.add(before)
  return [...reachableSteps(flow)]
    .filter(id => !ends.has(id) && flow.steps.get(id)?.type === 'question')
    .map(id => errorAt({ step: id, field: null }, 'dead_end', 'from here the flow can neither end nor call a person'))
}

/** Whether a run can be over with this step; whoever is not understood for too long is handed to a person. */
function mayEnd(step: CompiledStep): boolean {
  if (step.type === 'end' || step.type === 'handoff') return true
  if (step.type === 'question' && step.retry.next === null) return true
  return stepTargets(step).some(({ target }) => target === END)
}
