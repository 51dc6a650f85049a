import * as v from 'valibot'
import { areUnique, buttonSchema, rowSchema, sharedContentSchemas, type TextSchema } from './content.ts'
import { RESERVED_NAMES } from './expression.ts'
import { isBoundedJson, isJsonObject, type JsonObject } from './json.ts'
import * as limits from './limits.ts'
import { hasTemplate, isWholeTemplate } from './template.ts'
import { foldWords } from './words.ts'

/** Where a flow ends without a step of its own: `next: "end"`. */
export const END = 'end'

const ID = /^[a-z][a-z0-9_]*$/
const DURATION = /^([1-9][0-9]{0,6})([smhd])$/
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `10s`, `30m`, `2h` or `3d` in milliseconds; null for anything else and beyond 30 days. */
export function parseDurationMs(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? []
  const durationMs = Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  return durationMs <= limits.DURATION_MS_MAX ? durationMs : null
}

// What holds a {{…}} is only as long as it is once rendered, and then shortened where that is sensible.
const templateText: TextSchema = (max, min = 1) =>
  v.pipe(
    v.string(),
    v.check(text => hasTemplate(text) || text.length >= min, 'Must not be empty'),
    v.check(text => hasTemplate(text) || text.length <= max, `Must have at most ${max} characters`),
    v.maxLength(limits.TEMPLATE_LENGTH_MAX),
  )

/** A list written out, or a text that is one whole `{{…}}` giving that list. */
const computable = <TItem extends v.GenericSchema>(item: TItem, max: number) =>
  v.union([
    v.pipe(v.array(item), v.minLength(1), v.maxLength(max)),
    v.pipe(
      v.string(),
      v.maxLength(limits.TEMPLATE_LENGTH_MAX),
      v.check(isWholeTemplate, 'Must be a list, or one whole {{…}} that gives it'),
    ),
  ])

/** Whether the values of a list are unique, those with a `{{…}}` left aside; true of a computed list. */
function areLiteralsUnique<T>(list: readonly T[] | string, pick: (item: T) => string): boolean {
  return typeof list === 'string' || areUnique(list.map(pick).filter(value => !hasTemplate(value)))
}

const buttonsContentSchema = v.strictObject({
  type: v.literal('buttons'),
  text: templateText(limits.BUTTONS_TEXT_LENGTH_MAX),
  buttons: v.pipe(
    computable(buttonSchema(templateText), limits.BUTTONS_MAX),
    v.check(buttons => areLiteralsUnique(buttons, button => button.id), 'Two buttons have the same id'),
    v.check(buttons => areLiteralsUnique(buttons, button => button.title), 'Two buttons have the same title'),
  ),
})

const sectionSchema = v.strictObject({
  title: v.optional(templateText(limits.SECTION_TITLE_LENGTH_MAX)),
  rows: computable(rowSchema(templateText), limits.LIST_ROWS_MAX),
})

type Section = v.InferOutput<typeof sectionSchema>

function literalRows(sections: readonly Section[] | string) {
  return typeof sections === 'string' ? [] : sections.flatMap(s => (typeof s.rows === 'string' ? [] : s.rows))
}

const listContentSchema = v.strictObject({
  type: v.literal('list'),
  text: templateText(limits.TEXT_LENGTH_MAX),
  button: templateText(limits.LIST_BUTTON_LENGTH_MAX),
  sections: v.pipe(
    computable(sectionSchema, limits.LIST_SECTIONS_MAX),
    v.check(
      sections => typeof sections === 'string' || sections.length === 1 || sections.every(s => s.title !== undefined),
      'With several sections each needs a title',
    ),
    v.check(
      sections => literalRows(sections).length <= limits.LIST_ROWS_MAX,
      `A list has at most ${limits.LIST_ROWS_MAX} rows in all its sections`,
    ),
    v.check(sections => areLiteralsUnique(literalRows(sections), row => row.id), 'Two rows have the same id'),
  ),
})

const flowContentSchema = v.variant('type', [
  ...sharedContentSchemas(templateText),
  buttonsContentSchema,
  listContentSchema,
])

/** A message content as a flow writes it: any string may hold `{{…}}`; rows, sections, buttons may be one whole one. */
export type FlowContent = v.InferOutput<typeof flowContentSchema>

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
const wholeNumber = (min: number, max: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max))
const textLength = v.optional(wholeNumber(0, limits.TEXT_LENGTH_MAX))

const answerSchema = v.variant('type', [
  v.strictObject({ type: v.literal('text'), min: textLength, max: textLength }),
  v.strictObject({ type: v.literal('number'), min: v.optional(v.number()), max: v.optional(v.number()) }),
  v.strictObject({
    type: v.literal('integer'),
    min: v.optional(v.pipe(v.number(), v.safeInteger())),
    max: v.optional(v.pipe(v.number(), v.safeInteger())),
  }),
  v.strictObject({ type: v.literal('email') }),
  v.strictObject({
    type: v.literal('phone'),
    country_code: v.optional(
      v.pipe(v.string(), v.regex(/^[1-9]\d{0,2}$/, 'Must be a country code like 34, of one to three digits')),
    ),
  }),
  v.strictObject({ type: v.literal('choice') }),
])

/** What a question takes for an answer; text lengths and numbers are inclusive bounds. */
export type AnswerRule = v.InferOutput<typeof answerSchema>

const questionSchema = v.pipe(
  v.strictObject({
    type: v.literal('question'),
    content: flowContentSchema,
    variable: variableSchema,
    answer: v.optional(answerSchema),
    retry: v.optional(
      v.strictObject({
        text: v.optional(templateText(limits.TEXT_LENGTH_MAX)),
        limit: v.optional(wholeNumber(0, limits.RETRY_LIMIT_MAX)),
        next: v.optional(targetSchema),
      }),
    ),
    timeout: v.optional(v.strictObject({ after: durationSchema, next: targetSchema })),
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

/** Whether a content offers something to tap. */
export function hasChoices(content: FlowContent): boolean {
  return content.type === 'buttons' || content.type === 'list'
}

const inputSchema = v.custom<JsonObject>(
  input => isBoundedJson(input, limits.INPUT_JSON_LENGTH_MAX) && isJsonObject(input),
  'Must be an object of at most 16 KB of JSON',
)

const stepSchema = v.variant('type', [
  v.strictObject({ type: v.literal('message'), content: flowContentSchema, next: targetSchema }),
  questionSchema,
  v.strictObject({
    type: v.literal('decision'),
    condition: v.pipe(v.string(), v.minLength(1), v.maxLength(limits.EXPRESSION_LENGTH_MAX)),
    true: targetSchema,
    false: targetSchema,
  }),
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
  v.strictObject({ type: v.literal('handoff'), note: v.optional(templateText(limits.NOTE_LENGTH_MAX, 0), '') }),
  v.strictObject({ type: v.literal('end') }),
])

/** One step of a flow document. */
export type FlowStep = v.InferOutput<typeof stepSchema>

const keywordSchema = v.pipe(
  v.string(),
  v.maxLength(limits.KEYWORD_LENGTH_MAX),
  v.check(keyword => foldWords(keyword) !== '', 'A keyword needs a letter, a digit or a symbol'),
)

const triggerSchema = v.union(
  [
    v.strictObject({ keywords: v.pipe(v.array(keywordSchema), v.minLength(1), v.maxLength(limits.KEYWORDS_MAX)) }),
    v.strictObject({ fallback: v.literal(true) }),
  ],
  'Must be {"keywords": [...]} or {"fallback": true}',
)

/**
 * The document a user writes. It says nothing yet of what belongs together (targets that exist, loops, variables):
 * `checkFlow` does. Unknown keys are refused everywhere.
 */
export const flowDocumentSchema = v.strictObject({
  name: nameSchema,
  start: targetSchema,
  triggers: v.optional(v.pipe(v.array(triggerSchema), v.maxLength(limits.TRIGGERS_MAX)), []),
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
