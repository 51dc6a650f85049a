import type { OutboundContent } from '../../../flow/content.ts'
import type { Identity } from '../../../messaging/resolve-customers.ts'

/** Where a message goes: to a phone in `to`, as digits, to a business-scoped user id in `recipient`. */
export function recipientOf(to: Identity) {
  return to.kind === 'phone' ? { to: to.value.replace('+', '') } : { recipient: to.value }
}

/**
 * A content as the Cloud API takes it (developers.facebook.com, "Messages"). `fileId`: what Meta calls the file of a
 * content that has one of ours.
 */
export function messageBody(content: OutboundContent, fileId: string | null): Record<string, unknown> {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: { body: content.text, preview_url: false } }
    case 'buttons':
      return interactive('button', content.text, {
        buttons: content.buttons.map(reply => ({ type: 'reply', reply })),
      })
    case 'list':
      return interactive('list', content.text, { button: content.button, sections: content.sections })
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker': {
      const { type, url, media_id, caption, filename } = content
      const source = media_id === undefined ? { link: url } : { id: fileId ?? media_id }
      return { type, [type]: { ...source, caption, filename: type === 'document' ? filename : undefined } }
    }
    case 'location': {
      const { type, ...location } = content
      return { type, location }
    }
    case 'contacts':
      return {
        type: 'contacts',
        contacts: content.contacts.map(contact => ({
          name: { formatted_name: contact.name, first_name: contact.name },
          phones: contact.phones.map(phone => ({ phone })),
        })),
      }
    case 'template': {
      const parameters = content.parameters.map(text => ({ type: 'text', text }))
      const components = parameters.length > 0 ? [{ type: 'body', parameters }] : undefined
      return { type: 'template', template: { name: content.name, language: { code: content.language }, components } }
    }
    case 'reaction':
      return { type: 'reaction', reaction: { message_id: content.message_id, emoji: content.emoji } }
  }
}

function interactive(type: string, text: string, action: object) {
  return { type: 'interactive', interactive: { type, body: { text }, action } }
}
