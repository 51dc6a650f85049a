import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { getExpectedTwilioSignature, validateRequest, validateRequestWithBody } from 'twilio/lib/webhooks/webhooks.js'
import { isSigned } from './signature.ts'
import { messageForms, signedForm, token } from './webhooks.fixture.ts'

type Signed = { readonly url: string; readonly body: string; readonly signature: string }

function holds({ url, body, signature }: Signed, authToken = token): boolean {
  const headers = new Headers({ 'x-twilio-signature': signature })
  return isSigned({ headers, url, body: new TextEncoder().encode(body) }, new URLSearchParams(body), authToken)
}

const form = {
  url: 'https://hooks.example.test/twilio',
  body: new URLSearchParams({
    To: 'whatsapp:+12025550100',
    Body: 'Hello world',
    MessageSid: 'SM00000000000000000000000000000001',
    From: 'whatsapp:+12025550143',
  }).toString(),
  // Made with an independent implementation of HMAC-SHA1.
  signature: '8gkrSiG8H8QyCB8Pyfo1abjefok=',
}

const json = {
  url: 'https://hooks.example.test/twilio?bodySHA256=93a23971a914e5eacbf0a8d25154cda309c3c1c72fbb9914d47c60f3cb681588',
  body: '{"hello":"world"}',
  signature: 'A6bXKBYkZ4Bu/zGTvGfYkIeehJ4=',
}

describe('a form', () => {
  test('is signed with its address and its fields, in whatever order they come', () => {
    expect(holds(form)).toBe(true)
    const turned = new URLSearchParams([...new URLSearchParams(form.body)].reverse()).toString()
    expect(holds({ ...form, body: turned })).toBe(true)
  })

  test('does not hold with another field, address, token or signature, or none', () => {
    expect(holds({ ...form, body: `${form.body}&More=1` })).toBe(false)
    expect(holds({ ...form, body: form.body.replace('Hello', 'Hullo') })).toBe(false)
    expect(holds({ ...form, url: `${form.url}?x=1` })).toBe(false)
    expect(holds({ ...form, url: form.url.replace('https', 'http') })).toBe(false)
    expect(holds(form, '0123456789abcdef0123456789abcdee')).toBe(false)
    expect(holds({ ...form, signature: form.signature.toLowerCase() })).toBe(false)
    expect(holds({ ...form, signature: '' })).toBe(false)
  })

  test('never holds where the bot has no token', () => {
    const signature = getExpectedTwilioSignature('', form.url, Object.fromEntries(new URLSearchParams(form.body)))
    expect(holds({ ...form, signature }, '')).toBe(false)
  })
})

describe('a body that is no form', () => {
  test('is covered by its hash in the address', () => {
    expect(holds(json)).toBe(true)
  })

  test('does not hold where one byte is another, or the hash is', () => {
    expect(holds({ ...json, body: '{"hello":"World"}' })).toBe(false)
    expect(holds({ ...json, url: json.url.replace('93a2', '93a3') })).toBe(false)
    expect(holds({ ...json, url: json.url.replace('93a2', 'xx') })).toBe(false)
  })

  test('is not taken where the address has no hash, since the fields are signed then', () => {
    const url = 'https://hooks.example.test/twilio'
    expect(holds({ url, body: json.body, signature: getExpectedTwilioSignature(token, url, {}) })).toBe(false)
  })
})

describe('as in Twilio’s own library', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  const query = fc.stringMatching(/^[a-zA-Z0-9=&%'+/:;,.~_*() !-]{0,30}$/)
  const port = fc.constantFrom('', ':443', ':80', ':8443')
  const url = fc
    .tuple(fc.constantFrom('https', 'http'), part, port, part, fc.option(query))
    .map(([scheme, host, port, path, query]) => `${scheme}://${host}.test${port}/${path}${query ? `?${query}` : ''}`)
    .filter(url => !url.includes('bodySHA256'))
  const text = fc.string({ unit: 'binary', maxLength: 20 }).map(text => text.toWellFormed())
  const fields = fc.dictionary(
    fc.stringMatching(/^[A-Za-z0-9 _[\]-]{1,12}$/),
    fc.array(text, { minLength: 1, maxLength: 3 }),
  )

  function bodyOf(fields: Record<string, string[]>): string {
    return new URLSearchParams(Object.entries(fields).flatMap(([name, all]) => all.map(one => [name, one]))).toString()
  }

  test('what it signs holds, for any address and fields, and however often a field comes', () => {
    fc.assert(
      fc.property(url, fields, (url, fields) => {
        const signature = getExpectedTwilioSignature(token, url, fields)
        const given = { url, body: bodyOf(fields), signature }
        expect(holds(given)).toBe(validateRequest(token, signature, url, fields))
        expect(holds(given, `${token}0`)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('an address that was signed in another spelling (port, escapes) holds here where it holds there', () => {
    const both = fc.tuple(url, fc.constantFrom(':443', ':80', ':8443', ''), fc.boolean())
    let held = 0
    fc.assert(
      fc.property(both, fields, ([url, port, isEscaped], fields) => {
        const spelt = url.replace(/^(https?:\/\/[^/:]+)(:\d+)?/, `$1${port}`)
        const signature = getExpectedTwilioSignature(token, isEscaped ? new URL(spelt).href : spelt, fields)
        const isValid = validateRequest(token, signature, url, fields)
        if (isValid) held++
        expect(holds({ url, body: bodyOf(fields), signature })).toBe(isValid)
      }),
      { numRuns: 500 },
    )
    expect(held).toBeGreaterThan(50)
  })

  test('bodies that are no forms', () => {
    fc.assert(
      fc.property(url, text, fc.boolean(), (url, body, isRight) => {
        const hash = createHash('sha256')
          .update(isRight ? body : `${body}.`)
          .digest('hex')
        const hashed = `${url}${url.includes('?') ? '&' : '?'}bodySHA256=${hash}`
        const signature = getExpectedTwilioSignature(token, hashed, {})
        expect(holds({ url: hashed, body, signature })).toBe(validateRequestWithBody(token, signature, hashed, body))
      }),
      { numRuns: 200 },
    )
  })
})

test('every kind of webhook holds, and none does with a field more', () => {
  for (const body of Object.values(messageForms)) {
    const signature = signedForm(body).headers.get('x-twilio-signature') ?? ''
    const { url } = signedForm(body)
    expect(holds({ url, body, signature })).toBe(true)
    expect(holds({ url, body: `${body}&Extra=`, signature })).toBe(false)
  }
})
