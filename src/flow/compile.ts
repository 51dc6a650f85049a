import type { OutboundContent } from './content.ts'
import {
  type AnswerRule,
  type FlowContent,
  type FlowDocument,
  type FlowStep,
  hasChoices,
  parseDurationMs,
} from './document.ts'
import { type Expression, parseExpression } from './expression.ts'
import { fitContent } from './fit-content.ts'
import type { Json } from './json.ts'
import { RETRY_LIMIT_DEFAULT } from './limits.ts'
import { compileTemplate, expressionsOf, type Template } from './template.ts'
import { foldWords } from './words.ts'

/** A content ready to render; `fixed` is what it always renders to when it holds no `{{…}}`. */
export type CompiledContent = {
  readonly field: string
  readonly template: Template
  readonly fixed: OutboundContent | null
}

/** A question with its defaults filled in; `retry.next` null means handing over to a person. */
export type CompiledQuestion = {
  readonly type: 'question'
  readonly content: CompiledContent
  readonly variable: string
  readonly answer: AnswerRule
  readonly retry: { readonly text: CompiledContent | null; readonly limit: number; readonly next: string | null }
  readonly timeout: { readonly after_ms: number; readonly next: string } | null
  readonly next: string
}

/** A step with its expressions parsed and durations in milliseconds. */
export type CompiledStep =
  | { readonly type: 'message'; readonly content: CompiledContent; readonly next: string }
  | CompiledQuestion
  | { readonly type: 'decision'; readonly condition: Expression; readonly true: string; readonly false: string }
  | {
      readonly type: 'action'
      readonly handler: string
      readonly input: Template
      readonly variable: string | null
      readonly next: string
      readonly error: string | null
    }
  | { readonly type: 'flow'; readonly flow: string; readonly next: string }
  | { readonly type: 'handoff'; readonly note: Template }
  | { readonly type: 'end' }

/** A trigger with its keywords folded for comparing; no keywords means it takes any message. */
export type CompiledTrigger = { readonly keywords: readonly string[] | null }

/** A flow ready to run. Make it once per version and keep it: parsing is the expensive part. */
export type CompiledFlow = {
  readonly name: string
  readonly start: string
  readonly triggers: readonly CompiledTrigger[]
  readonly steps: ReadonlyMap<string, CompiledStep>
}

/** Parses every expression and template of a document once. Never throws: what doesn't parse fails when it runs. */
export function compileFlow(document: FlowDocument): CompiledFlow {
  const steps = new Map<string, CompiledStep>()
  for (const [id, step] of Object.entries(document.steps)) steps.set(id, compileStep(step))
  const triggers = document.triggers.map(trigger => ({
    keywords: 'keywords' in trigger ? trigger.keywords.map(foldWords) : null,
  }))
  return { name: document.name, start: document.start, triggers, steps }
}

function compileStep(step: FlowStep): CompiledStep {
  switch (step.type) {
    case 'message':
      return { type: 'message', content: compileContent(step.content, 'content'), next: step.next }
    case 'question':
      return compileQuestion(step)
    case 'decision':
      return { ...step, condition: parseExpression(step.condition, 'condition') }
    case 'action':
      return {
        ...step,
        input: compileTemplate(step.input, 'input', () => true),
        variable: step.variable ?? null,
        error: step.error ?? null,
      }
    case 'handoff':
      return { type: 'handoff', note: compileTemplate(step.note, 'note', () => false) }
    case 'flow':
    case 'end':
      return step
  }
}

function compileQuestion(step: Extract<FlowStep, { type: 'question' }>): CompiledQuestion {
  const { text, limit = RETRY_LIMIT_DEFAULT, next = null } = step.retry ?? {}
  return {
    type: 'question',
    content: compileContent(step.content, 'content'),
    variable: step.variable,
    answer: step.answer ?? { type: hasChoices(step.content) ? 'choice' : 'text' },
    retry: { text: text === undefined ? null : compileContent({ type: 'text', text }, 'retry'), limit, next },
    timeout: step.timeout ? { after_ms: parseDurationMs(step.timeout.after) ?? 0, next: step.timeout.next } : null,
    next: step.next,
  }
}

const COMPUTED_LISTS: ReadonlySet<string> = new Set(['buttons', 'sections', 'rows'])

function compileContent(content: FlowContent, field: string): CompiledContent {
  const template = compileTemplate(withoutUndefined(content), field, key => COMPUTED_LISTS.has(key))
  const fitted = template.kind === 'constant' ? fitContent(template.value) : null
  return { field, template, fixed: fitted !== null && 'content' in fitted ? fitted.content : null }
}

/** The content as JSON: a key that is undefined is no key. */
function withoutUndefined(content: FlowContent): Json {
  return JSON.parse(JSON.stringify(content))
}

/** Every expression of a step, in the order of its fields. */
export function stepExpressions(step: CompiledStep): readonly Expression[] {
  switch (step.type) {
    case 'message':
      return expressionsOf(step.content.template)
    case 'question':
      return [
        ...expressionsOf(step.content.template),
        ...(step.retry.text ? expressionsOf(step.retry.text.template) : []),
      ]
    case 'decision':
      return [step.condition]
    case 'action':
      return expressionsOf(step.input)
    case 'handoff':
      return expressionsOf(step.note)
    case 'flow':
    case 'end':
      return []
  }
}

/** The steps a step can lead to, "end" among them, with the field that says so. */
export function stepTargets(step: CompiledStep): readonly { readonly field: string; readonly target: string }[] {
  const fields: Record<string, string | null> = targetFields(step)
  return Object.entries(fields).flatMap(([field, target]) => (target === null ? [] : [{ field, target }]))
}

function targetFields(step: CompiledStep): Record<string, string | null> {
  switch (step.type) {
    case 'question':
      return { next: step.next, 'retry.next': step.retry.next, 'timeout.next': step.timeout?.next ?? null }
    case 'decision':
      return { true: step.true, false: step.false }
    case 'action':
      return { next: step.next, error: step.error }
    case 'message':
    case 'flow':
      return { next: step.next }
    case 'handoff':
    case 'end':
      return {}
  }
}
