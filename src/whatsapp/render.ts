import type { OutboundContent } from '../flow/content.ts'
import type { Capabilities } from '../messaging/capabilities.ts'
import type { MessageError } from '../messaging/status.ts'

/** A content as messages that a provider can show, in their order; or why it can show none. */
export type Rendered =
  | { readonly kind: 'parts'; readonly parts: readonly OutboundContent[] }
  | { readonly kind: 'refused'; readonly error: MessageError }

/**
 * Turns what a provider cannot show into what it can: choices into numbered text (the customer's "2" is then read as the
 * second), a place or contacts into text, a sticker into a picture, and texts that are too long into several.
 */
export function renderFor(content: OutboundContent, capabilities: Capabilities): Rendered {
  const shown = showable(content, capabilities)
  return 'code' in shown ? { kind: 'refused', error: shown } : { kind: 'parts', parts: splitLong(shown, capabilities) }
}

function showable(content: OutboundContent, can: Capabilities): OutboundContent | MessageError {
  switch (content.type) {
    case 'buttons':
      return can.buttons ? content : { type: 'text', text: numbered(content.text, [{ rows: content.buttons }]) }
    case 'list':
      return can.lists ? content : { type: 'text', text: numbered(content.text, content.sections) }
    case 'location':
      return can.location ? content : { type: 'text', text: placeText(content) }
    case 'contacts':
      return can.contacts ? content : { type: 'text', text: contactsText(content.contacts) }
    case 'sticker':
      return can.stickers ? content : { ...content, type: 'image' }
    case 'template':
      return can.templates ? content : notShown("The bot's provider has no templates.")
    case 'reaction':
      return can.reactions ? content : notShown("The bot's provider cannot send reactions.")
    default:
      return content
  }
}

function notShown(message: string): MessageError {
  return { code: 'not_supported', message }
}

type Section = {
  readonly title?: string | undefined
  readonly rows: readonly { readonly title: string; readonly description?: string | undefined }[]
}

/** "Which one?", then "1. Coffee: black" and so on, counted through all sections. */
function numbered(text: string, sections: readonly Section[]): string {
  let number = 0
  const lines = sections.flatMap(({ title, rows }) => [
    ...(title === undefined ? [] : [`*${title}*`]),
    ...rows.map(row => `${++number}. ${row.title}${row.description === undefined ? '' : `: ${row.description}`}`),
  ])
  return [text, '', ...lines].join('\n')
}

function placeText(place: Extract<OutboundContent, { type: 'location' }>): string {
  const { latitude, longitude, name, address } = place
  const link = `https://maps.google.com/?q=${latitude},${longitude}`
  return [name, address, link].filter(line => line !== undefined).join('\n')
}

function contactsText(contacts: Extract<OutboundContent, { type: 'contacts' }>['contacts']): string {
  return contacts.map(({ name, phones }) => [name, ...phones].join('\n')).join('\n\n')
}

/** A long text goes out in pieces; of one with choices under it the last piece has them. */
function splitLong(content: OutboundContent, can: Capabilities): readonly OutboundContent[] {
  switch (content.type) {
    case 'text':
      return pieces(content.text, can.textLengthMax).map(text => ({ type: 'text', text }))
    case 'buttons':
    case 'list': {
      const [last = '', ...before] = pieces(content.text, can.choiceTextLengthMax).reverse()
      return [...before.reverse().map(text => ({ type: 'text', text }) as const), { ...content, text: last }]
    }
    default:
      return [content]
  }
}

/** Cut where a paragraph, a line or a word ends, as late as it can be; never inside a character. */
export function pieces(text: string, lengthMax: number): string[] {
  const found: string[] = []
  let rest = text
  while (rest.length > lengthMax) {
    const end = endOfPiece(rest, lengthMax)
    const piece = rest.slice(0, end).trimEnd()
    if (piece !== '') found.push(piece)
    rest = rest.slice(end).trimStart()
  }
  return rest === '' && found.length > 0 ? found : [...found, rest]
}

function endOfPiece(text: string, lengthMax: number): number {
  const least = lengthMax / 2
  for (const end of ['\n\n', '\n', ' ']) {
    const at = text.lastIndexOf(end, lengthMax)
    if (at >= least) return at
  }
  const last = text.charCodeAt(lengthMax - 1)
  return last >= 0xd800 && last <= 0xdbff ? lengthMax - 1 : lengthMax
}
