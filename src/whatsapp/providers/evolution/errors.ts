import * as v from 'valibot'
import type { SendResult } from '../../provider.ts'
import { strangeAnswer } from '../no-answer.ts'

type Class =
  | { readonly kind: 'retry'; readonly pace: 'soon'; readonly triesMax: number }
  | { readonly kind: 'failed' | 'account' | 'not_ready' | 'unknown' }

type Known = readonly [words: RegExp, kind: Class, code: string, sentence: string]

const failed: Class = { kind: 'failed' }
const fewTries: Class = { kind: 'retry', pace: 'soon', triesMax: 3 }

/**
 * What the words of an error mean for a send; the first that is found holds. Evolution has no codes: it hands on what its
 * parts threw (evolution-api, `whatsapp.baileys.service.ts`). All but one of these came before the message went out.
 */
const table: readonly Known[] = [
  [/status code 4(?!08|29)\d\d/i, failed, 'media_refused', 'The address of the file does not give it to Evolution'],
  [
    /AxiosError|fetch stream|getaddrinfo|ENOTFOUND|status code \d/i,
    fewTries,
    'media_unreachable',
    'Evolution could not fetch the file',
  ],
  // Its own tables are written after the send.
  [
    /prisma/i,
    { kind: 'unknown' },
    'not_stored',
    'Evolution could not keep the message in its database: it may have gone out',
  ],
  [
    /connection (closed|lost|terminated|failure)|timed ?out|ECONN|EPIPE|socket hang up|onWhatsApp|not connected/i,
    { kind: 'not_ready' },
    'connection_closed',
    "Evolution's connection to WhatsApp is down: the message goes out once it is back",
  ],
  [/isZero is not a function/i, failed, 'isZero', 'This version of Evolution cannot send this kind of message'],
  [
    /requires property|is not of a type|does not (match|conform)/i,
    failed,
    'invalid',
    'Evolution refuses a value of the message',
  ],
  [/owned media must be/i, failed, 'media_address', 'Evolution takes files from public addresses only'],
  [/method not available/i, failed, 'not_available', 'This kind of instance cannot send such a message'],
]

const account: Class = { kind: 'account' }

/** What a status means, whatever the body says. */
const byStatus: ReadonlyMap<number, readonly [kind: Class, code: string, sentence: string]> = new Map<
  number,
  readonly [Class, string, string]
>([
  [401, [account, 'unauthorized', 'Evolution refuses the api_key: put the right one into the bot']],
  [403, [account, 'forbidden', 'Evolution refuses this api_key for the instance: put the right one into the bot']],
  [404, [account, 'not_found', 'Evolution has no such instance, or is not at base_url: connect the bot again']],
  [413, [failed, 'too_large', 'The file is larger than Evolution, or what stands before it, takes']],
  ...[301, 302, 303, 307, 308].map(
    status =>
      [status, [account, 'redirected', 'The base_url leads to another address: put that one into the bot']] as const,
  ),
])

const errorSchema = v.object({ response: v.object({ message: v.unknown() }) })
const licenseSchema = v.object({ code: v.literal('LICENSE_REQUIRED') })

export const licenseRequired =
  'This Evolution waits for its licence to be activated: open its manager (/manager), or set a licence key there.'

/** Whether Evolution answers nothing until its licence is activated (from version 2.4 on). */
export function needsLicense(status: number, body: unknown): boolean {
  return status === 503 && v.is(licenseSchema, body)
}

/** What an answer to a send that is no success means. */
export function classify(status: number, body: unknown): SendResult {
  if (needsLicense(status, body))
    return { kind: 'not_ready', error: { code: 'license_required', message: licenseRequired } }
  const words = wordsOf(body)
  const known = byStatus.get(status)
  if (known !== undefined) return resultOf(...known, words ?? '')
  if (words === null) return strangeAnswer(status, 'Evolution')
  if (isNotOnWhatsApp(body)) return resultOf(failed, 'not_on_whatsapp', 'This number is not on WhatsApp', '')
  const listed = table.find(([pattern]) => pattern.test(words))
  if (listed !== undefined) return resultOf(listed[1], listed[2], listed[3], words)
  const kind = status >= 500 ? fewTries : failed
  return resultOf(kind, `http_${status}`, 'Evolution did not send the message', words)
}

function resultOf(kind: Class, code: string, sentence: string, words: string): SendResult {
  return { ...kind, error: { code, message: words === '' ? `${sentence}.` : `${sentence}. (${words})` } }
}

const wordsLengthMax = 300

/** What Evolution says is wrong, in one line; null where the answer is not of its form. */
export function wordsOf(body: unknown): string | null {
  const parsed = v.safeParse(errorSchema, body)
  if (!parsed.success) return null
  return textsOf(parsed.output.response.message).join('; ').replace(/\s+/g, ' ').trim().slice(0, wordsLengthMax)
}

/** Texts, in lists, in lists of lists, or in objects. */
function textsOf(message: unknown, depth = 0): string[] {
  if (typeof message === 'string') return message === '' ? [] : [message]
  if (typeof message !== 'object' || message === null || depth > 4) return []
  return Object.values(message).flatMap(item => textsOf(item, depth + 1))
}

function isNotOnWhatsApp(body: unknown): boolean {
  const schema = v.object({ response: v.object({ message: v.array(v.object({ exists: v.literal(false) })) }) })
  return v.is(schema, body) && body.response.message.length > 0
}
