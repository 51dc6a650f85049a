import type { CompiledFlow, CompiledStep } from './compile.ts'
import { END } from './document.ts'
import { errorAt, type Finding, suggestion, warningAt } from './finding.ts'
import { SUMMARY_LENGTH_MAX } from './limits.ts'
import { stepTargets } from './step-parts.ts'
import { shorten } from './words.ts'

/** What is wrong with how the steps lead to each other: targets that aren't there, steps nobody reaches, loops. */
export function checkGraph(flow: CompiledFlow): readonly Finding[] {
  return [...findMissing(flow), ...findUnreachable(flow), ...findEndlessLoops(flow), ...findTimeoutLoops(flow)]
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

/** Every step that lets a run go round without anyone being asked anything. */
function findEndlessLoops(flow: CompiledFlow): readonly Finding[] {
  const loops = findLoops(flow, step => (step.type === 'question' ? [] : stepTargets(step)))
  return loops.map(({ step, field, round }) =>
    errorAt({ step, field }, 'endless_loop', `the loop ${round} has no question in it, so it would never stop`),
  )
}

/** Loops that go on while the customer says nothing, because a question's time runs out and leads back to it. */
function findTimeoutLoops(flow: CompiledFlow): readonly Finding[] {
  const edges = (step: CompiledStep) =>
    stepTargets(step).filter(({ field }) => step.type !== 'question' || field === 'timeout.next')
  return findLoops(flow, edges)
    .filter(({ ids }) => ids.some(id => flow.steps.get(id)?.type === 'question'))
    .map(({ step, field, round }) =>
      warningAt({ step, field }, 'timeout_loop', `the loop ${round} goes on for ever when the customer doesn't answer`),
    )
}

type Edge = ReturnType<typeof stepTargets>[number]
type Loop = { readonly step: string; readonly field: string; readonly round: string; readonly ids: readonly string[] }

/** One loop, the shortest, through each step that lies on any and on none of those given before. */
function findLoops(flow: CompiledFlow, edgesOf: (step: CompiledStep) => readonly Edge[]): readonly Loop[] {
  const covered = new Set<string>()
  const loops: Loop[] = []
  for (const step of flow.steps.keys()) {
    if (covered.has(step)) continue
    const way = wayBack(flow, step, edgesOf)
    if (way === null) continue
    const ids = [step, ...way.ids]
    for (const id of ids) covered.add(id)
    loops.push({ step, field: way.field, round: shorten(ids.join(' → '), SUMMARY_LENGTH_MAX), ids })
  }
  return loops
}

type Way = { readonly at: string; readonly field: string; readonly ids: readonly string[] }

/** The shortest way from a step back to itself: the field it begins with and the ids after the first; null without one. */
function wayBack(flow: CompiledFlow, from: string, edgesOf: (step: CompiledStep) => readonly Edge[]): Way | null {
  const seen = new Set<string>()
  let ways: readonly Way[] = [{ at: from, field: '', ids: [] }]
  while (ways.length > 0) {
    const longer: Way[] = []
    for (const way of ways) {
      const step = flow.steps.get(way.at)
      for (const { field, target } of step === undefined ? [] : edgesOf(step)) {
        if (seen.has(target)) continue
        seen.add(target)
        longer.push({ at: target, field: way.field || field, ids: [...way.ids, target] })
      }
    }
    const back = longer.find(way => way.at === from)
    if (back !== undefined) return back
    ways = longer
  }
  return null
}
