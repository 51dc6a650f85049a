import type { Answer } from '../read-send.ts'
import type { Content } from '../records.ts'
import { invalidParameter, twilioError } from './twilio-errors.ts'

const bodyCharactersMax = 1_600

/** A valid form of `POST …/Messages.json`, before anybody has looked whose numbers and templates it names. */
export type TwilioSend = {
  /** Digits, or a business-scoped user id. */
  readonly to: string
  readonly from:
    | { readonly kind: 'address'; readonly phone: string }
    | { readonly kind: 'service'; readonly sid: string }
  readonly what:
    | { readonly kind: 'content'; readonly content: Content }
    | { readonly kind: 'media'; readonly url: string; readonly caption: string | null }
    | { readonly kind: 'template'; readonly sid: string; readonly variables: Readonly<Record<string, string>> }
  readonly callbackUrl: string | null
}

type Refused = { readonly kind: 'refused'; readonly answer: Answer }
type Read<T> = { readonly kind: 'read'; readonly value: T } | Refused

/** Reads the form of a send, or says with which error Twilio refuses it. */
export function parseTwilioSend(form: URLSearchParams): Read<TwilioSend> {
  const to = readTo(form)
  if (to.kind === 'refused') return to
  const from = readFrom(form)
  if (from.kind === 'refused') return from
  const callbackUrl = form.get('StatusCallback')
  if (callbackUrl !== null && !isWebAddress(callbackUrl)) {
    return refused(twilioError(400, 21609, `Invalid 'StatusCallback' URL: ${callbackUrl.slice(0, 200)}`))
  }
  if (form.has('ScheduleType') || form.has('SendAt')) {
    return refused(invalidParameter('the emulator sends at once: ScheduleType and SendAt are not known here'))
  }
  const what = readWhat(form)
  if (what.kind === 'refused') return what
  return read({ to: to.value, from: from.value, what: what.value, callbackUrl })
}

function readTo(form: URLSearchParams): Read<string> {
  const to = form.get('To')
  if (to === null || to === '') return refused(twilioError(400, 21604, "A 'To' phone number is required."))
  const [, phone] = /^whatsapp:\+(\d{7,15})$/.exec(to) ?? []
  if (phone !== undefined) return read(phone)
  const [, userId] = /^whatsapp:([A-Z]{2}\.[A-Za-z0-9.]{1,140})$/.exec(to) ?? []
  if (userId !== undefined) return read(userId)
  if (!to.startsWith('whatsapp:')) {
    const message = "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel"
    return refused(twilioError(400, 21910, message))
  }
  return refused(twilioError(400, 21211, `Invalid 'To' Phone Number: ${to.slice(0, 64)}`))
}

function readFrom(form: URLSearchParams): Read<TwilioSend['from']> {
  const sid = form.get('MessagingServiceSid')
  if (sid !== null && sid !== '') return read({ kind: 'service', sid })
  const from = form.get('From')
  if (from === null || from === '') return refused(twilioError(400, 21603, "A 'From' phone number is required."))
  const [, phone] = /^whatsapp:\+(\d{5,15})$/.exec(from) ?? []
  if (phone !== undefined) return read({ kind: 'address', phone })
  return refused(twilioError(400, 21212, `Invalid 'From' Phone Number: ${from.slice(0, 64)}`))
}

function readWhat(form: URLSearchParams): Read<TwilioSend['what']> {
  const body = form.get('Body') ?? ''
  const sid = form.get('ContentSid')
  const mediaUrls = form.getAll('MediaUrl')
  if (sid !== null) return readTemplate(form, sid, body !== '' || mediaUrls.length > 0)
  if (body.length > bodyCharactersMax) {
    const message = `The concatenated message body exceeds the ${bodyCharactersMax} character limit.`
    return refused(twilioError(400, 21617, message))
  }
  const action = form.get('PersistentAction')
  if (action !== null) return readLocation(action, body)
  const [url, ...others] = mediaUrls
  if (url !== undefined) return readMedia(url, others.length, body)
  if (body === '') return refused(twilioError(400, 21602, 'Message body is required.'))
  return read({ kind: 'content', content: { type: 'text', text: body } })
}

function readMedia(url: string, others: number, body: string): Read<TwilioSend['what']> {
  if (others > 0) return refused(invalidParameter('MediaUrl: WhatsApp takes one file in a message'))
  if (!isWebAddress(url)) return refused(twilioError(400, 21620, `Invalid media URL(s): ${url.slice(0, 200)}`))
  return read({ kind: 'media', url, caption: body === '' ? null : body })
}

function readTemplate(form: URLSearchParams, sid: string, hasMore: boolean): Read<TwilioSend['what']> {
  if (hasMore) return refused(invalidParameter('ContentSid goes with neither Body nor MediaUrl'))
  if (!/^HX[0-9a-fA-F]{32}$/.test(sid)) return refused(invalidContentSid())
  const variables = readVariables(form.get('ContentVariables') ?? '{}')
  return variables === null ? refused(invalidVariables()) : read({ kind: 'template', sid, variables })
}

export const invalidContentSid = (): Answer => twilioError(400, 21655, 'The ContentSid is Invalid')

export const invalidVariables = (): Answer => twilioError(400, 21656, 'The Content Variables parameter is invalid.')

/** Variables are a JSON text of names and texts. */
function readVariables(text: string): Record<string, string> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null
    const entries = Object.entries(parsed)
    return entries.every(([, value]) => typeof value === 'string') ? Object.fromEntries(entries) : null
  } catch {
    return null
  }
}

/** `geo:51.47,-0.00|Label`; the body names the place, and a label is then its address. */
function readLocation(action: string, body: string): Read<TwilioSend['what']> {
  const [, latitudeText, longitudeText, label] = /^geo:(-?[\d.]+),(-?[\d.]+)(?:\|(.*))?$/s.exec(action) ?? []
  const [latitude, longitude] = [Number(latitudeText ?? NaN), Number(longitudeText ?? NaN)]
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) {
    return refused(invalidParameter(`PersistentAction ${action.slice(0, 100)}`))
  }
  const [name, address] = body === '' ? [label] : [body, label]
  const place = { ...(name === undefined ? {} : { name }), ...(address === undefined ? {} : { address }) }
  return read({ kind: 'content', content: { type: 'location', latitude, longitude, ...place } })
}

function isWebAddress(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

function read<T>(value: T): Read<T> {
  return { kind: 'read', value }
}

function refused(answer: Answer): Refused {
  return { kind: 'refused', answer }
}
