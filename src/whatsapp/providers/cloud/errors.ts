import * as v from 'valibot'
import type { MessageError } from '../../../messaging/status.ts'
import type { RetryPace, SendResult } from '../../provider.ts'

type Class =
  | { readonly kind: 'retry'; readonly pace: RetryPace; readonly triesMax?: number }
  | { readonly kind: 'failed' | 'account' }

const soon: Class = { kind: 'retry', pace: 'soon' }
const later: Class = { kind: 'retry', pace: 'later' }
const account: Class = { kind: 'account' }
const failed: Class = { kind: 'failed' }

type Known = readonly [codes: readonly number[], kind: Class, sentence: string]

/**
 * What Meta's codes mean for a send, from the Cloud API's "Error codes" page. The code decides, never the HTTP status
 * or the title: throttling is usually an HTTP 400.
 */
const table: readonly Known[] = [
  [[0, 190], account, 'Meta refuses the access token: it is wrong, expired or revoked. Put a new one into the bot'],
  [[3, 10], account, 'The access token lacks a permission that sending needs'],
  [[131005], account, 'Meta denies the access token this action: check its permissions'],
  [[131037], account, "Meta has not approved the number's display name yet"],
  [[131042], account, 'Meta reports a problem with the payment method of the business account'],
  [[131045, 133010], account, 'The number is not registered with the Cloud API'],
  [[368, 131031], account, 'Meta has blocked or locked the account for a policy violation'],
  [[130497], failed, 'Meta does not let this business send to that country'],
  [[1, 2], soon, 'Meta has a temporary problem'],
  [[131000, 131016, 135000], { kind: 'retry', pace: 'soon', triesMax: 3 }, 'Meta could not take the message'],
  [[131057, 133004], soon, 'The number is in maintenance at Meta'],
  [[130429], soon, 'The number sends faster than Meta lets it'],
  [[4, 80007], later, 'The account has reached its rate limit at Meta'],
  [[131048], later, 'Meta limits the number because too many of its messages were blocked or reported'],
  [[131064, 133016], later, 'The account has reached one of its limits at Meta'],
  [[131056], { kind: 'retry', pace: 'pair' }, 'Too many messages to this customer in a short time'],
  [[131047], failed, 'More than 24 hours have passed since the customer last wrote: only a template can be sent'],
  [[131021], failed, 'The customer is the number itself'],
  [[131026], failed, 'WhatsApp cannot deliver to this customer'],
  [[131030], failed, 'The customer is not on the list of numbers that a test number may write to'],
  [[131049], failed, 'Meta withheld the message to keep its users from being written to too often'],
  [[131050], failed, 'The customer has opted out of messages like this one'],
  [[130472], failed, "The customer is in one of Meta's experiments and does not get such messages"],
  [[131051], failed, 'WhatsApp does not support this type of message'],
  [[131052, 131053], failed, 'Meta could not fetch the media'],
  [[131062, 131063], failed, 'This message cannot be sent to a customer who hides the phone number'],
  [[137000], failed, "The customer's identity has changed and must be confirmed"],
  [[33, 100, 131008, 131009], failed, 'Meta refuses a value of the message'],
  [[132000, 132012], failed, "The template's parameters do not match"],
  [[132001], failed, 'There is no such template in that language'],
  [[132005, 132007, 132008, 132015, 132016], failed, 'The template cannot be used as it is'],
  [[132068, 132069], failed, 'The WhatsApp Flow of this message is blocked or throttled'],
]

const byCode = new Map(table.flatMap(([codes, kind, sentence]) => codes.map(code => [code, { kind, sentence }])))

/** An error as Meta reports it, in an answer or in a status. */
export type MetaError = { readonly code: number; readonly details: string; readonly isTransient: boolean }

const errorAnswerSchema = v.object({
  error: v.object({
    code: v.number(),
    message: v.optional(v.string(), ''),
    error_data: v.optional(v.object({ details: v.optional(v.string()) })),
    is_transient: v.optional(v.boolean(), false),
  }),
})

/** The error that an answer of Meta's holds; null where it holds none. */
export function readMetaError(body: unknown): MetaError | null {
  const refused = v.safeParse(errorAnswerSchema, body)
  if (!refused.success) return null
  const { code, message, error_data, is_transient } = refused.output.error
  return { code, details: error_data?.details ?? message, isTransient: is_transient }
}

/** The provider's code with plain words, and the provider's own after them. */
export function explain({ code, details }: MetaError): MessageError {
  const sentence = byCode.get(code)?.sentence ?? 'Meta refused the message'
  return { code: String(code), message: details === '' ? `${sentence}.` : `${sentence}. (${details})` }
}

/** What to do about an error in the answer to a send. */
export function classify(error: MetaError): SendResult {
  const known = byCode.get(error.code)?.kind ?? unlisted(error)
  return { ...known, error: explain(error) }
}

/** 200 to 299 are permissions; of the rest Meta says itself whether it may pass. */
function unlisted({ code, isTransient }: MetaError): Class {
  if (code >= 200 && code <= 299) return account
  return isTransient ? soon : failed
}
