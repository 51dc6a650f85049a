import * as v from 'valibot'
import { type OutboundContent, outboundContentSchema } from './content.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'
import * as limits from './limits.ts'
import { shorten } from './words.ts'

/**
 * Makes a rendered content one that can be sent: what is only read (texts, titles, descriptions, captions) is
 * shortened to its limit with an ellipsis, buttons beyond the third and rows beyond the tenth are left off, rows and
 * buttons keep only their own keys, ids that are numbers become text, empty optional texts go, the parameters of a
 * template are one line each. What is then still
 * wrong (an empty text, two equal ids, an address too long) is a problem; `path` is the place in the content.
 */
export function fitContent(rendered: Json): { content: OutboundContent } | { path: string; problem: string } {
  const fitted = isJsonObject(rendered) ? fit(rendered) : rendered
  const schema = isJsonObject(fitted) ? schemas.get(fitted.type) : undefined
  const parsed = v.safeParse(schema ?? outboundContentSchema, fitted, { abortEarly: true })
  if (parsed.success) return { content: parsed.output }
  const [issue] = parsed.issues
  const isMissing = issue.type === 'strict_object' && issue.received === 'undefined'
  return { path: v.getDotPath(issue) ?? '', problem: isMissing ? 'is missing or empty' : issue.message }
}

/** The schema of each type of content: to look it up costs a third of what it does to try them in their order. */
const schemas: ReadonlyMap<unknown, v.GenericSchema<unknown, OutboundContent>> = new Map(
  outboundContentSchema.options.flatMap(option => typesOf(option).map(type => [type, option] as const)),
)

function typesOf({ entries: { type } }: (typeof outboundContentSchema.options)[number]): readonly string[] {
  return type.type === 'literal' ? [type.literal] : type.options
}

function fit(content: JsonObject): JsonObject {
  switch (content.type) {
    case 'text':
      return shortenTexts(content, { text: limits.TEXT_LENGTH_MAX })
    case 'buttons':
      return {
        ...shortenTexts(content, { text: limits.BUTTONS_TEXT_LENGTH_MAX }),
        buttons: fitItems(content.buttons, limits.BUTTONS_MAX, fitButton),
      }
    case 'list':
      return {
        ...shortenTexts(content, { text: limits.TEXT_LENGTH_MAX, button: limits.LIST_BUTTON_LENGTH_MAX }),
        sections: fitSections(content.sections),
      }
    case 'template':
      return { ...content, parameters: fitParameters(content.parameters) }
    case 'location':
      return shortenTexts(content, { name: limits.PLACE_LENGTH_MAX, address: limits.PLACE_LENGTH_MAX })
    default:
      return shortenTexts(content, { caption: limits.CAPTION_LENGTH_MAX })
  }
}

/** Meta refuses a parameter with a line break, a tab, or more than four spaces in a row. */
function fitParameters(parameters: Json | undefined): Json {
  if (!Array.isArray(parameters)) return parameters ?? null
  return parameters.map((parameter: Json) => {
    if (typeof parameter !== 'string') return parameter
    return shorten(parameter.replace(/\s+/g, ' ').trim(), limits.TEMPLATE_PARAMETER_LENGTH_MAX)
  })
}

function fitButton({ id, title }: JsonObject): JsonObject {
  return shortenTexts({ id: asId(id), title }, { title: limits.BUTTON_TITLE_LENGTH_MAX })
}

/** Sections in order until ten rows are used up; those left without a row go. */
function fitSections(sections: Json | undefined): Json {
  let rowsLeft = limits.LIST_ROWS_MAX
  const fitted = fitItems(sections, limits.LIST_SECTIONS_MAX, ({ title, rows }) => {
    const fittedRows = fitItems(rows, rowsLeft, fitRow)
    if (Array.isArray(fittedRows)) rowsLeft -= fittedRows.length
    return { ...shortenTexts({ title }, { title: limits.SECTION_TITLE_LENGTH_MAX }), rows: fittedRows }
  })
  return Array.isArray(fitted) && rowsLeft < limits.LIST_ROWS_MAX ? fitted.filter(hasRows) : fitted
}

function hasRows(section: Json): boolean {
  return !isJsonObject(section) || !Array.isArray(section.rows) || section.rows.length > 0
}

function fitRow({ id, title, description }: JsonObject): JsonObject {
  return shortenTexts(
    { id: asId(id), title, description },
    { title: limits.ROW_TITLE_LENGTH_MAX, description: limits.ROW_DESCRIPTION_LENGTH_MAX },
  )
}

function fitItems(list: Json | undefined, max: number, change: (item: JsonObject) => JsonObject): Json {
  if (!Array.isArray(list)) return list ?? null
  return list.slice(0, max).map((item: Json) => (isJsonObject(item) ? change(item) : item))
}

function asId(id: Json | undefined): Json | undefined {
  return typeof id === 'number' ? String(id) : id
}

/** A copy with the named texts shortened, and without what is undefined, null or an empty one of them. */
function shortenTexts(
  object: Readonly<Record<string, Json | undefined>>,
  lengthMax: Readonly<Record<string, number>>,
): JsonObject {
  const copy: Record<string, Json> = {}
  for (const key of Object.keys(object)) {
    const [value, max] = [object[key], lengthMax[key]]
    if (value === undefined || value === null || (value === '' && max !== undefined)) continue
    copy[key] = typeof value === 'string' && max !== undefined ? shorten(value, max) : value
  }
  return copy
}
