import * as v from 'valibot'
import type { OutboundMessage, ProviderBot, ProviderParts, SendResult } from '../../provider.ts'
import { failedCall, strangeAnswer } from '../no-answer.ts'
import { makePost, type Posted } from '../post.ts'
import { parseJson } from '../read-body.ts'
import type { ContentTemplate } from './content-template.ts'
import { classify, readTwilioError } from './errors.ts'
import { formOf } from './message-form.ts'
import { accountUrl, authorizationOf, senderOf, twilioUrls } from './twilio-api.ts'

type Fields = Readonly<Record<string, string>>

const madeSchema = v.object({ sid: v.pipe(v.string(), v.minLength(1), v.maxLength(64)) })

/** What Twilio says of a template that is not there, or is not there yet. */
const goneCodes: ReadonlySet<string> = new Set(['20404', '21655', '92006'])

/** For a template that was just made and that Twilio does not find. */
const newTriesMax = 3

/**
 * Makes what sends messages. Buttons and lists need a template, which is made once and known from then on by what is in
 * it. Until the template is there nothing was sent: what goes wrong before is never `unknown`.
 */
export function makeSendMessage({ config, memo }: Pick<ProviderParts, 'config' | 'memo'>) {
  const urls = twilioUrls(config.TWILIO_BASE_URL)
  const [postMessage, postTemplate] = [makePost(), makePost()]

  return async (message: OutboundMessage, bot: ProviderBot, signal: AbortSignal): Promise<SendResult> => {
    const form = formOf(message.content, message.file)
    if (form.kind === 'impossible') return { kind: 'failed', error: form.error }
    const deliver = (fields: Fields) => send(fields, message, bot, signal)
    return form.kind === 'fields'
      ? await deliver(form.fields)
      : await sendTemplate(form.template, bot, signal, ContentSid => deliver({ ContentSid }))
  }

  async function send(
    fields: Fields,
    message: OutboundMessage,
    bot: ProviderBot,
    signal: AbortSignal,
  ): Promise<SendResult> {
    const body = new URLSearchParams({ ...envelopeOf(message, bot, config.PUBLIC_URL), ...fields }).toString()
    const headers = headersOf(bot, 'application/x-www-form-urlencoded')
    return readAnswer(await postMessage(`${accountUrl(urls, bot.config)}/Messages.json`, { headers, body, signal }))
  }

  /** A template that was deleted at Twilio is made once more; one that could not be kept is made anew next time. */
  async function sendTemplate(
    template: ContentTemplate,
    bot: ProviderBot,
    signal: AbortSignal,
    deliver: (sid: string) => Promise<SendResult>,
  ): Promise<SendResult> {
    const key = `content:${template.hash}`
    const kept = await memo.find(bot, key).catch(() => null)
    const result = kept === null ? null : await deliver(kept)
    if (result !== null && !isGone(result)) return result
    const made = await makeTemplate(template, bot, signal)
    if (made.kind !== 'sent') return made
    await memo.save(bot, key, made.providerMessageId, null).catch(() => undefined)
    return notYet(await deliver(made.providerMessageId))
  }

  async function makeTemplate({ json }: ContentTemplate, bot: ProviderBot, signal: AbortSignal): Promise<SendResult> {
    const headers = headersOf(bot, 'application/json')
    const made = readAnswer(await postTemplate(`${urls.content}/v1/Content`, { headers, body: json, signal }))
    return made.kind === 'unknown' ? nothingSent(made.error.code) : made
  }
}

function headersOf({ config }: ProviderBot, contentType: string) {
  return { authorization: authorizationOf(config), 'content-type': contentType }
}

/** From whom to whom, and where the statuses go: their address brings the reference back. */
function envelopeOf({ to, reference }: OutboundMessage, { id, config }: ProviderBot, publicUrl: string): Fields {
  const sender = senderOf(config)
  return {
    To: `whatsapp:${to.value}`,
    ...('number' in sender ? { From: sender.number } : { MessagingServiceSid: sender.service }),
    StatusCallback: `${publicUrl}/webhooks/twilio/${id}?reference=${encodeURIComponent(reference)}`,
  }
}

/** What a call that makes a message, or a template, came to. What was made is known by its sid. */
function readAnswer(posted: Posted): SendResult {
  if (posted.kind === 'failed') return failedCall(posted, 'Twilio')
  const body = parseJson(posted.text)
  const error = readTwilioError(posted.status, body)
  if (error !== null) return classify(error)
  const made = v.safeParse(madeSchema, body)
  if (posted.status < 300 && made.success) return { kind: 'sent', providerMessageId: made.output.sid }
  return strangeAnswer(posted.status, 'Twilio')
}

function isGone(result: SendResult): boolean {
  return result.kind === 'failed' && goneCodes.has(result.error.code)
}

/** Twilio has made the template, and will find it. */
function notYet(result: SendResult): SendResult {
  if (result.kind !== 'failed' || !isGone(result)) return result
  return { kind: 'retry', pace: 'soon', triesMax: newTriesMax, error: result.error }
}

function nothingSent(code: string): SendResult {
  const message = 'Twilio did not say whether it made the template of the buttons or the list: nothing was sent yet.'
  return { kind: 'retry', pace: 'soon', error: { code, message } }
}
