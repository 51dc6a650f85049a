import type { CompiledContent, CompiledFlow, CompiledStep } from './compile.ts'
import { errorAt, type Finding, warningAt } from './finding.ts'
import { isJsonObject } from './json.ts'
import { WINDOW_MS } from './limits.ts'
import { stepTargets } from './step-parts.ts'

/**
 * Every message or question that may go out when only templates may, and has none: an error where the flow's bots have a
 * window, else a warning. Counted is what the flow itself waits; how long a person or a called flow takes is not known.
 */
export function checkWindow(flow: CompiledFlow, hasWindow: boolean): readonly Finding[] {
  const silence = longestSilence(flow)
  const text =
    'it may go out more than 24 hours after the customer last wrote, when only templates may: give the step a "template"'
  return [...flow.steps].flatMap(([step, compiled]) => {
    if ((silence.get(step) ?? 0) < WINDOW_MS || !isFreeForm(compiled)) return []
    const place = { step, field: 'content' }
    return [hasWindow ? errorAt(place, 'late_content', text) : warningAt(place, 'late_content', text)]
  })
}

function isFreeForm(step: CompiledStep): boolean {
  return (step.type === 'message' || step.type === 'question') && step.template === null && !isTemplate(step.content)
}

/** A content's type is never computed. */
function isTemplate({ template }: CompiledContent): boolean {
  if (template.kind === 'constant') return isJsonObject(template.value) && template.value.type === 'template'
  if (template.kind !== 'object') return false
  const type = template.entries.find(([key]) => key === 'type')?.[1]
  return type?.kind === 'constant' && type.value === 'template'
}

/** The longest that a customer may have been silent when a run comes to a step, up to WINDOW_MS; by step. */
function longestSilence(flow: CompiledFlow): ReadonlyMap<string, number> {
  const longest = new Map<string, number>([[flow.start, 0]])
  const raised = new Map<string, number>()
  const changed = new Set([flow.start])
  for (const id of changed) {
    // A set is walked in the order of insertion, with what is added meanwhile: this makes it a queue.
    changed.delete(id)
    const [step, before] = [flow.steps.get(id), longest.get(id) ?? 0]
    if (step === undefined) continue
    for (const { field, target } of stepTargets(step)) {
      const times = (raised.get(target) ?? 0) + 1
      // What still grows after as many rounds as there are steps grows in a loop.
      const after = times > flow.steps.size ? WINDOW_MS : Math.min(WINDOW_MS, silenceAfter(step, field, before))
      if (longest.has(target) && after <= (longest.get(target) ?? 0)) continue
      longest.set(target, after)
      raised.set(target, times)
      changed.add(target)
    }
  }
  return longest
}

/** How long a customer may have been silent after a step, when they were silent for `before` at it. */
function silenceAfter(step: CompiledStep, field: string, before: number): number {
  switch (step.type) {
    case 'question':
      return field === 'timeout.next' ? before + (step.timeout?.after_ms ?? 0) : 0
    case 'wait':
      return field === 'on_message' ? 0 : before + (step.until.kind === 'for' ? step.until.ms : WINDOW_MS)
    case 'handoff':
      if (field === 'timeout.next') return before + (step.timeout?.after_ms ?? 0)
      return field === 'agent_timeout.next' ? (step.agent_timeout?.after_ms ?? 0) : 0
    default:
      return before
  }
}
