import * as v from 'valibot'
import type { InboundContent } from '../../../flow/content.ts'
import {
  CONTACT_NAME_LENGTH_MAX,
  CONTACT_PHONES_MAX,
  CONTACTS_MAX,
  PHONE_LENGTH_MAX,
  PLACE_LENGTH_MAX,
} from '../../../flow/limits.ts'
import { contentOr, cut, given, unsupported } from '../read-content.ts'
import { referralOf, withReferral } from '../read-referral.ts'
import { readVCard } from './read-vcard.ts'
import { readWebFile, type WebFile } from './read-web-file.ts'

/** What was read of a message of WhatsApp Web; `file` where it has one. */
export type WebMessage = { readonly content: InboundContent; readonly file: WebFile | null }

/**
 * Reads the content of a message of WhatsApp Web: the `Message` of its protocol as JSON, in any of the forms that bytes
 * and long integers have there. What it is wrapped in (it vanishes, is seen once, was edited) is taken off. What is not
 * known here becomes `unsupported`. `mediaId`: what names a file until it has our id. `contextInfo`: what the message refers
 * to, where that is not in the message itself. Null where the message holds nothing that a person wrote: keys, receipts,
 * what is taken back.
 */
export function readWebMessage(message: unknown, mediaId: string, contextInfo?: unknown): WebMessage | null {
  const inner = unwrap(message)
  if (inner === null) return { content: unsupported('The message came without a content.'), file: null }
  const [name, value] = fieldOf(inner) ?? []
  if (name === undefined || silent.has(name)) return null
  const file = readWebFile(name, value)
  const content = contentOr(file === null ? readers[name]?.(value) : mediaContent(file, mediaId), name)
  return { content: withReferral(content, referralIn(value) ?? referralIn({ contextInfo })), file }
}

const nullableText = v.nullish(v.string())
const adSchema = v.object({
  contextInfo: v.object({
    externalAdReply: v.object({
      sourceType: nullableText,
      sourceId: nullableText,
      sourceUrl: nullableText,
      title: nullableText,
      body: nullableText,
      ctwaClid: nullableText,
    }),
  }),
})

/** The ad or the post whose button to WhatsApp was tapped (WAProto, `ContextInfo.ExternalAdReplyInfo`). */
function referralIn(value: unknown): ReturnType<typeof referralOf> {
  const parsed = v.safeParse(adSchema, value)
  if (!parsed.success) return undefined
  const {
    sourceType,
    sourceId,
    sourceUrl,
    title: headline,
    body,
    ctwaClid: clickId,
  } = parsed.output.contextInfo.externalAdReply
  return referralOf({ sourceType, sourceId, sourceUrl, headline, body, clickId })
}

const messageSchema = v.record(v.string(), v.unknown())
const wrapperSchema = v.object({ message: messageSchema })
const editSchema = v.object({ editedMessage: messageSchema })

/** Fields that hold another message, one in the other at times (Baileys, `normalizeMessageContent`). */
const wrappers = [
  'ephemeralMessage',
  'viewOnceMessage',
  'viewOnceMessageV2',
  'viewOnceMessageV2Extension',
  'documentWithCaptionMessage',
  'editedMessage',
  'associatedChildMessage',
  'lottieStickerMessage',
  'botInvokeMessage',
  'deviceSentMessage',
] as const
const depthMax = 8

function unwrap(message: unknown, depth = 0): Readonly<Record<string, unknown>> | null {
  const parsed = v.safeParse(messageSchema, message)
  if (!parsed.success || depth > depthMax) return null
  const wrapper = wrappers.map(name => parsed.output[name]).find(value => v.is(wrapperSchema, value))
  if (v.is(wrapperSchema, wrapper)) return unwrap(wrapper.message, depth + 1)
  const edit = parsed.output.protocolMessage
  return v.is(editSchema, edit) ? unwrap(edit.editedMessage, depth + 1) : parsed.output
}

/** The field that has the content: the one that is known, else the first whose name says that it is a message. */
function fieldOf(message: Readonly<Record<string, unknown>>): readonly [string, unknown] | undefined {
  const fields = Object.entries(message).filter(([, value]) => value !== null && value !== undefined)
  const spoken = fields.filter(([name]) => /^conversation$|Message(V\d)?$/.test(name) && !silent.has(name))
  const isKnown = ([name, value]: [string, unknown]) => name in readers || readWebFile(name, value) !== null
  return spoken.find(isKnown) ?? spoken[0] ?? fields.find(([name]) => silent.has(name))
}

/** What the protocol sends along, or for itself: nobody wrote it. */
const silent: ReadonlySet<string> = new Set([
  'senderKeyDistributionMessage',
  'fastRatchetKeySenderKeyDistributionMessage',
  'messageContextInfo',
  'protocolMessage',
  'keepInChatMessage',
  'pinInChatMessage',
  // Its pictures come after it, each for itself.
  'albumMessage',
  'encReactionMessage',
  'messageHistoryBundle',
  'messageHistoryNotice',
  'placeholderMessage',
  'stickerSyncRmrMessage',
])

function mediaContent(file: WebFile, mediaId: string): unknown {
  const isCaptioned = file.type !== 'audio' && file.type !== 'sticker'
  return {
    type: file.type,
    media_id: mediaId,
    mime_type: file.mimeType,
    caption: isCaptioned && file.caption ? cut(file.caption) : undefined,
    filename: file.filename ? cut(file.filename) : undefined,
  }
}

const text = v.nullish(v.string(), '')
const place = v.object({ degreesLatitude: v.number(), degreesLongitude: v.number(), name: text, address: text })
const card = v.object({ displayName: text, vcard: v.string() })
const nativeFlow = v.object({
  body: v.nullish(v.object({ text })),
  nativeFlowResponseMessage: v.object({ paramsJson: v.string() }),
})

/** What reads each field that is no file into a content; what it cannot read gives null. */
const readers: Readonly<Record<string, (value: unknown) => unknown>> = {
  conversation: value => given(v.string(), value, written => ({ type: 'text', text: cut(written) })),
  extendedTextMessage: value =>
    given(v.object({ text: v.string() }), value, written => ({ type: 'text', text: cut(written.text) })),
  locationMessage: readPlace,
  liveLocationMessage: readPlace,
  contactMessage: value => given(card, value, one => contactsOf([one])),
  contactsArrayMessage: value =>
    given(v.object({ contacts: v.array(card) }), value, ({ contacts }) => contactsOf(contacts)),
  reactionMessage: value =>
    given(v.object({ key: v.object({ id: v.string() }), text }), value, reaction => ({
      type: 'reaction',
      message_id: reaction.key.id,
      emoji: reaction.text,
    })),
  buttonsResponseMessage: value =>
    given(v.object({ selectedButtonId: text, selectedDisplayText: text }), value, reply =>
      choice(reply.selectedButtonId, reply.selectedDisplayText),
    ),
  templateButtonReplyMessage: value =>
    given(v.object({ selectedId: text, selectedDisplayText: text }), value, reply =>
      choice(reply.selectedId, reply.selectedDisplayText),
    ),
  listResponseMessage: value =>
    given(v.object({ title: text, singleSelectReply: v.object({ selectedRowId: text }) }), value, reply =>
      choice(reply.singleSelectReply.selectedRowId, reply.title),
    ),
  interactiveResponseMessage: value =>
    given(nativeFlow, value, ({ body, nativeFlowResponseMessage }) =>
      choice(idOf(nativeFlowResponseMessage.paramsJson), body?.text ?? ''),
    ),
}

function readPlace(value: unknown): unknown {
  return given(place, value, ({ degreesLatitude, degreesLongitude, name, address }) => ({
    type: 'location',
    latitude: degreesLatitude,
    longitude: degreesLongitude,
    name: name.slice(0, PLACE_LENGTH_MAX) || undefined,
    address: address.slice(0, PLACE_LENGTH_MAX) || undefined,
  }))
}

/** As many contacts as one content has, and of each what it shows. */
function contactsOf(cards: readonly v.InferOutput<typeof card>[]): unknown {
  const contacts = cards.slice(0, CONTACTS_MAX).map(({ displayName, vcard }) => {
    const read = readVCard(vcard)
    const phones = read.phones.slice(0, CONTACT_PHONES_MAX).map(phone => phone.slice(0, PHONE_LENGTH_MAX))
    return { name: (read.name || displayName || phones[0] || '?').slice(0, CONTACT_NAME_LENGTH_MAX), phones }
  })
  return { type: 'contacts', contacts }
}

/** What was tapped, by its id; by its words where it has none. Null where it has neither. */
function choice(id: string, title: string): unknown {
  return id === '' && title === '' ? null : { type: 'choice', id: id || title, title: cut(title || id) }
}

/** The `id` in the parameters of a native flow's answer, which are JSON; '' where there is none. */
function idOf(paramsJson: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), v.object({ id: v.string() })), paramsJson)
  return parsed.success ? parsed.output.id : ''
}
