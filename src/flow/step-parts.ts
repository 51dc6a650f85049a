import type { CompiledContent, CompiledStep } from './compile.ts'
import type { Expression } from './expression.ts'
import { expressionsOf } from './template.ts'

/** The contents of a step, in the order of its fields. */
export function stepContents(step: CompiledStep): readonly CompiledContent[] {
  if (step.type !== 'message' && step.type !== 'question') return []
  const retry = step.type === 'question' ? step.retry.text : null
  return [step.content, step.template, retry].filter(content => content !== null)
}

/** Every expression of a step, in the order of its fields. */
export function stepExpressions(step: CompiledStep): readonly Expression[] {
  switch (step.type) {
    case 'message':
    case 'question':
      return stepContents(step).flatMap(content => expressionsOf(content.template))
    case 'decision':
      return step.cases.map(one => one.condition)
    case 'action':
      return expressionsOf(step.input)
    case 'handoff':
      return expressionsOf(step.note)
    case 'wait':
      return step.until.kind === 'moment' ? expressionsOf(step.until.moment) : []
    case 'flow':
    case 'end':
      return []
  }
}

type Targets = readonly { readonly field: string; readonly target: string }[]

// Every part of the checker asks for them, and a compiled step never changes.
const targets = new WeakMap<CompiledStep, Targets>()

/** The steps a step can lead to, "end" among them, with the field that says so. */
export function stepTargets(step: CompiledStep): Targets {
  const known = targets.get(step)
  if (known !== undefined) return known
  const fields: Record<string, string | null> = targetFields(step)
  const made = Object.entries(fields).flatMap(([field, target]) => (target === null ? [] : [{ field, target }]))
  targets.set(step, made)
  return made
}

function targetFields(step: CompiledStep): Record<string, string | null> {
  switch (step.type) {
    case 'question':
      return { next: step.next, 'retry.next': step.retry.next, 'timeout.next': step.timeout?.next ?? null }
    case 'decision':
      if (step.isPlain) return { true: step.cases[0]?.next ?? null, false: step.else }
      return Object.fromEntries([
        ...step.cases.map(({ next }, index) => [`cases.${index}.next`, next]),
        ['else', step.else],
      ])
    case 'action':
      return { next: step.next, error: step.error }
    case 'wait':
      return { next: step.next, on_message: step.on_message }
    case 'message':
    case 'flow':
      return { next: step.next }
    case 'handoff':
      return {
        next: step.next,
        'timeout.next': step.timeout?.next ?? null,
        'agent_timeout.next': step.agent_timeout?.next ?? null,
      }
    case 'end':
      return {}
  }
}
