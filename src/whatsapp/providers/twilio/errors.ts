import * as v from 'valibot'
import type { MessageError } from '../../../messaging/status.ts'
import type { RetryPace, SendResult } from '../../provider.ts'

type Class = { readonly kind: 'retry'; readonly pace: RetryPace } | { readonly kind: 'failed' | 'account' }

const soon: Class = { kind: 'retry', pace: 'soon' }
const later: Class = { kind: 'retry', pace: 'later' }
const account: Class = { kind: 'account' }
const failed: Class = { kind: 'failed' }

type Known = readonly [codes: readonly number[], kind: Class, sentence: string]

/**
 * What Twilio's codes mean for a send, from its "Error and Warning Dictionary" (twilio.com/docs/api/errors). Those from
 * 63000 on mostly come in a status: Twilio takes the message first, and hears of WhatsApp later.
 */
const table: readonly Known[] = [
  [[20003], account, 'Twilio refuses the account SID or the auth token: put the right ones into the bot'],
  [[10001, 20005], account, 'The Twilio account is not active: look at it in the Twilio console'],
  [[21609], account, 'Twilio cannot send statuses to this address: set PUBLIC_URL to one that it can reach'],
  [[63001], account, 'WhatsApp refuses the registration of the number: look at the sender in the Twilio console'],
  [[63007], account, 'Twilio has no WhatsApp sender for what the bot sends from: put the right number into the bot'],
  [[63020], account, 'Meta reports a problem with the business account: look at it in the Meta Business Manager'],
  [[63022], account, "The certificate of the number's display name is not valid: have the name approved again"],
  [[63051], account, 'WhatsApp has restricted the account: look at it in the WhatsApp Manager'],
  [[20429], soon, 'The account asks Twilio for more at once than it may'],
  [[20500, 20503], soon, 'Twilio has a temporary problem'],
  [[21611, 30001], later, 'Too many messages of this number wait at Twilio'],
  [[63010, 63012, 63023], later, 'Twilio or WhatsApp has a temporary problem'],
  [[63018], later, 'The number, or its business, has reached a rate limit of WhatsApp'],
  [[63038], later, 'The account has reached its number of messages for the day'],
  [[63016], failed, 'More than 24 hours have passed since the customer last wrote: only a template can be sent'],
  [[20404], failed, 'Twilio does not know what the message refers to'],
  [[21211, 21614], failed, "The customer's number is not one that can be written to"],
  [[21212], failed, 'The number that the bot sends from is not valid: put the right one into the bot'],
  [[21910], failed, 'The customer and the number that the bot sends from are not both on WhatsApp'],
  [[21608], failed, 'A trial account of Twilio writes to verified numbers only'],
  [[21610], failed, 'The customer has opted out of messages from this number'],
  [[21617], failed, 'The text is longer than Twilio takes: 1,600 characters'],
  [[21620], failed, 'Twilio does not take the address of the file: anybody must be able to read it'],
  [[21654], failed, 'Twilio takes nothing but templates here, as in the sandbox of a trial account: send one'],
  [[21655, 92006], failed, 'The account has no template of this Content SID: it was deleted, or is of another account'],
  [[21656], failed, "The template's parameters do not match: none may be missing, be empty or have line breaks"],
  [[63003], failed, 'The customer is not on WhatsApp'],
  [[63024], failed, 'WhatsApp cannot deliver to this customer'],
  [[63014, 63033], failed, 'The customer has blocked the number'],
  [[63005], failed, 'WhatsApp does not take the content of this message'],
  [[63013], failed, "The message goes against WhatsApp's policies"],
  [[63019], failed, 'WhatsApp could not fetch the file: anybody must be able to read it at its address'],
  [[63021], failed, 'WhatsApp does not take this content: a wrong type of file, or a text that is too long'],
  [[63027], failed, 'There is no such template in that language'],
  [[63028], failed, "The number of the template's parameters does not match"],
  [[63029], failed, 'WhatsApp could not load the template'],
  [[63030], failed, "WhatsApp does not take one of the template's parameters"],
  [[63032], failed, 'WhatsApp does not deliver to this customer for now: wait a day at least before writing again'],
  [[63049], failed, 'Meta withheld the message to keep its users from being written to too often: wait a day at least'],
]

const byCode = new Map(
  table.flatMap(([codes, kind, sentence]) => codes.map(code => [String(code), { kind, sentence }] as const)),
)

/** An error as Twilio reports it, in an answer or in a status. `status`: of the answer's HTTP. */
export type TwilioError = { readonly code: string; readonly details: string; readonly status: number }

const text = v.nullish(v.string())

/** As the API of 2010 says it, and as the newer ones do (RFC 9457). One of the texts at least is there. */
const errorSchema = v.pipe(
  v.object({ code: v.nullish(v.union([v.number(), v.string()])), message: text, detail: text, title: text }),
  v.transform(({ code, message, detail, title }) => ({ code, details: message ?? detail ?? title })),
  v.check(({ code, details }) => code != null || details != null, 'Must say what is wrong'),
)

/** The error that an answer of Twilio's holds; null where it holds none. */
export function readTwilioError(status: number, body: unknown): TwilioError | null {
  const refused = v.safeParse(errorSchema, body)
  if (status < 400 || !refused.success) return null
  const { code, details } = refused.output
  return { code: String(code ?? `http_${status}`), details: details ?? '', status }
}

/** Twilio's code with plain words, and Twilio's own after them. */
export function explain({ code, details }: Pick<TwilioError, 'code' | 'details'>): MessageError {
  const sentence = byCode.get(code)?.sentence ?? 'Twilio refused the message'
  return { code, message: details === '' ? `${sentence}.` : `${sentence}. (${details})` }
}

/** What to do about an error in the answer to a send. */
export function classify(error: TwilioError): SendResult {
  return { ...(byCode.get(error.code)?.kind ?? unlisted(error)), error: explain(error) }
}

function unlisted({ status }: TwilioError): Class {
  if (status === 401) return account
  return status === 429 || status >= 500 ? soon : failed
}
