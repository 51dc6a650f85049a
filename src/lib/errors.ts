/**
 * Every error that a user or an operator can meet. `status` is the HTTP status; `kind` says whose it is: `user` (the
 * request is wrong), `operational` (something outside is down or busy), `unexpected` (a defect). `title` never
 * changes for a code; what went wrong this time goes into the error's detail.
 */
export const errorCatalogue = {
  not_json: { status: 400, kind: 'user', title: 'The body is not JSON' },
  bad_request: { status: 400, kind: 'user', title: 'The request cannot be understood' },
  unauthenticated: { status: 401, kind: 'user', title: 'Log in first: send a valid access token' },
  wrong_credentials: { status: 401, kind: 'user', title: 'The e-mail address or the password is wrong' },
  wrong_refresh_token: { status: 401, kind: 'user', title: 'The refresh token is unknown, used, revoked or expired' },
  wrong_signature: { status: 401, kind: 'user', title: 'The signature does not match the body' },
  wrong_verify_token: { status: 403, kind: 'user', title: 'The verify token does not match' },
  forbidden: { status: 403, kind: 'user', title: 'Your role does not allow this' },
  not_found: { status: 404, kind: 'user', title: 'There is nothing here' },
  method_not_allowed: { status: 405, kind: 'user', title: 'This address does not take that method' },
  wrong_ticket: { status: 401, kind: 'user', title: 'The ticket is unknown, used or expired' },
  wrong_invite: { status: 401, kind: 'user', title: 'The invitation is unknown, used or expired' },
  conflict: { status: 409, kind: 'user', title: 'This is in conflict with what exists' },
  window_closed: { status: 409, kind: 'user', title: 'Only a template can be sent now' },
  customer_opted_out: { status: 409, kind: 'user', title: 'The customer wants no messages' },
  link_expired: { status: 410, kind: 'user', title: 'This link has expired' },
  precondition_failed: { status: 412, kind: 'user', title: 'It was changed since you read it' },
  too_large: { status: 413, kind: 'user', title: 'The body is too large' },
  unsupported_media_type: { status: 415, kind: 'user', title: 'Send JSON: Content-Type: application/json' },
  unknown_file_type: { status: 415, kind: 'user', title: 'Say what the file is: Content-Type: image/jpeg' },
  range_not_satisfiable: { status: 416, kind: 'user', title: 'The file has no such bytes' },
  invalid: { status: 422, kind: 'user', title: 'Some fields are not valid' },
  idempotency_key_reused: { status: 422, kind: 'user', title: 'This Idempotency-Key belongs to another request' },
  flow_refused: { status: 422, kind: 'user', title: 'The flow has faults and was not published' },
  upgrade_required: { status: 426, kind: 'user', title: 'This address takes WebSockets only' },
  too_many_requests: { status: 429, kind: 'user', title: 'Too many requests' },
  unexpected: { status: 500, kind: 'unexpected', title: 'Something went wrong on our side' },
  overloaded: { status: 503, kind: 'operational', title: 'Too busy just now: try again in a moment' },
  database_unavailable: { status: 503, kind: 'operational', title: 'The database cannot be reached' },
  logs_unavailable: { status: 503, kind: 'operational', title: 'The logs cannot be reached' },
} as const satisfies Record<string, { status: number; kind: ErrorKind; title: string }>

export type ErrorKind = 'user' | 'operational' | 'unexpected'
export type ErrorCode = keyof typeof errorCatalogue

/** One field that is wrong: `path` as in `items.0.quantity`, `message` a sentence. */
export type FieldError = { readonly path: string; readonly message: string }

/** An error of the catalogue, with what went wrong this time. Its text may be shown to whoever asked. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly errors: readonly FieldError[]

  constructor(code: ErrorCode, detail: string, errors: readonly FieldError[] = []) {
    super(detail)
    this.code = code
    this.errors = errors
  }

  get status(): (typeof errorCatalogue)[ErrorCode]['status'] {
    return errorCatalogue[this.code].status
  }
}

/** A setting or an argument that is wrong: shown as one line, without a stack, with the exit status given. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly exitStatus: 1 | 2

  constructor(message: string, exitStatus: 1 | 2 = 1) {
    super(message)
    this.exitStatus = exitStatus
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
