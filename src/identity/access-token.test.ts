import { expect, test } from 'bun:test'
import { hmacSha256, sha256Hex } from '../lib/crypto.ts'
import { accessTokenSeconds, signAccessToken, verifyAccessToken } from './access-token.ts'

const secret = 'a-secret-for-tests-of-32-bytes-or-more'
const now = Date.UTC(2026, 0, 1)
const identity = {
  userId: '01970000-0000-7000-8000-000000000001',
  tenantId: '01970000-0000-7000-8000-000000000002',
  loginId: '01970000-0000-7000-8000-000000000003',
} as const

const verified = { ...identity, endsMs: now + accessTokenSeconds * 1000 }

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
function sign(header: object, claims: object): string {
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${Buffer.from(hmacSha256(secret, signed)).toString('base64url')}`
}
const header = { alg: 'HS256', typ: 'JWT', kid: sha256Hex(`dashoffice:kid:${secret}`).slice(0, 8) }
const claims = {
  sub: identity.userId,
  tenant_id: identity.tenantId,
  sid: identity.loginId,
  iat: now / 1000,
  exp: now / 1000 + 60,
}

test('a token says who asks, until it runs out', () => {
  const token = signAccessToken(identity, secret, now)
  expect(verifyAccessToken(token, [secret], now)).toEqual(verified)
  expect(verifyAccessToken(token, [secret], now + accessTokenSeconds * 1000 - 1)).toEqual(verified)
  expect(verifyAccessToken(token, [secret], now + accessTokenSeconds * 1000)).toBeNull()
})

test('it is a JWT that others can read', () => {
  const [head = '', body = ''] = signAccessToken(identity, secret, now).split('.')
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual(header)
  expect(JSON.parse(Buffer.from(body, 'base64url').toString())).toEqual({ ...claims, exp: now / 1000 + 86_400 })
})

test('another secret, a changed byte, a missing part or one too many: nobody', () => {
  const token = signAccessToken(identity, secret, now)
  expect(verifyAccessToken(token, [`${secret}x`], now)).toBeNull()
  const [head = '', body = '', signature = ''] = token.split('.')
  const owner = encode({ ...claims, role: 'owner' })
  for (const forged of [
    `${head}.${owner}.${signature}`,
    `${head}.${body}.`,
    `${head}.${body}`,
    `${token}.`,
    `${body}`,
    '',
  ])
    expect(verifyAccessToken(forged, [secret], now)).toBeNull()
})

test('another algorithm is not taken, though the signature fits', () => {
  expect(verifyAccessToken(sign(header, claims), [secret], now)).toEqual({ ...verified, endsMs: now + 60_000 })
  for (const alg of ['none', 'HS512', 'RS256'])
    expect(verifyAccessToken(sign({ ...header, alg }, claims), [secret], now)).toBeNull()
})

test('claims that are not ours are not taken, though the signature fits', () => {
  const changes = [{ sub: 'x' }, { tenant_id: null }, { sid: undefined }, { exp: undefined }, { exp: 'later' }]
  for (const change of changes)
    expect(verifyAccessToken(sign(header, { ...claims, ...change }), [secret], now)).toBeNull()
})

test('a new secret takes over while tokens under the one before are still good', () => {
  const next = 'the-next-secret-for-tests-of-32-bytes-or-more'
  const token = signAccessToken(identity, secret, now)
  expect(verifyAccessToken(token, [next, secret], now)).toEqual(verified)
  expect(verifyAccessToken(token, [next, undefined], now)).toBeNull()
  expect(verifyAccessToken(signAccessToken(identity, next, now), [next, secret], now)).toEqual(verified)
})
