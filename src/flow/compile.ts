import type { OutboundContent } from './content.ts'
import { type AnswerRule, type FlowDocument, type FlowStep, type FlowTrigger, isClockTime } from './document.ts'
import { parseDurationMs } from './duration.ts'
import { type Expression, parseExpression } from './expression.ts'
import { fitContent } from './fit-content.ts'
import { type FlowContent, hasChoices } from './flow-content.ts'
import type { Json } from './json.ts'
import { RETRY_LIMIT_DEFAULT } from './limits.ts'
import { compileTemplate, type Template } from './template.ts'
import { foldWords } from './words.ts'

/** A content ready to render; `fixed` is what it always renders to when it holds no `{{…}}`. */
export type CompiledContent = {
  readonly field: string
  readonly template: Template
  readonly fixed: OutboundContent | null
}

/** A target to go to when nothing came for a time. */
export type CompiledTimeout = { readonly after_ms: number; readonly next: string }

/** What is sent, and what instead of it when the customer's window is closed. */
export type Sent = { readonly content: CompiledContent; readonly template: CompiledContent | null }

/** A question with its defaults filled in; `retry.next` null means handing over to a person. */
export type CompiledQuestion = Sent & {
  readonly type: 'question'
  readonly variable: string
  readonly answer: AnswerRule
  readonly retry: { readonly text: CompiledContent | null; readonly limit: number; readonly next: string | null }
  readonly timeout: CompiledTimeout | null
  readonly next: string
}

/** The cases of a decision, in order, and where it goes when none is true. `isPlain`: it has one condition, not cases. */
export type CompiledDecision = {
  readonly type: 'decision'
  readonly isPlain: boolean
  readonly cases: readonly { readonly condition: Expression; readonly next: string }[]
  readonly else: string
}

/** A handoff; one that `stays` keeps its run until the conversation comes back to the bot. */
export type CompiledHandoff = {
  readonly type: 'handoff'
  readonly note: Template
  readonly stays: boolean
  readonly next: string | null
  readonly timeout: CompiledTimeout | null
  readonly agent_timeout: CompiledTimeout | null
}

/** Until when a run waits: a time long, to a time of the day, or to a moment that is computed. */
export type CompiledWait = {
  readonly type: 'wait'
  readonly until:
    | { readonly kind: 'for'; readonly ms: number }
    | { readonly kind: 'clock'; readonly time: string }
    | { readonly kind: 'moment'; readonly moment: Template }
  readonly next: string
  readonly on_message: string | null
}

/** A step with its expressions parsed and durations in milliseconds. */
export type CompiledStep =
  | (Sent & { readonly type: 'message'; readonly next: string })
  | CompiledQuestion
  | CompiledDecision
  | {
      readonly type: 'action'
      readonly handler: string
      readonly input: Template
      readonly variable: string | null
      readonly next: string
      readonly error: string | null
    }
  | { readonly type: 'flow'; readonly flow: string; readonly next: string }
  | CompiledHandoff
  | CompiledWait
  | { readonly type: 'end' }

/** Whether a trigger counts only while the business is open, or only while it is closed. */
export type TriggerHours = 'open' | 'closed' | null

/** What starts a flow; keywords are folded for comparing. `ads` without ids takes any advertisement. */
export type CompiledTrigger =
  | {
      readonly kind: 'keywords'
      readonly words: readonly string[]
      readonly match: 'contains' | 'exact' | 'starts'
      readonly hours: TriggerHours
    }
  | { readonly kind: 'buttons'; readonly ids: readonly string[]; readonly hours: TriggerHours }
  | { readonly kind: 'ads'; readonly ids: readonly string[] | null; readonly hours: TriggerHours }
  | { readonly kind: 'fallback'; readonly hours: TriggerHours }

/** A flow ready to run. Make it once per version and keep it: parsing is the expensive part. */
export type CompiledFlow = {
  readonly name: string
  readonly start: string
  readonly triggers: readonly CompiledTrigger[]
  readonly goals: ReadonlySet<string>
  readonly steps: ReadonlyMap<string, CompiledStep>
}

/** Parses every expression and template of a document once. Never throws: what doesn't parse fails when it runs. */
export function compileFlow(document: FlowDocument): CompiledFlow {
  const steps = new Map<string, CompiledStep>()
  for (const [id, step] of Object.entries(document.steps)) steps.set(id, compileStep(step))
  const { name, start, triggers, goals } = document
  return { name, start, triggers: triggers.map(compileTrigger), goals: new Set(goals), steps }
}

function compileTrigger(trigger: FlowTrigger): CompiledTrigger {
  const { hours = null } = trigger
  if ('keywords' in trigger) {
    return { kind: 'keywords', words: trigger.keywords.map(foldWords), match: trigger.match ?? 'contains', hours }
  }
  if ('buttons' in trigger) return { kind: 'buttons', ids: trigger.buttons, hours }
  if ('ads' in trigger) return { kind: 'ads', ids: trigger.ads === true ? null : trigger.ads, hours }
  return { kind: 'fallback', hours }
}

function compileStep(step: FlowStep): CompiledStep {
  switch (step.type) {
    case 'message':
      return { type: 'message', ...compileSent(step), next: step.next }
    case 'question':
      return compileQuestion(step)
    case 'decision':
      return compileDecision(step)
    case 'action':
      return {
        ...step,
        input: compileTemplate(step.input, 'input', () => true),
        variable: step.variable ?? null,
        error: step.error ?? null,
      }
    case 'handoff':
      return compileHandoff(step)
    case 'wait':
      return compileWait(step)
    case 'flow':
    case 'end':
      return step
  }
}

type StepOf<TType extends FlowStep['type']> = Extract<FlowStep, { type: TType }>

function compileSent({ content, template }: StepOf<'message'> | StepOf<'question'>): Sent {
  return {
    content: compileContent(content, 'content'),
    template: template === undefined ? null : compileContent(template, 'template'),
  }
}

function compileQuestion(step: StepOf<'question'>): CompiledQuestion {
  const { text, limit = RETRY_LIMIT_DEFAULT, next = null } = step.retry ?? {}
  return {
    type: 'question',
    ...compileSent(step),
    variable: step.variable,
    answer: step.answer ?? { type: hasChoices(step.content) ? 'choice' : 'text' },
    retry: { text: text === undefined ? null : compileContent({ type: 'text', text }, 'retry'), limit, next },
    timeout: compileTimeout(step.timeout),
    next: step.next,
  }
}

function compileTimeout(timeout: StepOf<'question'>['timeout']): CompiledTimeout | null {
  return timeout === undefined ? null : { after_ms: parseDurationMs(timeout.after) ?? 0, next: timeout.next }
}

function compileDecision(step: StepOf<'decision'>): CompiledDecision {
  if (!('cases' in step)) {
    const only = { condition: parseExpression(step.condition, 'condition'), next: step.true }
    return { type: 'decision', isPlain: true, cases: [only], else: step.false }
  }
  const cases = step.cases.map(({ condition, next }, index) => {
    return { condition: parseExpression(condition, `cases.${index}.condition`), next }
  })
  return { type: 'decision', isPlain: false, cases, else: step.else }
}

function compileHandoff(step: StepOf<'handoff'>): CompiledHandoff {
  const { note, next = null } = step
  const [timeout, agent_timeout] = [compileTimeout(step.timeout), compileTimeout(step.agent_timeout)]
  return {
    type: 'handoff',
    note: compileTemplate(note, 'note', () => false),
    stays: next !== null || timeout !== null || agent_timeout !== null,
    next,
    timeout,
    agent_timeout,
  }
}

function compileWait({ for: duration, until = '', next, on_message }: StepOf<'wait'>): CompiledWait {
  return { type: 'wait', until: compileUntil(duration, until), next, on_message: on_message ?? null }
}

function compileUntil(duration: string | undefined, until: string): CompiledWait['until'] {
  if (duration !== undefined) return { kind: 'for', ms: parseDurationMs(duration) ?? 0 }
  if (isClockTime(until)) return { kind: 'clock', time: until }
  return { kind: 'moment', moment: compileTemplate(until, 'until', () => true) }
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
