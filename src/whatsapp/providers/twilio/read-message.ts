import type { InboundContent } from '../../../flow/content.ts'
import { PLACE_LENGTH_MAX } from '../../../flow/limits.ts'
import type { InboundMedia } from '../../provider.ts'
import { contentOr, cut } from '../read-content.ts'
import { referralOf, withReferral } from '../read-referral.ts'
import { asWritten } from './content-template.ts'

/** The fields of a form. A name that comes more than once has its last value. */
export type Fields = Readonly<Record<string, string | undefined>>

/** What a customer sent. A button or a row that was tapped is told by its own fields, whatever the `MessageType`. */
export function contentOf(fields: Fields, sid: string): InboundContent {
  return withReferral(contentOr(readContent(fields, sid), fields.MessageType || 'no type'), referralIn(fields))
}

/** The ad or the post that was tapped (twilio.com, "Twilio's request to your incoming message webhook URL"). */
function referralIn(fields: Fields): ReturnType<typeof referralOf> {
  return referralOf({
    sourceType: fields.ReferralSourceType,
    sourceId: fields.ReferralSourceId,
    sourceUrl: fields.ReferralSourceUrl,
    headline: fields.ReferralHeadline,
    body: fields.ReferralBody,
    clickId: fields.ReferralCtwaClid,
  })
}

/** Where the file of a content is: at an address that Twilio asks the account's credentials for. */
export function mediaOf({ MediaUrl0 }: Fields, content: InboundContent): InboundMedia | undefined {
  return 'media_id' in content && MediaUrl0 ? { kind: 'source', source: { url: MediaUrl0 } } : undefined
}

function readContent(fields: Fields, sid: string): unknown {
  const { Body = '', ButtonPayload, ButtonText, ListId, ListTitle } = fields
  if (ButtonPayload !== undefined || ButtonText !== undefined)
    return choice(ButtonPayload ?? ButtonText, ButtonText || Body)
  if (ListId !== undefined) return choice(ListId, ListTitle || Body)
  if (fields.Latitude !== undefined && fields.Longitude !== undefined) return locationOf(fields)
  if (fields.MediaUrl0) return fileOf(fields, sid, fields.MediaUrl0)
  return Body === '' ? null : { type: 'text', text: cut(Body) }
}

function choice(id = '', title: string) {
  return { type: 'choice', id: asWritten(id), title: asWritten(cut(title)) }
}

function locationOf({ Latitude, Longitude, Label, Address }: Fields) {
  return {
    type: 'location',
    latitude: degrees(Latitude),
    longitude: degrees(Longitude),
    name: Label?.slice(0, PLACE_LENGTH_MAX) || undefined,
    address: Address?.slice(0, PLACE_LENGTH_MAX) || undefined,
  }
}

/** An empty text is no number, though JavaScript takes it for 0. */
function degrees(text = ''): number {
  return /\d/.test(text) ? Number(text) : Number.NaN
}

function fileOf(fields: Fields, sid: string, url: string) {
  const { Body = '', MediaContentType0: mimeType = 'application/octet-stream' } = fields
  const type = fileType(fields.MessageType, mimeType)
  const words = Body === '' ? undefined : cut(Body)
  return {
    type,
    media_id: /\/Media\/(\w{1,64})$/.exec(url)?.[1] ?? sid,
    mime_type: mimeType,
    // Of a document the Body is the name of the file, not what the customer wrote.
    ...(type === 'document' ? { filename: words } : { caption: words }),
  }
}

const fileTypes: ReadonlySet<string> = new Set(['image', 'audio', 'video', 'document', 'sticker'])

/** A contact comes as a file too: a vCard. */
function fileType(messageType: string | undefined, mimeType: string): string {
  if (messageType !== undefined && fileTypes.has(messageType)) return messageType
  if (mimeType === 'image/webp') return 'sticker'
  const [family = ''] = mimeType.split('/')
  return fileTypes.has(family) ? family : 'document'
}
