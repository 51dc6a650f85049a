/** What a bridge tells, in the JSON that the library makes of its messages (bytes in base64, long integers as texts). */
const key = {
  remoteJid: '12025550143@s.whatsapp.net',
  remoteJidAlt: '200000000000143@lid',
  fromMe: false,
  id: '3EB0A0000000000000001',
  participant: '',
  addressingMode: 'pn',
}

export function messagesWith(message: unknown, more: object = {}) {
  const one = { key, messageTimestamp: 1_767_225_600, pushName: 'Ada Test', broadcast: false, message, ...more }
  return { event: 'messages', data: { messages: [one], type: 'notify' } }
}

export function keyWith(more: object) {
  return { key: { ...key, ...more } }
}

const base64 = (letter: string) => Buffer.alloc(32, letter).toString('base64')

const file = {
  url: 'https://mmg.whatsapp.net/v/t62.7118-24/1_n.enc?ccb=1',
  mimetype: 'image/jpeg',
  fileSha256: base64('a'),
  fileLength: '48213',
  mediaKey: base64('k'),
  fileEncSha256: base64('e'),
  directPath: '/v/t62.7118-24/1_n.enc?ccb=1',
  mediaKeyTimestamp: '1767225600',
}
const context = { stanzaId: '3EB0B0000000000000001', participant: '12025550100@s.whatsapp.net' }
const vcard = 'BEGIN:VCARD\nVERSION:3.0\nFN:Grace Example\nTEL;type=CELL;waid=447700900123:+44 7700 900123\nEND:VCARD'

/** Every kind of message, with the content that it is read as. */
export const kinds: Readonly<Record<string, { readonly message: unknown; readonly content: object }>> = {
  text: { message: { conversation: 'Is it ready?' }, content: { type: 'text', text: 'Is it ready?' } },
  reply: {
    message: { extendedTextMessage: { text: 'That one', contextInfo: context } },
    content: { type: 'text', text: 'That one' },
  },
  image: {
    message: { imageMessage: { ...file, caption: 'The box', jpegThumbnail: '/9j/2Q==' } },
    content: { type: 'image', mime_type: 'image/jpeg', caption: 'The box' },
  },
  video: {
    message: { videoMessage: { ...file, mimetype: 'video/mp4', seconds: 7 } },
    content: { type: 'video', mime_type: 'video/mp4' },
  },
  voice: {
    message: { audioMessage: { ...file, mimetype: 'audio/ogg; codecs=opus', ptt: true } },
    content: { type: 'audio', mime_type: 'audio/ogg; codecs=opus' },
  },
  document: {
    message: {
      documentWithCaptionMessage: {
        message: { documentMessage: { ...file, mimetype: 'application/pdf', fileName: 'i.pdf', caption: 'Invoice' } },
      },
    },
    content: { type: 'document', mime_type: 'application/pdf', filename: 'i.pdf', caption: 'Invoice' },
  },
  sticker: {
    message: { stickerMessage: { ...file, mimetype: 'image/webp', isAnimated: false } },
    content: { type: 'sticker', mime_type: 'image/webp' },
  },
  location: {
    message: { locationMessage: { degreesLatitude: 51.4779, degreesLongitude: -0.0015, name: 'Observatory' } },
    content: { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Observatory' },
  },
  contact: {
    message: { contactMessage: { displayName: 'Grace Example', vcard } },
    content: { type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] },
  },
  button: {
    message: { buttonsResponseMessage: { selectedButtonId: 'yes', selectedDisplayText: 'Yes', contextInfo: context } },
    content: { type: 'choice', id: 'yes', title: 'Yes' },
  },
  list: {
    message: { listResponseMessage: { title: 'Morning', singleSelectReply: { selectedRowId: 'slot_1' } } },
    content: { type: 'choice', id: 'slot_1', title: 'Morning' },
  },
  reaction: {
    message: { reactionMessage: { key: { id: context.stanzaId, fromMe: true }, text: '👍', senderTimestampMs: '1' } },
    content: { type: 'reaction', message_id: context.stanzaId, emoji: '👍' },
  },
}

export function statusesWith(update: object, more: object = {}) {
  const one = {
    key: { remoteJid: key.remoteJid, id: '3EB0C0000000000000001', fromMe: true },
    update: { messageTimestamp: 1_767_225_600, ...update },
    reference: 'conversation/message',
    ...more,
  }
  return { event: 'statuses', data: [one] }
}

export function connectionWith(more: object) {
  const none = { reason: null, qr: null, pairing_code: null, expires_at: null }
  return { event: 'connection', data: { ...none, ...more } }
}
