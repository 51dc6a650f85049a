import type { OutboundContent } from '../../../flow/content.ts'
import type { OutboundFile, OutboundMessage } from '../../provider.ts'
import type { StreamedBody } from '../post.ts'
import { jidOf } from '../web-content/read-jid.ts'
import { type FileBody, formOf, jsonWithFile } from './streamed-body.ts'

/** What is posted, and where: `path` goes before the instance. */
export type MessageRequest = {
  readonly path: string
  readonly contentType: string
  readonly body: string | StreamedBody
}

/** What kept a message from being a request: a code and a sentence. */
export type NoRequest = { readonly code: string; readonly message: string }

type Media = Extract<OutboundContent, { type: 'image' | 'audio' | 'video' | 'document' | 'sticker' }>

/** A message as Evolution API 2 takes it (evolution-api, `message.schema.ts`). */
export function requestOf({ to, content, file }: OutboundMessage): MessageRequest | NoRequest {
  const jid = jidOf(to)
  if (jid === null)
    return { code: 'no_address', message: 'WhatsApp Web reaches customers by phone or linked identity only.' }
  const number = to.kind === 'phone' ? jid.replace(/@.*/, '') : jid
  switch (content.type) {
    case 'text':
      return json('/message/sendText', { number, text: content.text, linkPreview: false })
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return mediaRequest(number, content, file)
    case 'location':
      return json('/message/sendLocation', { number, ...placeOf(content) })
    case 'contacts':
      return contactsRequest(number, content)
    case 'reaction': {
      const key = { id: content.message_id, remoteJid: jid, fromMe: false }
      return json('/message/sendReaction', { key, reaction: content.emoji })
    }
    default:
      return { code: 'not_available', message: `Evolution cannot send a message of the type ${content.type}.` }
  }
}

function json(path: string, body: object): MessageRequest {
  return { path, contentType: 'application/json', body: JSON.stringify(body) }
}

function mediaRequest(number: string, content: Media, file: OutboundFile | null): MessageRequest | NoRequest {
  const { type, url } = content
  if (file === null && url === undefined)
    return { code: 'no_file', message: 'The file of the message is not known here: send it by its url, or upload it.' }
  if (type === 'sticker') return fileOrUrl('/message/sendSticker', { number }, 'sticker', { url, file })
  // A recording, as from the phone's own microphone: Evolution turns any sound into the form that WhatsApp plays.
  if (type === 'audio') return fileOrUrl('/message/sendWhatsAppAudio', { number }, 'audio', { url, file })
  const fileName = filenameOf(content, file)
  const mimetype = content.mime_type ?? file?.mimeType
  const fields = { number, mediatype: type, fileName, ...texts({ mimetype, caption: content.caption }) }
  return fileOrUrl('/message/sendMedia', fields, 'media', { url, file, fileName })
}

function texts(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value ? [[name, value]] : [])))
}

/** A file of ours goes as a form; a sticker's in the JSON, since Evolution does not look for it in a form. */
function fileOrUrl(
  path: string,
  fields: Readonly<Record<string, string>>,
  name: string,
  { url, file, fileName }: { url: string | undefined; file: OutboundFile | null; fileName?: string },
): MessageRequest {
  if (file === null) return json(path, { ...fields, [name]: url })
  const body: FileBody =
    name === 'sticker' ? jsonWithFile(fields, name, file) : formOf(fields, fileName ?? 'file', file)
  return { path, ...body }
}

/** Endings of the types that files mostly have, and of whole kinds where the type is not known. */
const endings: ReadonlyMap<string, string> = new Map([
  ['image/jpeg', 'jpg'],
  ['image/png', 'png'],
  ['image/webp', 'webp'],
  ['video/mp4', 'mp4'],
  ['video/3gpp', '3gp'],
  ['application/pdf', 'pdf'],
  ['application/zip', 'zip'],
  ['application/json', 'json'],
  ['text/plain', 'txt'],
  ['text/csv', 'csv'],
  ['image', 'jpg'],
  ['video', 'mp4'],
])

/**
 * The name that a document is shown under. Evolution makes the type of a file out of the name's ending, and of a name
 * without one a type that no phone opens: so it always has one.
 */
function filenameOf({ type, url, filename, mime_type }: Media, file: OutboundFile | null): string {
  const ofUrl =
    URL.parse(url ?? '')
      ?.pathname.split('/')
      .at(-1) ?? ''
  const name = filename ?? file?.filename ?? (decoded(ofUrl) || type)
  if (/\.\w{1,10}$/.test(name)) return name
  const mimeType = (mime_type ?? file?.mimeType ?? '').replace(/;.*/, '').trim()
  return `${name}.${endings.get(mimeType) ?? endings.get(type) ?? 'bin'}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** All four are asked for: what is missing is shown as the coordinates. */
function placeOf({ latitude, longitude, name, address }: Extract<OutboundContent, { type: 'location' }>) {
  const coordinates = `${latitude}, ${longitude}`
  return { latitude, longitude, name: name ?? address ?? coordinates, address: address ?? coordinates }
}

/** One card a phone, since a card of Evolution's has one. */
function contactsRequest(
  number: string,
  { contacts }: Extract<OutboundContent, { type: 'contacts' }>,
): MessageRequest | NoRequest {
  const contact = contacts.flatMap(({ name, phones }) =>
    [...new Set(phones)].map(phone => ({ fullName: name, phoneNumber: phone, ...wuidOf(phone) })),
  )
  if (contact.length > 0) return json('/message/sendContact', { number, contact })
  return { code: 'no_phone', message: 'Evolution sends contacts that have a phone only.' }
}

/** By it WhatsApp offers to write to the contact: digits, ten at least. */
function wuidOf(phone: string): { readonly wuid?: string } {
  const wuid = phone.replace(/\D/g, '')
  return /^\s*\+/.test(phone) && wuid.length >= 10 ? { wuid } : {}
}
