import * as v from 'valibot'
import { explainIssue, pathOf } from './check-schema.ts'
import type { CompiledContent, CompiledFlow, CompiledStep } from './compile.ts'
import { checkExpression, type Expression } from './expression.ts'
import { errorAt, type Finding, suggestion, warningAt } from './finding.ts'
import { fitContent } from './fit-content.ts'
import type { Json } from './json.ts'
import { SILENT_WAIT_MS_MAX } from './limits.ts'
import { stepContents, stepExpressions } from './step-parts.ts'
import type { Template } from './template.ts'

/** What a flow may use of the world around it; see `checkFlow`. */
export type Surroundings = {
  readonly handlers: ReadonlyMap<string, v.GenericSchema | null>
  readonly flows?: ReadonlySet<string> | undefined
}

/** What is wrong with each step by itself: its expressions, contents, answers, and what it calls. */
export function checkSteps(flow: CompiledFlow, surroundings: Surroundings): readonly Finding[] {
  return [...flow.steps].flatMap(([id, step]) => [
    ...stepExpressions(step).flatMap(expression => checkOneExpression(id, expression)),
    ...checkByType(id, step, flow, surroundings),
  ])
}

function checkByType(id: string, step: CompiledStep, flow: CompiledFlow, around: Surroundings): readonly Finding[] {
  switch (step.type) {
    case 'message':
      return stepContents(step).flatMap(content => checkContent(id, content))
    case 'question':
      return [...stepContents(step).flatMap(content => checkContent(id, content)), ...checkQuestion(id, step)]
    case 'decision':
      return step.cases.flatMap(({ condition }) => checkCondition(id, condition))
    case 'action':
      return checkAction(id, step, around.handlers)
    case 'flow':
      return checkCall(id, step.flow, flow.name, around.flows)
    case 'wait':
      return checkWait(id, step)
    case 'handoff':
    case 'end':
      return []
  }
}

function checkOneExpression(step: string, { field, source, problem }: Expression): readonly Finding[] {
  const checked = problem === null ? checkExpression(source) : { problem }
  if (!('problem' in checked)) return []
  return [errorAt({ step, field }, 'bad_expression', `"${source}" can't be evaluated: ${checked.problem}`)]
}

function checkCondition(step: string, { field, source, problem }: Expression): readonly Finding[] {
  const checked = problem === null ? checkExpression(source) : { problem }
  if ('problem' in checked || checked.type === 'bool' || checked.type === 'dyn') return []
  const text = `"${source}" must be true or false, but gives a value of type ${checked.type}`
  return [errorAt({ step, field }, 'not_a_condition', text)]
}

function checkContent(step: string, { field, template, fixed }: CompiledContent): readonly Finding[] {
  if (fixed !== null || template.kind !== 'constant') return []
  const fitted = fitContent(template.value)
  if ('content' in fitted) return []
  const place = { step, field: fitted.path === '' ? field : `${field}.${fitted.path}` }
  return [errorAt(place, 'unsendable_content', `no provider can send this: ${fitted.problem}`)]
}

function checkQuestion(step: string, question: Extract<CompiledStep, { type: 'question' }>): readonly Finding[] {
  const { answer, timeout } = question
  const [min, max] = 'min' in answer || 'max' in answer ? [answer.min, answer.max] : []
  const isImpossible = min !== undefined && max !== undefined && min > max
  const text = `no answer is both at least ${min} and at most ${max}`
  return [
    ...(isImpossible ? [errorAt({ step, field: 'answer' }, 'impossible_answer', text)] : []),
    ...(timeout === null
      ? [
          warningAt(
            { step, field: 'timeout' },
            'no_timeout',
            'without one the flow waits until the conversation closes',
          ),
        ]
      : []),
  ]
}

function checkWait(step: string, { until, on_message }: Extract<CompiledStep, { type: 'wait' }>): readonly Finding[] {
  if (on_message !== null || (until.kind === 'for' && until.ms <= SILENT_WAIT_MS_MAX)) return []
  const text =
    'without one, what the customer writes meanwhile is answered only where it has a keyword or is a button of a flow'
  return [warningAt({ step, field: 'on_message' }, 'silent_wait', text)]
}

function checkCall(
  step: string,
  name: string,
  ownName: string,
  flows: ReadonlySet<string> | undefined,
): readonly Finding[] {
  if (flows === undefined || name === ownName || flows.has(name)) return []
  const text = `no flow of the name "${name}" is published${suggestion(name, flows)}`
  return [errorAt({ step, field: 'flow' }, 'unknown_flow', text)]
}

function checkAction(
  step: string,
  { handler, input }: Extract<CompiledStep, { type: 'action' }>,
  handlers: Surroundings['handlers'],
): readonly Finding[] {
  const schema = handlers.get(handler)
  if (schema === null) return []
  if (schema !== undefined) return checkInput(step, input, schema)
  const text = `there is no handler "${handler}"${suggestion(handler, handlers.keys())}`
  return [errorAt({ step, field: 'handler' }, 'unknown_handler', text)]
}

/** Holds what an input says as constants against its handler's schema; what is computed can be anything. */
function checkInput(step: string, input: Template, schema: v.GenericSchema): readonly Finding[] {
  const holes: (readonly string[])[] = []
  const parsed = v.safeParse(schema, withHoles(input, [], holes))
  return (parsed.issues ?? [])
    .filter(issue => !holes.some(hole => isAlong(hole, pathOf(issue))))
    .map(issue => errorAt({ step, field: ['input', ...pathOf(issue)].join('.') }, 'bad_input', explainIssue(issue)))
}

/** The template's constants, with null and a path in `holes` for what is computed. */
function withHoles(template: Template, path: readonly string[], holes: (readonly string[])[]): Json {
  switch (template.kind) {
    case 'constant':
      return template.value
    case 'list':
      return template.items.map((item, index) => withHoles(item, [...path, String(index)], holes))
    case 'object':
      return Object.fromEntries(template.entries.map(([key, item]) => [key, withHoles(item, [...path, key], holes)]))
    case 'text':
    case 'value':
      holes.push(path)
      return null
  }
}

/** Whether one path is the beginning of the other, or they are the same. */
function isAlong(one: readonly string[], other: readonly string[]): boolean {
  return one.slice(0, other.length).join('.') === other.slice(0, one.length).join('.')
}
