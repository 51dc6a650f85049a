import type { Answer, Refusal, RefusedAs } from '../read-send.ts'
import type { Failure } from '../records.ts'
import { gateAnswer, invalidKey } from './d360-errors.ts'
import type { MetaError } from './meta-errors.ts'

/** What stands beside every answer of the on-premises API. */
export const meta = { api_status: 'stable', version: '2.53.3' }

/** An error of the on-premises API ("Errors" of its reference). */
export function legacyAnswer(status: number, code: number, title: string, details: string): Answer {
  return { status, body: { errors: [{ code, title, details }], meta } }
}

export const unknownResource = (what: string): Answer => legacyAnswer(404, 1006, 'Resource not found', what)

export const userNotValid = (to: string): Answer =>
  legacyAnswer(400, 1013, 'User is not valid', `${to} does not use WhatsApp`)

/** The Cloud API took over the bodies and gave the errors new codes: this is the way back. */
export function legacyError({ details = 'The request is not valid' }: MetaError): Answer {
  const [, missing] = /^The parameter (\S+) is required/.exec(details) ?? []
  if (missing !== undefined) {
    return legacyAnswer(400, 1008, 'Required parameter is missing', `Parameter "${missing}" is mandatory`)
  }
  if (/must be at most \d+ characters/.test(details)) return legacyAnswer(400, 1001, 'Message too long', details)
  return legacyAnswer(400, 1009, 'Parameter value is not valid', details)
}

const statusErrors: Readonly<Record<Failure, readonly [code: number, title: string]>> = {
  window_closed: [
    470,
    'Message failed to send because more than 24 hours have passed since the customer last replied to this number',
  ],
  rate_limited: [471, 'Rate limit hit'],
  not_on_whatsapp: [1013, 'User is not valid'],
  undeliverable: [1026, 'Receiver incapable'],
  media_unreachable: [1014, 'Internal error: the media could not be fetched'],
}

/** What the `failed` status of a message says. */
export function statusError(failure: Failure): unknown {
  const [code, title] = statusErrors[failure]
  return { code, title, href: 'https://developers.facebook.com/docs/whatsapp/api/errors/' }
}

export function refuseAtLegacy(refusal: Refusal): RefusedAs {
  return { kind: 'answered', answer: refusalAnswer(refusal) }
}

function refusalAnswer(refusal: Refusal): Answer {
  switch (refusal) {
    case 'throttled':
      return gateAnswer(429, 'Too many requests')
    case 'over_throughput':
    case 'over_pair_rate':
      return legacyAnswer(429, 1015, 'Too many requests', 'Too many messages were sent in a short time')
    case 'failing':
      return legacyAnswer(500, 1014, 'Internal error', 'The message could not be sent because of an unknown error')
    case 'unavailable':
      return legacyAnswer(503, 1016, 'System overloaded', 'The system is busy')
    case 'unauthorized':
      return invalidKey()
    case 'rejected':
      return legacyAnswer(400, 1000, 'Generic error', 'The message is refused, as it was asked for here')
  }
}
