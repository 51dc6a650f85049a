import type { CompiledFlow, CompiledStep } from './compile.ts'
import { errorAt, type Finding, warningAt } from './finding.ts'
import { SUMMARY_LENGTH_MAX } from './limits.ts'
import { stepTargets } from './step-parts.ts'
import { shorten } from './words.ts'

/** Loops that a run could not leave, or that would go on by themselves. */
export function checkLoops(flow: CompiledFlow): readonly Finding[] {
  return [...findEndlessLoops(flow), ...findTimeoutLoops(flow)]
}

/** Steps at which a run stands still until something happens. */
const STANDING: ReadonlySet<CompiledStep['type']> = new Set(['question', 'wait', 'handoff'])

/** Every step that lets a run go round without ever standing still. */
function findEndlessLoops(flow: CompiledFlow): readonly Finding[] {
  const loops = findLoops(flow, step => (alwaysStands(step) ? [] : stepTargets(step)))
  return loops.map(({ step, field, round }) =>
    errorAt({ step, field }, 'endless_loop', `the loop ${round} has no question in it, so it would never stop`),
  )
}

/** A moment that is computed may have passed already, and then nothing is waited for. */
function alwaysStands(step: CompiledStep): boolean {
  return STANDING.has(step.type) && !(step.type === 'wait' && step.until.kind === 'moment')
}

/** The field by which a step goes on when nobody does anything. */
const BY_ITSELF: Readonly<Partial<Record<CompiledStep['type'], string>>> = {
  question: 'timeout.next',
  wait: 'next',
  handoff: 'timeout.next',
}

/** Loops that go on while the customer says nothing, because time runs out and leads back. */
function findTimeoutLoops(flow: CompiledFlow): readonly Finding[] {
  const edges = (step: CompiledStep) =>
    stepTargets(step).filter(({ field }) => !STANDING.has(step.type) || field === BY_ITSELF[step.type])
  return findLoops(flow, edges)
    .filter(({ ids }) => ids.some(id => STANDING.has(flow.steps.get(id)?.type ?? 'end')))
    .map(({ step, field, round }) =>
      warningAt({ step, field }, 'timeout_loop', `the loop ${round} goes on for ever when the customer doesn't answer`),
    )
}

type Edge = ReturnType<typeof stepTargets>[number]
type EdgesOf = (id: string) => readonly Edge[]
type Loop = { readonly step: string; readonly field: string; readonly round: string; readonly ids: readonly string[] }

/** One loop, the shortest, through each step that lies on any and on none of those given before. */
function findLoops(flow: CompiledFlow, edgesOfStep: (step: CompiledStep) => readonly Edge[]): readonly Loop[] {
  const known = new Map([...flow.steps].map(([id, step]) => [id, edgesOfStep(step)]))
  const edgesOf: EdgesOf = id => known.get(id) ?? []
  const inLoop = stepsInLoops([...flow.steps.keys()], edgesOf)
  const covered = new Set<string>()
  const loops: Loop[] = []
  for (const step of flow.steps.keys()) {
    if (!inLoop.has(step) || covered.has(step)) continue
    const { field, ids } = wayBack(step, edgesOf)
    for (const id of ids) covered.add(id)
    loops.push({ step, field, round: shorten([...ids, step].join(' → '), SUMMARY_LENGTH_MAX), ids })
  }
  return loops
}

/**
 * The steps that lie on a loop: those of a strongly connected component of several steps, or with an edge to themselves
 * (Tarjan, "Depth-first search and linear graph algorithms", with a stack of its own: a flow may be a long chain).
 */
function stepsInLoops(ids: readonly string[], edgesOf: EdgesOf): ReadonlySet<string> {
  const found = new Set<string>()
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const open: string[] = []
  const isOpen = new Set<string>()
  const lower = (id: string, to: number) => void low.set(id, Math.min(low.get(id) ?? to, to))
  for (const root of ids) {
    if (order.has(root)) continue
    const path: { id: string; next: number }[] = [{ id: root, next: 0 }]
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const { id } = at
      if (at.next === 0) {
        order.set(id, order.size)
        low.set(id, order.size - 1)
        open.push(id)
        isOpen.add(id)
      }
      const target = edgesOf(id)[at.next++]?.target
      if (target === undefined) {
        path.pop()
        const above = path.at(-1)
        if (above !== undefined) lower(above.id, low.get(id) ?? 0)
        if (low.get(id) === order.get(id)) closeComponent(id, open, isOpen, found)
      } else if (target === id) found.add(id)
      else if (!order.has(target)) path.push({ id: target, next: 0 })
      else if (isOpen.has(target)) lower(id, order.get(target) ?? 0)
    }
  }
  return found
}

function closeComponent(root: string, open: string[], isOpen: Set<string>, found: Set<string>): void {
  const members = open.splice(open.indexOf(root))
  for (const id of members) isOpen.delete(id)
  if (members.length > 1) for (const id of members) found.add(id)
}

/** The shortest way from a step of a loop back to itself: the field it begins with, and the steps on it. */
function wayBack(from: string, edgesOf: EdgesOf): { readonly field: string; readonly ids: readonly string[] } {
  const cameFrom = new Map<string, { readonly id: string; readonly field: string }>()
  const waiting = new Set([from])
  for (const id of waiting) {
    for (const { field, target } of edgesOf(id)) {
      if (!cameFrom.has(target)) cameFrom.set(target, { id, field })
      waiting.add(target)
    }
    if (cameFrom.has(from)) break
  }
  const ids: string[] = []
  let field = ''
  for (let at = cameFrom.get(from); at !== undefined; at = at.id === from ? undefined : cameFrom.get(at.id)) {
    ids.unshift(at.id)
    field = at.field
  }
  return { field, ids }
}
