import { expect, test } from 'bun:test'
import { equalBytes, equalTexts, hmacSha256, makeSealer, randomToken } from './crypto.ts'

const key = 'an encryption key of 32 bytes!!!'

test('a sealed text opens under the same key and context only', () => {
  const sealed = makeSealer(key).seal('hunter2', 'bot-1')
  expect(makeSealer(key).open(sealed, 'bot-1')).toBe('hunter2')
  expect(() => makeSealer(key).open(sealed, 'bot-2')).toThrow()
  expect(() => makeSealer(`${key}x`).open(sealed, 'bot-1')).toThrow()
})

test('a sealed text of which one bit was changed does not open', () => {
  const sealer = makeSealer(key)
  const sealed = sealer.seal('hunter2', 'bot-1')
  for (let index = 0; index < sealed.length; index++) {
    const changed = Uint8Array.from(sealed)
    changed[index] = (changed[index] ?? 0) ^ 1
    expect(() => sealer.open(changed, 'bot-1')).toThrow()
  }
})

test('the same text is never sealed the same twice, and does not show', () => {
  const sealer = makeSealer(key)
  const [a, b] = [sealer.seal('hunter2', 'c'), sealer.seal('hunter2', 'c')]
  expect(Buffer.from(a).equals(Buffer.from(b))).toBe(false)
  expect(Buffer.from(a).includes('hunter2')).toBe(false)
})

test('the key id tells keys apart and is not the key', () => {
  expect(makeSealer(key).keyId).toBe(makeSealer(key).keyId)
  expect(makeSealer(key).keyId).not.toBe(makeSealer(`${key}x`).keyId)
  expect(makeSealer(key).keyId).toMatch(/^[0-9a-f]{16}$/)
})

test('HMAC-SHA256 is that of RFC 4231, case 2', () => {
  expect(Buffer.from(hmacSha256('Jefe', 'what do ya want for nothing?')).toString('hex')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  )
})

test('comparing says equal for equal bytes and texts only', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false)
  expect(equalTexts('token', 'token')).toBe(true)
  expect(equalTexts('token', 'token2')).toBe(false)
})

test('tokens are long, safe in a URL, and new each time', () => {
  expect(randomToken(32)).toMatch(/^[\w-]{43}$/)
  expect(randomToken(32)).not.toBe(randomToken(32))
})
