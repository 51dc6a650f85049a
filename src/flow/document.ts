import * as v from 'valibot'
import { answerSchema } from './answer-rule.ts'
import { parseDurationMs } from './duration.ts'
import { RESERVED_NAMES } from './expression.ts'
import { flowContentSchema, flowTemplateSchema, hasChoices, templateText } from './flow-content.ts'
import { formUnion } from './form-union.ts'
import { isBoundedJson, isJsonObject, type JsonObject } from './json.ts'
import * as limits from './limits.ts'
import { isWholeTemplate } from './template.ts'
import { foldWords } from './words.ts'

export type { AnswerRule } from './answer-rule.ts'

/** Where a flow ends without a step of its own: `next: "end"`. */
export const END = 'end'

const ID = /^[a-z][a-z0-9_]*$/

const targetSchema = v.pipe(v.string(), v.maxLength(limits.ID_LENGTH_MAX), v.regex(ID, 'Must be the id of a step'))
const variableSchema = v.pipe(
  v.string(),
  v.maxLength(limits.ID_LENGTH_MAX),
  v.regex(ID, 'Must begin with a letter and have only a to z, 0 to 9 and _'),
  v.check(name => !RESERVED_NAMES.has(name), 'This name already means something in expressions'),
)
const nameSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.NAME_LENGTH_MAX))
const durationSchema = v.pipe(
  v.string(),
  v.check(text => parseDurationMs(text) !== null, 'Must be a duration like 10s, 30m, 2h or 3d, of at most 30 days'),
)
const conditionSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.EXPRESSION_LENGTH_MAX))
const retryLimit = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(limits.RETRY_LIMIT_MAX))

/** Where to go when nothing has come `after` a time. */
const timeoutSchema = v.strictObject({ after: durationSchema, next: targetSchema })

const messageSchema = v.strictObject({
  type: v.literal('message'),
  content: flowContentSchema,
  template: v.optional(flowTemplateSchema),
  next: targetSchema,
})

const questionSchema = v.pipe(
  v.strictObject({
    type: v.literal('question'),
    content: flowContentSchema,
    template: v.optional(flowTemplateSchema),
    variable: variableSchema,
    answer: v.optional(answerSchema),
    retry: v.optional(
      v.strictObject({
        text: v.optional(templateText(limits.TEXT_LENGTH_MAX)),
        limit: v.optional(retryLimit),
        next: v.optional(targetSchema),
      }),
    ),
    timeout: v.optional(timeoutSchema),
    next: targetSchema,
  }),
  v.forward(
    v.check(
      question => question.answer?.type !== 'choice' || hasChoices(question.content),
      'A choice needs a content with buttons or a list',
    ),
    ['answer'],
  ),
)

const inputSchema = v.custom<JsonObject>(
  input => isBoundedJson(input, limits.INPUT_JSON_LENGTH_MAX) && isJsonObject(input),
  'Must be an object of at most 16 KB of JSON',
)

const decisionSchema = v.strictObject({
  type: v.literal('decision'),
  condition: conditionSchema,
  true: targetSchema,
  false: targetSchema,
})

const casesSchema = v.strictObject({
  type: v.literal('decision'),
  cases: v.pipe(
    v.array(v.strictObject({ condition: conditionSchema, next: targetSchema })),
    v.minLength(1),
    v.maxLength(limits.CASES_MAX),
  ),
  else: targetSchema,
})

const waitTime = v.pipe(
  durationSchema,
  v.check(text => (parseDurationMs(text) ?? 0) >= limits.WAIT_MS_MIN, 'Must be at least a minute'),
)
const clockTime = v.pipe(
  v.string(),
  v.maxLength(limits.TEMPLATE_LENGTH_MAX),
  v.check(
    text => isClockTime(text) || isWholeTemplate(text),
    'Must be a time of the day like 17:00, or one whole {{…}} that gives a moment, past or at most 30 days ahead',
  ),
)

/** Whether a text is a time of the day, `HH:MM`. */
export function isClockTime(text: string): boolean {
  return /^(?:[01]\d|2[0-3]):[0-5]\d$/.test(text)
}

const waitSchema = v.pipe(
  v.strictObject({
    type: v.literal('wait'),
    for: v.optional(waitTime),
    until: v.optional(clockTime),
    next: targetSchema,
    on_message: v.optional(targetSchema),
  }),
  v.check(wait => (wait.for === undefined) !== (wait.until === undefined), 'Give one of "for" and "until"'),
)

const plainStepSchema = v.variant('type', [
  messageSchema,
  questionSchema,
  decisionSchema,
  v.strictObject({
    type: v.literal('action'),
    handler: v.pipe(
      v.string(),
      v.maxLength(limits.ID_LENGTH_MAX),
      v.regex(/^[a-z][a-z0-9_.]*$/, 'Must be the name of a handler, like order.create'),
    ),
    input: v.optional(inputSchema, {}),
    variable: v.optional(variableSchema),
    next: targetSchema,
    error: v.optional(targetSchema),
  }),
  v.strictObject({ type: v.literal('flow'), flow: nameSchema, next: targetSchema }),
  v.strictObject({
    type: v.literal('handoff'),
    note: v.optional(templateText(limits.NOTE_LENGTH_MAX, 0), ''),
    next: v.optional(targetSchema),
    timeout: v.optional(timeoutSchema),
    agent_timeout: v.optional(timeoutSchema),
  }),
  waitSchema,
  v.strictObject({ type: v.literal('end') }),
])

const stepSchema = formUnion(
  [plainStepSchema, casesSchema],
  step => ('type' in step && step.type === 'decision' && 'cases' in step ? casesSchema : plainStepSchema),
  'Must be a step',
)

/** One step of a flow document. */
export type FlowStep = v.InferOutput<typeof stepSchema>

const keywordSchema = v.pipe(
  v.string(),
  v.maxLength(limits.KEYWORD_LENGTH_MAX),
  v.check(keyword => foldWords(keyword) !== '', 'A keyword needs a letter, a digit or a symbol'),
)
const idsOf = (lengthMax: number) =>
  v.pipe(
    v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(lengthMax))),
    v.minLength(1),
    v.maxLength(limits.TRIGGER_IDS_MAX),
  )

/** Only while the business is open, or closed. */
const hours = v.optional(v.picklist(['open', 'closed']))

const keywordsTrigger = v.strictObject({
  keywords: v.pipe(v.array(keywordSchema), v.minLength(1), v.maxLength(limits.KEYWORDS_MAX)),
  match: v.optional(v.picklist(['contains', 'exact', 'starts'])),
  hours,
})
const buttonsTrigger = v.strictObject({ buttons: idsOf(limits.BUTTON_ID_LENGTH_MAX), hours })
const adsTrigger = v.strictObject({
  ads: v.union([v.literal(true), idsOf(limits.REFERRAL_ID_LENGTH_MAX)], 'Must be true, or a list of ids'),
  hours,
})
const fallbackTrigger = v.strictObject({ fallback: v.literal(true), hours })

const triggerSchema = formUnion(
  [keywordsTrigger, buttonsTrigger, adsTrigger, fallbackTrigger],
  trigger => {
    if ('keywords' in trigger) return keywordsTrigger
    if ('buttons' in trigger) return buttonsTrigger
    if ('ads' in trigger) return adsTrigger
    return 'fallback' in trigger ? fallbackTrigger : undefined
  },
  'Must be {"keywords": [...]}, {"buttons": [...]}, {"ads": ...} or {"fallback": true}',
)

/** One thing that starts a flow. */
export type FlowTrigger = v.InferOutput<typeof triggerSchema>

/**
 * The document a user writes. It says nothing yet of what belongs together (targets that exist, loops, variables):
 * `checkFlow` does. Unknown keys are refused everywhere.
 */
export const flowDocumentSchema = v.strictObject({
  name: nameSchema,
  start: targetSchema,
  triggers: v.optional(v.pipe(v.array(triggerSchema), v.maxLength(limits.TRIGGERS_MAX)), []),
  /** The steps that the flow is there for: the figures count who comes to one. */
  goals: v.optional(v.pipe(v.array(targetSchema), v.maxLength(limits.GOALS_MAX))),
  steps: v.pipe(
    v.record(
      v.pipe(
        targetSchema,
        v.check(id => id !== END, '"end" is built in and no name for a step'),
      ),
      stepSchema,
    ),
    v.check(steps => Object.keys(steps).length > 0, 'A flow needs a step'),
    v.check(steps => Object.keys(steps).length <= limits.STEPS_MAX, `A flow has at most ${limits.STEPS_MAX} steps`),
    v.check(
      steps => JSON.stringify(steps).split('{{').length <= limits.TEMPLATES_MAX + 1,
      `A flow has at most ${limits.TEMPLATES_MAX} {{…}}`,
    ),
  ),
})

/** A flow as `flowDocumentSchema` gives it. */
export type FlowDocument = v.InferOutput<typeof flowDocumentSchema>
