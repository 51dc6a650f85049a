import type { AnyMessageContent } from '@whiskeysockets/baileys'
import type { OutboundContent } from '../../flow/content.ts'

/** A file on this machine's disk. */
export type FileOnDisk = { readonly path: string; readonly mimeType: string; readonly filename: string | null }

/**
 * A content as the library takes it; null for one that WhatsApp Web cannot show. `reacted`: the key of the message that a
 * reaction is to.
 */
export function messageContent(
  content: OutboundContent,
  file: FileOnDisk | null,
  reacted: (messageId: string) => { readonly remoteJid: string; readonly id: string; readonly fromMe: boolean },
): AnyMessageContent | null {
  switch (content.type) {
    case 'text':
      // No preview: it would have this machine ask whatever address a tenant writes.
      return { text: content.text, linkPreview: null }
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return file === null ? null : mediaContent(content, file)
    case 'location': {
      const { latitude, longitude, name, address } = content
      const words = { ...(name && { name }), ...(address && { address }) }
      return { location: { degreesLatitude: latitude, degreesLongitude: longitude, ...words } }
    }
    case 'contacts': {
      const contacts = content.contacts.map(({ name, phones }) => ({ displayName: name, vcard: vcardOf(name, phones) }))
      const displayName = contacts.length === 1 ? (contacts[0]?.displayName ?? '') : String(contacts.length)
      return { contacts: { displayName, contacts } }
    }
    case 'reaction':
      return { react: { text: content.emoji, key: reacted(content.message_id) } }
    default:
      return null
  }
}

type Media = Extract<OutboundContent, { type: 'image' | 'audio' | 'video' | 'document' | 'sticker' }>

function mediaContent(content: Media, file: FileOnDisk): AnyMessageContent {
  const source = { url: file.path }
  const mimetype = content.mime_type ?? file.mimeType
  const caption = content.caption === undefined ? {} : { caption: content.caption }
  switch (content.type) {
    case 'image':
      return { image: source, mimetype, ...caption }
    case 'video':
      return { video: source, mimetype, ...caption }
    case 'sticker':
      return { sticker: source, mimetype }
    case 'document':
      return { document: source, mimetype, fileName: content.filename ?? file.filename ?? 'file', ...caption }
    case 'audio':
      // Ogg is what a phone's own microphone makes, and what is shown as a recording.
      return { audio: source, mimetype: withCodec(mimetype), ptt: /^audio\/ogg/.test(mimetype) }
  }
}

/** Phones play an Ogg only where its codec is named. */
function withCodec(mimeType: string): string {
  return /^audio\/ogg\s*$/.test(mimeType) ? 'audio/ogg; codecs=opus' : mimeType
}

/** A card that WhatsApp offers to write to: its number without the plus in `waid`. */
function vcardOf(name: string, phones: readonly string[]): string {
  const tel = (phone: string) => {
    const digits = phone.replace(/\D/g, '')
    return `TEL;type=CELL${/^\s*\+/.test(phone) ? `;waid=${digits}` : ''}:${escaped(phone)}`
  }
  return ['BEGIN:VCARD', 'VERSION:3.0', `FN:${escaped(name)}`, ...phones.map(tel), 'END:VCARD'].join('\n')
}

function escaped(text: string): string {
  return text.replace(/[\\,;]/g, '\\$&').replace(/\s*\r?\n\s*/g, ' ')
}
