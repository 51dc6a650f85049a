import type { OutboundContent } from '../../../flow/content.ts'
import { shorten } from '../../../flow/words.ts'
import { sha256Hex } from '../../../lib/crypto.ts'

type Buttons = Extract<OutboundContent, { type: 'buttons' }>
type List = Extract<OutboundContent, { type: 'list' }>

/** A template that shows buttons or a list, as Twilio's Content API takes it. The same content has the same `hash`. */
export type ContentTemplate = { readonly hash: string; readonly json: string }

const bodyLengthMax = 1_600
const descriptionLengthMax = 72

/**
 * The template of a content: Twilio shows buttons and lists through one alone (twilio.com/docs/content, "twilio/
 * quick-reply", "twilio/list-picker"). Every text stands in it as it is: what is put in for a variable may have no line
 * breaks. Within the 24 hours no template needs an approval, and an account may have any number of them.
 */
export function contentTemplate(content: Buttons | List): ContentTemplate {
  const types = content.type === 'buttons' ? quickReply(content) : listPicker(content)
  const hash = sha256Hex(JSON.stringify(types))
  const fallback = { 'twilio/text': { body: literal(numberedText(content)).slice(0, bodyLengthMax) } }
  const named = { friendly_name: `dashoffice_${hash.slice(0, 16)}`, language: 'en' }
  return { hash, json: JSON.stringify({ ...named, types: { ...types, ...fallback } }) }
}

function quickReply({ text, buttons }: Buttons) {
  const actions = buttons.map(({ id, title }) => ({ type: 'QUICK_REPLY', id: literal(id), title: literal(title) }))
  return { 'twilio/quick-reply': { body: literal(text), actions } }
}

function listPicker({ text, button, sections }: List) {
  const items = rowsOf(sections).map(({ id, title, description }) => ({
    id: literal(id),
    item: literal(title),
    description: description && literal(description),
  }))
  return { 'twilio/list-picker': { body: literal(text), button: literal(button), items } }
}

/** Twilio's lists have no sections: where there are several, each row says which it is of. */
function rowsOf(sections: List['sections']) {
  if (sections.length === 1) return sections.flatMap(section => section.rows)
  return sections.flatMap(section =>
    section.rows.map(row => {
      const words = [section.title, row.description].filter(part => part !== undefined).join(' · ')
      return { ...row, description: shorten(words, descriptionLengthMax) }
    }),
  )
}

/** What a channel shows that has no buttons and no lists: every template has such a text. */
function numberedText(content: Buttons | List): string {
  const choices = content.type === 'buttons' ? content.buttons : rowsOf(content.sections)
  const lines = choices.map((choice, index) => {
    const description = 'description' in choice && choice.description ? ` - ${choice.description}` : ''
    return `${index + 1}. ${choice.title}${description}`
  })
  return [content.text, '', ...lines].join('\n')
}

/** WORD JOINER: it has no width, and no line breaks at it. */
const joiner = '\u2060'

/** Two braces begin a variable in a template: something that nobody sees keeps them apart. */
function literal(text: string): string {
  return text.replace(/\{(?=\{)/g, `{${joiner}`)
}

/** What came back of a `literal`, as it was. */
export function asWritten(text: string): string {
  return text.replace(/\{\u2060(?=\{)/g, '{')
}
