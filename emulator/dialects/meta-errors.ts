import type { Failure } from '../records.ts'

/** An error of Meta's API: HTTP status, `code`, and what the documented body says. */
export interface MetaError {
  readonly status: number
  readonly code: number
  readonly subcode?: number
  /** With its `(#code)` in front, where Meta puts one. */
  readonly message: string
  readonly details?: string
  /** Meta marks what may go away by itself. */
  readonly transient?: boolean
}

let traces = 0

/** The body of Meta's error answers. */
export function errorBody({ code, subcode, message, details, transient }: MetaError): unknown {
  traces += 1
  return {
    error: {
      message,
      type: 'OAuthException',
      code,
      ...(subcode === undefined ? {} : { error_subcode: subcode }),
      ...(details === undefined ? {} : { error_data: { messaging_product: 'whatsapp', details } }),
      ...(transient === undefined ? {} : { is_transient: transient }),
      fbtrace_id: `AEmulated${traces.toString(36).padStart(8, '0')}`,
    },
  }
}

export const tokenMissing: MetaError = {
  status: 401,
  code: 190,
  message: 'An access token is required to request this resource.',
}

export const tokenWrong: MetaError = {
  status: 401,
  code: 190,
  subcode: 467,
  message: 'Error validating access token: The session is invalid because the user logged out.',
}

export const applicationLimit: MetaError = {
  status: 429,
  code: 4,
  message: '(#4) Application request limit reached',
  transient: true,
}

export const rateLimit: MetaError = {
  status: 400,
  code: 130429,
  message: '(#130429) Rate limit hit',
  details:
    'Message failed to send because there were too many messages sent from this phone number in a short period of time',
}

export const pairRateLimit: MetaError = {
  status: 400,
  code: 131056,
  message: '(#131056) (Business Account, Consumer Account) pair rate limit hit',
  details:
    'Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time',
}

export const somethingWrong: MetaError = {
  status: 500,
  code: 131000,
  message: '(#131000) Something went wrong',
  details: 'Message failed to send due to an unknown error',
}

export const serviceUnavailable: MetaError = {
  status: 503,
  code: 2,
  message: '(#2) Service temporarily unavailable',
  transient: true,
}

/** A parameter that is missing, of the wrong type, or too long. */
export function invalidParameter(details: string): MetaError {
  return { status: 400, code: 100, message: '(#100) Invalid parameter', details }
}

/** A value that breaks one of the documented rules. */
export function invalidValue(details: string): MetaError {
  return { status: 400, code: 131009, message: '(#131009) Parameter value is not valid', details }
}

export const sameRecipient: MetaError = {
  status: 400,
  code: 131021,
  message: '(#131021) Recipient cannot be sender',
  details: 'Sender and recipient phone number is the same',
}

/** The object of the path is unknown, or another account's. */
export function unknownObject(id: string, method: string): MetaError {
  return {
    status: 400,
    code: 100,
    subcode: 33,
    message:
      `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to ` +
      'missing permissions, or does not support this operation. Please read the Graph API documentation at ' +
      'https://developers.facebook.com/docs/graph-api',
  }
}

export function unknownPath(path: string): MetaError {
  return { status: 404, code: 2500, message: `Unknown path components: ${path}` }
}

const statusErrors: Readonly<Record<Failure, readonly [code: number, title: string, details: string]>> = {
  window_closed: [
    131047,
    'Re-engagement message',
    'Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
  ],
  rate_limited: [
    130429,
    'Rate limit hit',
    'Message failed to send because there were too many messages sent from this phone number in a short period of time.',
  ],
  not_on_whatsapp: [131026, 'Message undeliverable', 'Message Undeliverable.'],
  undeliverable: [131026, 'Message undeliverable', 'Message Undeliverable.'],
  media_unreachable: [131053, 'Media upload error', 'Media could not be fetched from the link of the message.'],
}

/** What the `failed` status of a message says. */
export function statusError(failure: Failure): unknown {
  const [code, title, details] = statusErrors[failure]
  const href = 'https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/'
  return { code, title, message: title, error_data: { details }, href }
}

/** What a message of a kind the API can't show carries. */
export function unsupportedMessageError(details: string): unknown {
  return { code: 131051, title: 'Message type unknown', message: 'Message type unknown', error_data: { details } }
}
