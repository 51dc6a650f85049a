import type { Context } from 'hono'
import type { Env } from './options.ts'

/** What every answer has, unless its route says otherwise. */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'cache-control': 'no-store',
} as const

/** How much of the limit is left, in seconds until it is whole again (draft-ietf-httpapi-ratelimit-headers-07). */
export function limitHeaders(context: Context<Env>): Record<string, string> {
  const limit = context.get('limit')
  if (limit === undefined) return {}
  return {
    'ratelimit-limit': String(limit.limit),
    'ratelimit-remaining': String(limit.remaining),
    'ratelimit-reset': String(Math.max(1, Math.ceil(limit.resetMs / 1000))),
  }
}
