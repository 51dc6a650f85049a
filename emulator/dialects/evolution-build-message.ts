import type { BusinessNumber, ChatMessage, Content, Customer } from '../records.ts'
import type { WebhookSurroundings } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { addressed, ownJid } from './evolution-jid.ts'

type Json = Record<string, unknown>
type MediaContent = Extract<Content, { media_id?: string }>
type Around = Pick<WebhookSurroundings, 'message' | 'media'>

/** A message as WhatsApp Web has it: its kind, and what is in it. */
export type WebMessage = { readonly messageType: string; readonly message: Json }

const mediaKinds = {
  image: 'imageMessage',
  audio: 'audioMessage',
  video: 'videoMessage',
  document: 'documentMessage',
  sticker: 'stickerMessage',
} as const

/** What a customer wrote, as `data` of `messages.upsert`: one message, not a list. */
export function inboundData(number: BusinessNumber, customer: Customer, message: ChatMessage, around: Around): Json {
  const { instance_id, webhook_base64 } = accountOf(number, 'evolution')
  const { remoteJid, remoteJidAlt, mode } = addressed(number, customer)
  const { messageType, message: content } = webMessage(number, customer, message, around, webhook_base64)
  return {
    key: {
      remoteJid,
      ...(remoteJidAlt === null ? {} : { remoteJidAlt }),
      ...{ fromMe: false, id: message.id, participant: '', addressingMode: mode },
    },
    ...{ pushName: customer.name, status: 'DELIVERY_ACK', message: content },
    ...(message.reply_to === undefined ? {} : { contextInfo: quoted(number, customer, message.reply_to, around) }),
    ...{ messageType, messageTimestamp: Math.floor(message.at / 1_000), instanceId: instance_id, source: 'android' },
  }
}

/** What was written on the phone that the instance is linked to, in the form of what customers write. */
export function phoneData(number: BusinessNumber, customer: Customer, message: ChatMessage, around: Around): Json {
  const { key, ...data } = inboundData(number, customer, message, around)
  return { ...data, key: { ...Object(key), fromMe: true }, pushName: number.name, status: 'SERVER_ACK', source: 'ios' }
}

/** What the bot sent, as a send is answered and as `send.message` repeats it. */
export function outboundData(number: BusinessNumber, customer: Customer, sent: ChatMessage, around: Around): Json {
  const { messageType, message } = webMessage(number, customer, sent, around, false)
  return {
    ...{ key: { remoteJid: addressed(number, customer).remoteJid, fromMe: true, id: sent.id } },
    ...{ pushName: 'Você', status: 'PENDING', message, contextInfo: { mentionedJid: [] }, messageType },
    ...{ messageTimestamp: Math.floor(sent.at / 1_000), instanceId: accountOf(number, 'evolution').instance_id },
    source: 'web',
  }
}

function quoted(number: BusinessNumber, customer: Customer, id: string, around: Around): Json {
  const original = around.message(id)
  const isOwn = original?.direction === 'inbound'
  const participant = isOwn ? addressed(number, customer).remoteJid : ownJid(number)
  const text = original !== null && 'text' in original.content ? original.content.text : ''
  return { stanzaId: id, participant, quotedMessage: { conversation: text } }
}

function webMessage(
  number: BusinessNumber,
  customer: Customer,
  { content, at }: ChatMessage,
  around: Around,
  hasBytes: boolean,
): WebMessage {
  switch (content.type) {
    case 'text':
      return { messageType: 'conversation', message: { conversation: content.text } }
    case 'choice':
      return choiceMessage(content)
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return mediaMessage(content, at, around, hasBytes)
    case 'location':
      return locationMessage(content)
    case 'contacts':
      return contactMessage(content)
    case 'reaction':
      return reactionMessage(number, customer, content, at, around)
    case 'unsupported':
    case 'buttons':
    case 'list':
    case 'template':
      return pollMessage(content.type === 'unsupported' ? content.reason : content.type)
  }
}

function choiceMessage({ id, title, description, of }: Extract<Content, { type: 'choice' }>): WebMessage {
  switch (of) {
    case 'button': {
      const buttonsResponseMessage = { selectedButtonId: id, selectedDisplayText: title, type: 1 }
      return { messageType: 'buttonsResponseMessage', message: { buttonsResponseMessage } }
    }
    case 'template': {
      const templateButtonReplyMessage = { selectedId: id, selectedDisplayText: title, selectedIndex: 0 }
      return { messageType: 'templateButtonReplyMessage', message: { templateButtonReplyMessage } }
    }
    case 'list': {
      const row = { title, ...(description === undefined ? {} : { description }) }
      const listResponseMessage = { ...row, listType: 1, singleSelectReply: { selectedRowId: id } }
      return { messageType: 'listResponseMessage', message: { listResponseMessage } }
    }
  }
}

function mediaMessage(content: MediaContent, at: number, around: Around, hasBytes: boolean): WebMessage {
  const { media_id: id = '', mime_type: mimetype = 'application/octet-stream', caption } = content
  const { bytes } = around.media(id, mimetype)
  const path = `/v/t62.7118-24/${encodeURIComponent(id)}.enc`
  const media = {
    ...{ url: `https://mmg.whatsapp.net${path}`, mimetype, fileSha256: indexed(hash('file', bytes)) },
    ...{ fileLength: wide(bytes.length), mediaKey: indexed(hash('key', bytes)) },
    ...{
      fileEncSha256: indexed(hash('enc', bytes)),
      directPath: path,
      mediaKeyTimestamp: wide(Math.floor(at / 1_000)),
    },
    ...(caption === undefined ? {} : { caption }),
    ...kindFields(content),
  }
  const messageType = mediaKinds[content.type]
  const base64 = hasBytes ? { base64: Buffer.from(bytes).toString('base64') } : {}
  return { messageType, message: { [messageType]: media, ...base64 } }
}

function kindFields({ type, voice, filename = 'file' }: MediaContent): Json {
  switch (type) {
    case 'audio':
      return { seconds: 4, ptt: voice ?? false }
    case 'document':
      return { title: filename, fileName: filename, pageCount: 1 }
    case 'sticker':
      return { height: 512, width: 512, isAnimated: false }
    case 'video':
      return { seconds: 7, height: 720, width: 480 }
    case 'image':
      return { height: 960, width: 1280 }
  }
}

function locationMessage({ latitude, longitude, name, address }: Extract<Content, { type: 'location' }>): WebMessage {
  const locationMessage = {
    ...{ degreesLatitude: latitude, degreesLongitude: longitude },
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
  }
  return { messageType: 'locationMessage', message: { locationMessage } }
}

function contactMessage({ contacts }: Extract<Content, { type: 'contacts' }>): WebMessage {
  const cards = contacts.map(({ name, phones }) => {
    const lines = phones.map(phone => `TEL;type=CELL;waid=${phone.replace(/\D/g, '')}:${phone}`)
    const vcard = ['BEGIN:VCARD', 'VERSION:3.0', `N:;${name};;;`, `FN:${name}`, ...lines, 'END:VCARD'].join('\n')
    return { displayName: name, vcard }
  })
  const [only, ...others] = cards
  if (only !== undefined && others.length === 0) {
    return { messageType: 'contactMessage', message: { contactMessage: only } }
  }
  const contactsArrayMessage = { displayName: `${cards.length} contacts`, contacts: cards }
  return { messageType: 'contactsArrayMessage', message: { contactsArrayMessage } }
}

function reactionMessage(
  number: BusinessNumber,
  customer: Customer,
  { message_id: id, emoji }: Extract<Content, { type: 'reaction' }>,
  at: number,
  around: Around,
): WebMessage {
  const fromMe = around.message(id)?.direction !== 'inbound'
  const key = { remoteJid: addressed(number, customer).remoteJid, fromMe, id }
  const reactionMessage = { key, text: emoji, senderTimestampMs: wide(at, false) }
  return { messageType: 'reactionMessage', message: { reactionMessage } }
}

/** Something that a bot is not made for. */
function pollMessage(name: string): WebMessage {
  const pollCreationMessageV3 = {
    name,
    options: [{ optionName: 'Yes' }, { optionName: 'No' }],
    selectableOptionsCount: 1,
  }
  return { messageType: 'pollCreationMessageV3', message: { pollCreationMessageV3 } }
}

/** Bytes come out of Evolution's JSON as an object of their places. */
function indexed(bytes: Uint8Array): Record<string, number> {
  return Object.fromEntries([...bytes].map((byte, at) => [String(at), byte]))
}

/** A 64-bit number in two halves, the lower one signed. */
export function wide(value: number, unsigned = true): { low: number; high: number; unsigned: boolean } {
  return { low: value | 0, high: Math.floor(value / 2 ** 32), unsigned }
}

function hash(salt: string, bytes: Uint8Array): Uint8Array {
  return new Bun.CryptoHasher('sha256').update(salt).update(bytes).digest()
}
