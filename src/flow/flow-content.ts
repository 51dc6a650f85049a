import * as v from 'valibot'
import { areUnique, buttonSchema, rowSchema, sharedContentSchemas, type TextSchema, templateSchema } from './content.ts'
import * as limits from './limits.ts'
import { hasTemplate, isWholeTemplate } from './template.ts'

/** A text that may hold `{{…}}`. With one it is only as long as it is once rendered, and then shortened where sensible. */
export const templateText: TextSchema = (max, min = 1) =>
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

/** What a step can send; see `FlowContent`. */
export const flowContentSchema = v.variant('type', [
  ...sharedContentSchemas(templateText),
  buttonsContentSchema,
  listContentSchema,
])

/** A message content as a flow writes it: any string may hold `{{…}}`; rows, sections, buttons may be one whole one. */
export type FlowContent = v.InferOutput<typeof flowContentSchema>

/** What is sent in place of a content when the customer's window of 24 hours is closed. */
export const flowTemplateSchema = templateSchema(templateText)

/** Whether a content offers something to tap. */
export function hasChoices(content: FlowContent): boolean {
  return content.type === 'buttons' || content.type === 'list'
}
