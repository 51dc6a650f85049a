import * as v from 'valibot'
import type { SendResult } from '../../provider.ts'

// What 360dialog, and the API that ran on a business's own machines, answer besides Meta's errors.

const gateSchema = v.object({
  meta: v.object({
    success: v.optional(v.boolean()),
    http_code: v.optional(v.number()),
    developer_message: v.optional(v.string(), ''),
  }),
})

const errorsSchema = v.object({
  errors: v.pipe(
    v.array(
      v.object({
        code: v.union([v.number(), v.string()]),
        title: v.optional(v.string(), ''),
        details: v.optional(v.string(), ''),
      }),
    ),
    v.minLength(1),
  ),
})

/** The error in an answer; null where it holds none of these. */
export function readOfficialError(status: number, body: unknown): SendResult | null {
  const errors = v.safeParse(errorsSchema, body)
  const [first] = errors.success ? errors.output.errors : []
  if (first !== undefined) return classify(status, Number(first.code), first.details || first.title)
  const gate = v.safeParse(gateSchema, body)
  if (status < 400 || !gate.success) return null
  return classifyGate(gate.output.meta.http_code ?? status, gate.output.meta.developer_message)
}

type Known = readonly [codes: readonly number[], make: (error: SendError) => SendResult, sentence: string]
type SendError = { readonly code: string; readonly message: string }

const soon = (error: SendError): SendResult => ({ kind: 'retry', pace: 'soon', error })
const later = (error: SendError): SendResult => ({ kind: 'retry', pace: 'later', error })
const failed = (error: SendError): SendResult => ({ kind: 'failed', error })
const account = (error: SendError): SendResult => ({ kind: 'account', error })

/** WhatsApp Business API, "Error codes". */
const table: readonly Known[] = [
  [[401, 403], account, 'The API key is refused: put a new one into the bot'],
  [[429], soon, 'The number sends faster than the provider lets it'],
  [[470], failed, 'More than 24 hours have passed since the customer last wrote: only a template can be sent'],
  [[471], later, 'WhatsApp limits the number because too many of its messages were blocked or reported'],
  [[472], failed, "The customer is in one of Meta's experiments and does not get such messages"],
  [[500, 503, 1014, 1016], soon, 'The provider has a temporary problem'],
  [[1015], soon, 'The provider has too much waiting to be sent'],
  [[1013], failed, 'The customer is not on WhatsApp'],
  [[1026], failed, "The customer's WhatsApp cannot show such a message"],
  [[2000, 2001, 2002, 2003], failed, 'The template does not match: its name, its language or its parameters'],
]
const byCode = new Map(table.flatMap(([codes, make, sentence]) => codes.map(code => [code, { make, sentence }])))

function classify(status: number, code: number, details: string): SendResult {
  const known = byCode.get(code)
  const sentence = known?.sentence ?? 'The provider refuses the message'
  const error = { code: String(code), message: details === '' ? `${sentence}.` : `${sentence}. (${details})` }
  if (known !== undefined) return known.make(error)
  return status === 429 || status >= 500 ? soon(error) : failed(error)
}

/** 360dialog's own gate says what it means in words: an unpaid account is a 400, and so is a rate limit. */
function classifyGate(status: number, words: string): SendResult {
  const said = words === '' ? '' : ` (${words})`
  const error = (sentence: string) => ({ code: `http_${status}`, message: `${sentence}.${said}` })
  if (/rate limit/i.test(words) || status === 429) return soon(error('The number sends faster than 360dialog lets it'))
  if (/payment/i.test(words)) return account(error('360dialog reports a problem with the payment of the account'))
  if (status === 401 || status === 403)
    return account(error('360dialog refuses the API key: put a new one into the bot'))
  if (status >= 500) return soon(error('360dialog has a temporary problem'))
  return failed(error('360dialog refuses the message'))
}
