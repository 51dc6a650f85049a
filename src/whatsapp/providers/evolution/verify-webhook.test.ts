import { describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { botAt, providerForTests } from '../../../../test/support/evolution.ts'
import type { BotConfig } from '../../provider.ts'
import { isEvolutionJwt, webhookTokenOf } from './verify-webhook.ts'

const provider = providerForTests()
const base = 'https://evolution.example.test'
const { webhook_token: _, ...keyOnly } = botAt(base).config
const withoutToken = { ...botAt(base), config: keyOnly }

async function isTaken(headers: Record<string, string>, more: BotConfig | null = {}, body: object = {}) {
  const bytes = new TextEncoder().encode(JSON.stringify({ event: 'call', instance: 'shop 1', data: {}, ...body }))
  const bot = more === null ? withoutToken : botAt(base, more)
  const request = { headers: new Headers(headers), body: bytes, url: `${base}/` }
  return (await provider.handleWebhook(request, bot)).kind === 'read'
}

function jwt(claims: object, key = 'the-token', header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const parts = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${parts}.${createHmac('sha256', key).update(parts).digest('base64url')}`
}

const now = Math.floor(Date.now() / 1_000)
const claims = { iat: now, exp: now + 600, app: 'evolution', action: 'webhook' }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('a webhook is taken', () => {
  test('with the token in its header', async () => {
    expect(await isTaken({ 'x-webhook-token': 'the-token' })).toBe(true)
  })

  test("with Evolution's JWT under the token", async () => {
    expect(await isTaken(bearer(jwt(claims)))).toBe(true)
    expect(await isTaken({ authorization: `bearer ${jwt(claims)}` })).toBe(true)
    // The clocks may differ a little.
    expect(await isTaken(bearer(jwt({ ...claims, iat: now + 30, exp: now - 30 })))).toBe(true)
  })

  test("with the bot's key in the body, only where the bot has no token", async () => {
    expect(await isTaken({}, null, { apikey: 'the-key' })).toBe(true)
    expect(await isTaken({}, {}, { apikey: 'the-key' })).toBe(false)
  })

  test('with what connecting has set, where the bot has no token', async () => {
    expect(await isTaken({ 'x-webhook-token': webhookTokenOf(withoutToken) }, null)).toBe(true)
    expect(await isTaken(bearer(jwt(claims, webhookTokenOf(withoutToken))), null)).toBe(true)
    expect(webhookTokenOf({ ...withoutToken, id: 'bot-2' })).not.toBe(webhookTokenOf(withoutToken))
  })
})

describe('a webhook is refused', () => {
  test('without a proof, or with a wrong one', async () => {
    expect(await isTaken({})).toBe(false)
    for (const token of ['', 'the-toke', 'the-tokens', 'the-key'])
      expect([token, await isTaken({ 'x-webhook-token': token })]).toEqual([token, false])
    for (const apikey of ['', 'the-kez', 7, null]) expect(await isTaken({}, null, { apikey })).toBe(false)
  })

  test('with a JWT that is over, of the future, of another key, action, or algorithm', async () => {
    for (const wrong of [
      jwt({ ...claims, exp: now - 61 }),
      jwt({ ...claims, iat: now + 90 }),
      jwt({ ...claims, action: 'login' }),
      jwt({ app: 'evolution', action: 'webhook' }),
      jwt({ ...claims, exp: 'never' }),
      jwt(claims, 'another'),
      jwt(claims, 'the-token', { alg: 'none' }),
      jwt(claims).replace(/\.[^.]*$/, '.'),
      `${jwt(claims)}.more`,
      'a.b',
      '',
    ])
      expect([wrong, await isTaken(bearer(wrong))]).toEqual([wrong, false])
  })

  test('where the bot has neither a token nor a key', async () => {
    const none = { webhook_token: '', api_key: '' }
    expect(await isTaken({ 'x-webhook-token': '' }, none)).toBe(false)
    expect(await isTaken(bearer(jwt(claims, '')), none)).toBe(false)
    expect(await isTaken({}, none, { apikey: '' })).toBe(false)
  })
})

test("a JWT that Evolution's own library made holds, until its end", () => {
  // Made with jsonwebtoken, key and claims as Evolution has them, on 2026-01-01.
  const token =
    'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIyNjIwMCwiYXBwIjoiZXZvbHV0aW9uIiwiYWN0aW' +
    '9uIjoid2ViaG9vayJ9.EnG9WKlcxitsOSFT25Q3k3ei4YBIO5Y6XTZpuex8PI8'
  const begin = 1_767_225_600_000
  const holdsAt = (ms: number) => isEvolutionJwt(token, 'test-evolution-jwt-key', begin + ms)
  expect([0, 600_000, 659_000, 661_000].map(holdsAt)).toEqual([true, true, true, false])
  expect(isEvolutionJwt(token, 'test-evolution-jwt-kez', begin)).toBe(false)
})
