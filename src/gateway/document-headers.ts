// What the API document says of the headers of answers.

const text = { type: 'string' }
const seconds = { type: 'integer', minimum: 1 }

/** Each header with what it means. An answer that is said to have one that is not `required` may be without it. */
export const headerComponents = {
  RequestId: { description: 'The `X-Request-Id` of the request, or a new one', schema: text, required: true },
  RateLimitLimit: {
    description:
      'How many requests the tenant may make in a minute; of who is not known, their address; of logins, in five',
    schema: { type: 'integer', minimum: 1 },
    required: true,
  },
  RateLimitRemaining: {
    description: 'How many of those are left',
    schema: { type: 'integer', minimum: 0 },
    required: true,
  },
  RateLimitReset: { description: 'Seconds until the limit is whole again', schema: seconds, required: true },
  ETag: { description: 'For `If-None-Match` and `If-Match`', schema: text, required: true },
  ETagOfChanged: { description: 'For `If-Match`', schema: text, required: false },
  WwwAuthenticate: { description: 'How to log in', schema: { const: 'Bearer' }, required: true },
  Upgrade: { description: 'What to connect with', schema: { const: 'websocket' }, required: true },
  RetryAfter: { description: 'Seconds after which to try again', schema: seconds, required: true },
}

type Answer = {
  readonly status: number
  readonly isProblem: boolean
  /** Of a route under `/api`. */
  readonly isApi: boolean
  /** Of a route with a guard. */
  readonly isGuarded: boolean
  readonly isRead: boolean
}

// The answer that opens a WebSocket is the runtime's.
const isOurs = ({ status }: Answer) => status !== 101
const isLimited = (answer: Answer) => answer.isApi && isOurs(answer)

const rules: readonly (readonly [string, keyof typeof headerComponents, (answer: Answer) => boolean])[] = [
  ['X-Request-Id', 'RequestId', isOurs],
  ['RateLimit-Limit', 'RateLimitLimit', isLimited],
  ['RateLimit-Remaining', 'RateLimitRemaining', isLimited],
  ['RateLimit-Reset', 'RateLimitReset', isLimited],
  ['ETag', 'ETag', ({ status, isGuarded, isRead }) => isGuarded && isRead && [200, 304].includes(status)],
  ['ETag', 'ETagOfChanged', ({ status, isGuarded, isRead }) => isGuarded && !isRead && [200, 201].includes(status)],
  ['WWW-Authenticate', 'WwwAuthenticate', ({ status }) => status === 401],
  ['Upgrade', 'Upgrade', ({ status }) => status === 426],
  ['Retry-After', 'RetryAfter', ({ status, isProblem }) => isProblem && [429, 503].includes(status)],
]

type Responses = Readonly<Record<string, { readonly content?: object }>>

/** The answers of an operation, each with the headers that it has. */
export function withHeaders(
  responses: Responses,
  operation: Pick<Answer, 'isApi' | 'isGuarded' | 'isRead'>,
): Record<string, object> {
  const entries = Object.entries(responses).map(([status, response]) => {
    const isProblem = 'application/problem+json' in (response.content ?? {})
    const answer = { ...operation, isProblem, status: Number(status) }
    const headers = rules.flatMap(([name, component, isOn]) =>
      isOn(answer) ? [[name, { $ref: `#/components/headers/${component}` }]] : [],
    )
    return [status, headers.length === 0 ? response : { ...response, headers: Object.fromEntries(headers) }]
  })
  return Object.fromEntries(entries)
}
