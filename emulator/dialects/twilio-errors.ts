import type { Answer, ReadSend, Refusal, RefusedAs } from '../read-send.ts'
import type { Failure } from '../records.ts'

/** An error of Twilio's API: HTTP status, code and words ("Error and Warning Dictionary"). */
export function twilioError(status: number, code: number, message: string): Answer {
  return { status, body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status } }
}

export const unauthorized = (): Answer => twilioError(401, 20003, 'Authenticate')

export const notFound = (path: string): Answer =>
  twilioError(404, 20404, `The requested resource ${path} was not found`)

export const invalidParameter = (what: string): Answer => twilioError(400, 20001, `Invalid parameter: ${what}`)

export function refused(answer: Answer): ReadSend {
  return { kind: 'answered', answer }
}

/** Twilio takes messages beyond a sender's rate, and lets them fail later. */
export function refuseAtTwilio(refusal: Refusal): RefusedAs {
  switch (refusal) {
    case 'over_throughput':
    case 'over_pair_rate':
      return { kind: 'fails', failure: 'rate_limited' }
    case 'throttled':
      return { kind: 'answered', answer: twilioError(429, 20429, 'Too Many Requests') }
    case 'failing':
      return { kind: 'answered', answer: twilioError(500, 20500, 'An internal server error has occurred') }
    case 'unavailable':
      return { kind: 'answered', answer: twilioError(503, 20503, 'Service is unavailable') }
    case 'unauthorized':
      return { kind: 'answered', answer: unauthorized() }
    case 'rejected':
      return {
        kind: 'answered',
        answer: twilioError(400, 21211, "Invalid 'To' Phone Number, as it was asked for here"),
      }
  }
}

type StatusError = { readonly status: 'failed' | 'undelivered'; readonly code: number; readonly message: string }

/** How a message that was taken and never arrived is told. */
export const statusErrors: Readonly<Record<Failure, StatusError>> = {
  window_closed: {
    status: 'failed',
    code: 63016,
    message:
      'Failed to send freeform message because you are outside the allowed window. ' +
      'If you are using WhatsApp, please use a Message Template.',
  },
  rate_limited: { status: 'failed', code: 63018, message: 'Rate limit exceeded for Channel' },
  not_on_whatsapp: { status: 'undelivered', code: 63003, message: 'Channel could not find To address' },
  undeliverable: { status: 'undelivered', code: 63024, message: 'Invalid message recipient' },
  media_unreachable: { status: 'failed', code: 63019, message: 'Media failed to download' },
}
