import * as v from 'valibot'
import type { Content } from '../records.ts'

/** The shape of `interactive`. Lengths and counts are checked by `checkInteractive`, which words them as Meta does. */
export const interactiveSchema = v.variant('type', [
  v.object({
    type: v.literal('button'),
    header: v.exactOptional(v.looseObject({ type: v.string(), text: v.exactOptional(v.string()) })),
    body: v.object({ text: v.string() }),
    footer: v.exactOptional(v.object({ text: v.string() })),
    action: v.object({
      buttons: v.array(v.object({ type: v.literal('reply'), reply: v.object({ id: v.string(), title: v.string() }) })),
    }),
  }),
  v.object({
    type: v.literal('list'),
    header: v.exactOptional(v.object({ type: v.literal('text'), text: v.string() })),
    body: v.object({ text: v.string() }),
    footer: v.exactOptional(v.object({ text: v.string() })),
    action: v.object({
      button: v.string(),
      sections: v.array(
        v.object({
          title: v.exactOptional(v.string()),
          rows: v.array(v.object({ id: v.string(), title: v.string(), description: v.exactOptional(v.string()) })),
        }),
      ),
    }),
  }),
])

type Interactive = v.InferOutput<typeof interactiveSchema>
type Buttons = Extract<Interactive, { type: 'button' }>
type List = Extract<Interactive, { type: 'list' }>

/** The first documented rule it breaks, in a sentence, or null. */
export function checkInteractive(interactive: Interactive): string | null {
  const { header, body, footer } = interactive
  return (
    lengthError('Body text', body.text, 1, interactive.type === 'list' ? 4096 : 1024) ??
    (header?.text === undefined ? null : lengthError('Header text', header.text, 1, 60)) ??
    (footer === undefined ? null : lengthError('Footer text', footer.text, 1, 60)) ??
    (interactive.type === 'list' ? listError(interactive) : buttonsError(interactive))
  )
}

/** What the phone shows of it. */
export function interactiveContent(interactive: Interactive): Content {
  const { header, body, footer } = interactive
  const around = {
    ...(header?.text === undefined ? {} : { header: header.text }),
    text: body.text,
    ...(footer === undefined ? {} : { footer: footer.text }),
  }
  if (interactive.type === 'list') {
    return { type: 'list', ...around, button: interactive.action.button, sections: interactive.action.sections }
  }
  return { type: 'buttons', ...around, buttons: interactive.action.buttons.map(({ reply }) => reply) }
}

function buttonsError({ action: { buttons } }: Buttons): string | null {
  if (buttons.length < 1 || buttons.length > 3) {
    return `Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3. Got ${buttons.length}`
  }
  const replies = buttons.map(({ reply }) => reply)
  return (
    first(replies, ({ title }) => lengthError('Button title', title, 1, 20)) ??
    first(replies, ({ id }) => lengthError('Button id', id, 1, 256)) ??
    first(replies, ({ id }) => edgeSpaceError('Button id', id)) ??
    duplicateError(
      'Button title',
      replies.map(({ title }) => title),
    ) ??
    duplicateError(
      'Button id',
      replies.map(({ id }) => id),
    )
  )
}

function listError({ action: { button, sections } }: List): string | null {
  const rows = sections.flatMap(section => section.rows)
  if (sections.length < 1 || sections.length > 10) {
    return `Invalid sections count. Min allowed sections: 1, Max allowed sections: 10. Got ${sections.length}`
  }
  if (rows.length > 10) return `Total row count exceed max allowed count: 10. Got ${rows.length}`
  if (sections.some(section => section.rows.length === 0)) return 'Section rows can not be empty'
  if (sections.length > 1 && sections.some(({ title }) => !title)) {
    return 'Section title is required when there is more than one section'
  }
  return (
    lengthError('Button label', button, 1, 20) ??
    first(sections, ({ title }) => (title === undefined ? null : lengthError('Section title', title, 0, 24))) ??
    first(rows, ({ title }) => lengthError('Row title', title, 1, 24)) ??
    first(rows, ({ id }) => lengthError('Row id', id, 1, 200)) ??
    first(rows, ({ description }) => lengthError('Row description', description ?? '', 0, 72)) ??
    duplicateError(
      'Row id',
      rows.map(({ id }) => id),
    )
  )
}

function lengthError(what: string, text: string, min: number, max: number): string | null {
  if (text.length >= min && text.length <= max) return null
  return `${what} length invalid. Min length: ${min}, Max length: ${max}. Got ${text.length}`
}

function edgeSpaceError(what: string, text: string): string | null {
  return text === text.trim() ? null : `${what} can not begin or end with a space`
}

function duplicateError(what: string, texts: readonly string[]): string | null {
  const twice = texts.find((text, at) => texts.indexOf(text) !== at)
  return twice === undefined ? null : `${what} is not unique: ${twice}`
}

function first<T>(values: readonly T[], error: (value: T) => string | null): string | null {
  for (const value of values) {
    const found = error(value)
    if (found !== null) return found
  }
  return null
}
