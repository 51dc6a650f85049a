import * as v from 'valibot'
import type { Answer } from '../read-send.ts'
import type { Content } from '../records.ts'
import type { Stage } from './dialect.ts'
import type { EvolutionNumber } from './evolution-account.ts'
import { badRequest, invalid } from './evolution-errors.ts'
import { issueOf } from './evolution-issue.ts'
import { isBase64, readFile, type SentFile } from './evolution-read-file.ts'

/** A send that is understood: whom to, and what. */
export type EvolutionSend = {
  readonly to: string
  readonly content: Content
  readonly replyTo: string | null
  readonly delayMs: number
}

const delayMsMax = 60_000

const text = v.pipe(v.string(), v.minLength(1))
const common = {
  number: text,
  delay: v.optional(v.union([v.pipe(v.number(), v.minValue(0)), v.pipe(v.string(), v.transform(Number))]), 0),
  quoted: v.exactOptional(v.looseObject({ key: v.looseObject({ id: text }) })),
}

type Common = v.InferOutput<v.ObjectSchema<typeof common, undefined>>

const textSchema = v.looseObject({ ...common, text })
const mediaSchema = v.looseObject({
  ...common,
  mediatype: v.picklist(['image', 'document', 'video', 'audio', 'ptv']),
  mimetype: v.exactOptional(v.string()),
  fileName: v.exactOptional(v.string()),
  caption: v.exactOptional(v.string()),
})
const plainSchema = v.looseObject(common)
const locationSchema = v.looseObject({
  ...common,
  latitude: v.number(),
  longitude: v.number(),
  name: text,
  address: text,
})
const contactSchema = v.looseObject({
  ...common,
  contact: v.pipe(
    v.array(v.looseObject({ fullName: text, phoneNumber: v.pipe(v.string(), v.minLength(10)) })),
    v.minLength(1),
  ),
})
const reactionSchema = v.looseObject({
  key: v.looseObject({ id: text, remoteJid: text, fromMe: v.boolean() }),
  reaction: v.string(),
})
const buttonsSchema = v.looseObject({
  ...common,
  title: text,
  buttons: v.pipe(v.array(v.looseObject({ type: v.string() })), v.minLength(1)),
})
const listSchema = v.looseObject({
  ...common,
  title: text,
  footerText: text,
  buttonText: text,
  sections: v.pipe(
    v.array(v.looseObject({ title: v.string(), rows: v.array(v.looseObject({ title: v.string() })) })),
    v.minLength(1),
  ),
})

type Body = Readonly<Record<string, unknown>>

/** Reads the body of `POST /message/{kind}/{instance}`, or says with which error Evolution refuses it. */
export async function readEvolutionSend(
  stage: Stage,
  number: EvolutionNumber,
  kind: string,
  body: Body,
): Promise<EvolutionSend | Answer | null> {
  switch (kind) {
    case 'sendText':
      return read(textSchema, body, send => draft(send, { type: 'text', text: send.text }))
    case 'sendMedia':
      return await read(mediaSchema, body, send => readMedia(stage, number, send, body))
    case 'sendWhatsAppAudio':
      return await read(plainSchema, body, send => readVoice(stage, number, send, body))
    case 'sendSticker':
      return await read(plainSchema, body, send => readSticker(stage, number, send, body))
    case 'sendLocation':
      return read(locationSchema, body, send => {
        const { latitude, longitude, name, address } = send
        return draft(send, { type: 'location', latitude, longitude, name, address })
      })
    case 'sendContact':
      return read(contactSchema, body, send => draft(send, contactContent(send.contact)))
    case 'sendReaction':
      return read(reactionSchema, body, readReaction)
    case 'sendButtons':
      return read(buttonsSchema, body, readButtons)
    case 'sendList':
      // What Baileys makes of lists, in all of 2.3: github.com/evolution-foundation/evolution-api/issues/2390.
      return read(listSchema, body, () => badRequest('TypeError: this.isZero is not a function'))
    case 'sendTemplate':
      return badRequest('Method not available on WhatsApp Baileys')
    default:
      return null
  }
}

function read<T, R>(schema: v.GenericSchema<unknown, T>, body: Body, use: (send: T) => R): R | Answer {
  const parsed = v.safeParse(schema, body)
  return parsed.success ? use(parsed.output) : invalid(issueOf(parsed.issues[0]))
}

function draft({ number, delay, quoted }: Common, content: Content): EvolutionSend {
  const delayMs = Math.min(Number.isFinite(delay) ? delay : 0, delayMsMax)
  return { to: number, content, replyTo: quoted?.key.id ?? null, delayMs }
}

const defaultTypes = {
  image: 'image/png',
  video: 'video/mp4',
  audio: 'audio/mp4',
  document: 'application/octet-stream',
  ptv: 'video/mp4',
}

async function readMedia(
  stage: Stage,
  number: EvolutionNumber,
  send: v.InferOutput<typeof mediaSchema>,
  { media, file }: Body,
): Promise<EvolutionSend | Answer> {
  const { mediatype, mimetype, fileName, caption } = send
  const isBare = typeof media === 'string' && isBase64(media) && file === undefined
  if (isBare && mediatype === 'document' && fileName === undefined) {
    return badRequest('For base64 the file name must be informed.')
  }
  const sent = await readFile(stage, number, file ?? media)
  if ('status' in sent) return sent
  const mime_type = mimetype ?? sent.mimeType ?? defaultTypes[mediatype]
  const name = mediatype === 'document' ? { filename: fileName ?? sent.name ?? 'file' } : {}
  const words = caption === undefined || mediatype === 'audio' ? {} : { caption }
  const type = mediatype === 'ptv' ? 'video' : mediatype
  return draft(send, { type, media_id: keep(stage, sent, mime_type), mime_type, ...name, ...words })
}

/** Whatever it is, it becomes a voice message. */
async function readVoice(stage: Stage, number: EvolutionNumber, send: Common, { audio, file }: Body) {
  const otherwise = 'Owned media must be a url, base64, or valid file with buffer'
  const sent = await readFile(stage, number, file ?? audio, otherwise)
  if ('status' in sent) return sent
  const mime_type = 'audio/ogg; codecs=opus'
  return draft(send, { type: 'audio', voice: true, media_id: keep(stage, sent, mime_type), mime_type })
}

async function readSticker(stage: Stage, number: EvolutionNumber, send: Common, { sticker, file }: Body) {
  const sent = await readFile(stage, number, file ?? sticker)
  if ('status' in sent) return sent
  return draft(send, { type: 'sticker', media_id: keep(stage, sent, 'image/webp'), mime_type: 'image/webp' })
}

function keep({ media }: Stage, { bytes }: SentFile, mimeType: string): string {
  return media.add(mimeType, bytes, crypto.randomUUID()).id
}

function contactContent(contact: v.InferOutput<typeof contactSchema>['contact']): Content {
  return {
    type: 'contacts',
    contacts: contact.map(({ fullName, phoneNumber }) => ({ name: fullName, phones: [phoneNumber] })),
  }
}

function readReaction({ key, reaction }: v.InferOutput<typeof reactionSchema>): EvolutionSend | Answer {
  const emojis = [...new Intl.Segmenter().segment(reaction)]
  const isEmoji = emojis.length === 1 && /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(reaction)
  if (reaction !== '' && !isEmoji)
    return badRequest('"reaction" must be a single emoji or empty string to remove reaction')
  const content: Content = { type: 'reaction', message_id: key.id, emoji: reaction }
  return { to: key.remoteJid, content, replyTo: null, delayMs: 0 }
}

/** Buttons are taken, and then shown on few phones and on no computer: here on none. */
function readButtons(send: v.InferOutput<typeof buttonsSchema>): EvolutionSend | Answer {
  const replies = send.buttons.filter(({ type }) => type === 'reply')
  if (replies.length > 3) return badRequest('Maximum of 3 reply buttons allowed')
  if (replies.length > 0 && replies.length < send.buttons.length) {
    return badRequest('Reply buttons cannot be mixed with other types')
  }
  return draft(send, { type: 'unsupported', reason: 'Buttons of a linked device, which this phone does not show' })
}
