import { createHash, createHmac } from 'node:crypto'
import type { ProviderName } from '../../src/messaging/bot-config.ts'

import { bridgeToken } from '../../src/whatsapp/baileys/protocol.ts'
import { encryptionKey } from './seed.ts'

// Webhooks as each provider makes them: what a bot must be set to, and what proves where a body comes from. Written from
// the providers' documents, apart from what checks it.

/** What a bot of each provider is set to for the payloads in test/fixtures. */
export const fixtureConfigs = {
  meta: { phone_number_id: '500000000000010', access_token: 'token', app_secret: 'app-secret', verify_token: 'verify' },
  official: { api_key: 'api-key', webhook_secret: 'webhook-secret' },
  twilio: {
    account_sid: 'AC000000000000000000000000000000f1',
    auth_token: '0123456789abcdef0123456789abcdef',
    from: '+447700900100',
  },
  evolution: { base_url: 'http://127.0.0.1:1', api_key: 'key', instance: 'shop-1', webhook_token: 'webhook-token' },
  baileys: {},
} as const satisfies Partial<Record<ProviderName, Readonly<Record<string, string>>>>

export type SigningProvider = keyof typeof fixtureConfigs

/** The headers that prove a body, sent to `url`, to come from a provider. */
export function proofOf(provider: SigningProvider, body: Uint8Array, url: string): Record<string, string> {
  switch (provider) {
    case 'meta': {
      const hex = createHmac('sha256', fixtureConfigs.meta.app_secret).update(body).digest('hex')
      return { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${hex}` }
    }
    case 'official': {
      const hex = createHmac('sha256', fixtureConfigs.official.webhook_secret).update(body).digest('hex')
      return { 'content-type': 'application/json', 'x-360dialog-signature': hex }
    }
    case 'twilio':
      return {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': twilioSignature(body, url),
      }
    case 'evolution':
      return { 'content-type': 'application/json', 'x-webhook-token': fixtureConfigs.evolution.webhook_token }
    case 'baileys':
      return { 'content-type': 'application/json', authorization: `Bearer ${bridgeToken(encryptionKey)}` }
  }
}

/** The URL, then every field by name with its values, each once (twilio.com, "Validating requests"). */
function twilioSignature(body: Uint8Array, url: string): string {
  const fields = new URLSearchParams(new TextDecoder().decode(body))
  const names = [...new Set(fields.keys())].sort()
  const data = names
    .map(name =>
      [...new Set(fields.getAll(name))]
        .sort()
        .map(value => name + value)
        .join(''),
    )
    .join('')
  return createHmac('sha1', fixtureConfigs.twilio.auth_token)
    .update(url + data)
    .digest('base64')
}

/** A body with one byte changed, cut or doubled: the same for the same seed. */
export function damaged(body: Uint8Array, seed: string): Uint8Array<ArrayBuffer> {
  const random = createHash('sha256').update(seed).digest()
  const at = random.readUInt32BE(0) % Math.max(1, body.length)
  const byte = body[at] ?? 0
  const middle =
    [[random[4] ?? 0], [], [byte, byte], [byte ^ (1 << ((random[5] ?? 0) % 8))]][(random[6] ?? 0) % 4] ?? []
  return Uint8Array.from([...body.subarray(0, at), ...middle, ...body.subarray(at + 1)])
}
