import * as v from 'valibot'
import { equalBytes, equalTexts, hmacSha256 } from '../../../lib/crypto.ts'
import type { ProviderBot, WebhookRequest } from '../../provider.ts'
import { parseJson } from '../read-body.ts'

/** What Evolution's clock may be away from ours. */
const leewayMs = 60_000

/**
 * What a webhook of the bot shows to be from its Evolution: `webhook_token`, and where the bot has none a token that
 * only whoever knows its `api_key` can make. '' where it has neither.
 */
export function webhookTokenOf({ id, config }: ProviderBot): string {
  if (config.webhook_token) return config.webhook_token
  return config.api_key ? Buffer.from(hmacSha256(config.api_key, `webhooks of ${id}`)).toString('base64url') : ''
}

/** Whether the headers of a webhook have the bot's token: as it is, or as the key of Evolution's JWT. */
export function hasToken({ headers }: WebhookRequest, bot: ProviderBot, nowMs: number): boolean {
  const token = webhookTokenOf(bot)
  if (token === '') return false
  const given = headers.get('x-webhook-token')
  if (given !== null && equalTexts(given, token)) return true
  const [, jwt] = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '') ?? []
  return jwt !== undefined && isEvolutionJwt(jwt, token, nowMs)
}

/**
 * Whether a webhook's body has the bot's own `api_key`: the weakest proof, since it lies in every log of such bodies. So
 * it is taken only where the bot has no `webhook_token`.
 */
export function hasApiKey(body: unknown, { config }: ProviderBot): boolean {
  if (config.webhook_token || !config.api_key) return false
  return v.is(v.object({ apikey: v.string() }), body) && equalTexts(body.apikey, config.api_key)
}

const headerSchema = v.object({ alg: v.literal('HS256') })
const claimsSchema = v.object({ exp: v.number(), iat: v.optional(v.number()), action: v.literal('webhook') })

/** Evolution's JWT of a webhook: HS256 under `jwt_key`, for ten minutes (evolution-api, `webhook.controller.ts`). */
export function isEvolutionJwt(jwt: string, key: string, nowMs: number): boolean {
  const [header, claims, signature, ...rest] = jwt.split('.')
  if (header === undefined || claims === undefined || signature === undefined || rest.length > 0) return false
  const isSigned = equalBytes(Buffer.from(signature, 'base64url'), hmacSha256(key, `${header}.${claims}`))
  if (!isSigned || !v.is(headerSchema, readPart(header))) return false
  const parsed = v.safeParse(claimsSchema, readPart(claims))
  if (!parsed.success) return false
  const { exp, iat } = parsed.output
  return exp * 1_000 + leewayMs > nowMs && (iat === undefined || iat * 1_000 - leewayMs < nowMs)
}

function readPart(part: string): unknown {
  return parseJson(Buffer.from(part, 'base64url').toString('utf8'))
}
