import { fetchFile, mediaTypeOf } from '../fetch-file.ts'
import { reachableFile } from '../reachable.ts'
import type { Answer, Draft, ReadSend } from '../read-send.ts'
import type { BusinessNumber, ChatMessage, Content, Customer, Failure } from '../records.ts'
import { accountOf } from './accounts.ts'
import type { Stage } from './dialect.ts'
import { addressOf, newSid, signedIn } from './twilio-account.ts'
import { render, type Templates } from './twilio-content.ts'
import { refused, statusErrors, twilioError, unauthorized } from './twilio-errors.ts'
import { invalidContentSid, invalidVariables, parseTwilioSend, type TwilioSend } from './twilio-parse-send.ts'

/** What WhatsApp takes through Twilio. */
const mediaBounds = { bytesMax: 16 * 1_048_576, timeoutMs: 10_000 }

/** `POST /2010-04-01/Accounts/{AccountSid}/Messages.json`. */
export async function sendAtTwilio(
  stage: Stage,
  templates: Templates,
  accountSid: string,
  request: Request,
): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const mine = signedIn(stage.world, request, accountSid)
  const parsed = parseTwilioSend(form)
  const number = parsed.kind === 'read' ? senderOf(mine ?? [], parsed.value.from) : null
  return await stage.send(request, { number: number?.id ?? '', body: fieldsOf(form) }, () => {
    if (mine === null) return refused(unauthorized())
    if (parsed.kind === 'refused') return refused(parsed.answer)
    if (number === null) return refused(unknownSender(parsed.value.from))
    return read(stage, templates, number, parsed.value)
  })
}

function read(stage: Stage, templates: Templates, number: BusinessNumber, send: TwilioSend): ReadSend {
  const customer = customerOf(stage, send.to)
  if (customer === null) return refused(twilioError(400, 21211, `Invalid 'To' Phone Number: whatsapp:${send.to}`))
  const draft = draftOf(stage, templates, number, send)
  if ('status' in draft) return refused(draft)
  return {
    ...{ kind: 'message', number, customer },
    draft: { ...draft, callbackUrl: send.callbackUrl },
    answer: message => ({ status: 201, body: messageResource(number, customer, message, 'queued') }),
  }
}

function senderOf(mine: readonly BusinessNumber[], from: TwilioSend['from']): BusinessNumber | null {
  const isSender = (number: BusinessNumber) =>
    from.kind === 'service'
      ? accountOf(number, 'twilio').messaging_service_sid === from.sid
      : addressOf(number) === `whatsapp:+${from.phone}`
  return mine.find(isSender) ?? null
}

function unknownSender(from: TwilioSend['from']): Answer {
  if (from.kind === 'service') return twilioError(400, 21701, 'The Messaging Service does not exist')
  return twilioError(400, 63007, 'Twilio could not find a Channel with the specified From address')
}

/** A user id is known only of those who have written. */
function customerOf({ world, exchange }: Stage, to: string): Customer | null {
  return /^\d+$/.test(to) ? exchange.customer(to) : world.customer(to)
}

function draftOf(stage: Stage, templates: Templates, number: BusinessNumber, { what }: TwilioSend): Draft | Answer {
  if (what.kind === 'content') return { content: what.content }
  if (what.kind === 'media') return mediaDraft(stage, number, what)
  const template = templates.get(what.sid, accountOf(number, 'twilio').account_sid)
  if (template === null) return invalidContentSid()
  const rendered = render(template, what.variables)
  if (rendered === null) return invalidVariables()
  return rendered.kind === 'content' ? { content: rendered.content } : mediaDraft(stage, number, rendered)
}

/** Only after the answer is the file fetched: where that fails, a status says so. */
function mediaDraft(
  { media, signal }: Stage,
  number: BusinessNumber,
  { url, caption }: { readonly url: string; readonly caption: string | null },
): Draft {
  const words = caption === null ? {} : { caption }
  return { content: { type: 'document', link: url, ...words }, prepare }

  async function prepare(): Promise<Content | Failure> {
    const file = await fetchFile(reachableFile(number, url), { ...mediaBounds, signal })
    const type = file === null ? null : mediaTypeOf(file.mimeType)
    if (file === null || type === null) return 'media_unreachable'
    const { id } = media.add(file.mimeType, file.bytes, newSid('ME'))
    const fetched = { type, link: url, media_id: id, mime_type: file.mimeType }
    // An audio file shows no caption.
    if (type === 'audio') return fetched
    return { ...fetched, ...words, ...(type === 'document' ? { filename: nameIn(url) } : {}) }
  }
}

function nameIn(url: string): string {
  return URL.parse(url)?.pathname.split('/').at(-1) ?? 'file'
}

/** A message as the API shows it. `queued` is what a send is answered with, whatever becomes of it. */
export function messageResource(
  number: BusinessNumber,
  customer: Customer,
  { id, at, direction, content, status, failure }: ChatMessage,
  shownStatus?: string,
): unknown {
  const { account_sid, messaging_service_sid } = accountOf(number, 'twilio')
  const uri = `/2010-04-01/Accounts/${account_sid}/Messages/${id}`
  const error = failure === undefined || shownStatus !== undefined ? null : statusErrors[failure]
  const isInbound = direction === 'inbound'
  const them = customer.wa_id === null ? `whatsapp:${customer.user_id}` : `whatsapp:+${customer.wa_id}`
  const date = new Date(at).toUTCString().replace('GMT', '+0000')
  return {
    ...{ account_sid, api_version: '2010-04-01', body: bodyOf(content), date_created: date, date_updated: date },
    ...{ date_sent: shownStatus === 'queued' ? null : date, direction: isInbound ? 'inbound' : 'outbound-api' },
    ...{ error_code: error?.code ?? null, error_message: error?.message ?? null },
    ...{ from: isInbound ? them : addressOf(number), to: isInbound ? addressOf(number) : them },
    ...{ messaging_service_sid, num_media: isMedia(content) ? '1' : '0', num_segments: '1' },
    ...{ price: null, price_unit: null, sid: id },
    status: shownStatus ?? (isInbound ? 'received' : (error?.status ?? status)),
    ...{ subresource_uris: { media: `${uri}/Media.json` }, uri: `${uri}.json` },
  }
}

export function isMedia({ type }: Content): boolean {
  return ['image', 'audio', 'video', 'document', 'sticker', 'contacts'].includes(type)
}

function bodyOf(content: Content): string {
  if ('text' in content) return content.text
  return 'caption' in content ? (content.caption ?? '') : ''
}

/** A form as the log shows it. */
function fieldsOf(form: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(form.keys())]
  return Object.fromEntries(
    names.map(name => {
      const [first = '', ...more] = form.getAll(name)
      return [name, more.length === 0 ? first : [first, ...more]]
    }),
  )
}
