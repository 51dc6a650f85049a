import { expect, test } from 'bun:test'
import fc from 'fast-check'
import twilio from 'twilio'
import { twilioSignature } from './twilio-sign.ts'

const token = '0123456789abcdef0123456789abcdef'

test('a form is signed with its fields, sorted by name', () => {
  const fields: [string, string][] = [
    ['MessageSid', 'SM00000000000000000000000000000001'],
    ['Body', 'Hello world'],
    ['To', 'whatsapp:+12025550100'],
    ['From', 'whatsapp:+12025550143'],
  ]
  expect(twilioSignature(token, 'https://hooks.example.test/twilio', fields)).toBe('8gkrSiG8H8QyCB8Pyfo1abjefok=')
})

test('what has no form is signed by its address alone, which holds the hash of the body', () => {
  const url = `https://hooks.example.test/twilio?bodySHA256=${new Bun.CryptoHasher('sha256').update('{"hello":"world"}').digest('hex')}`
  expect(twilioSignature(token, url, [])).toBe('A6bXKBYkZ4Bu/zGTvGfYkIeehJ4=')
})

test("Twilio's own library accepts the signature of any fields", () => {
  const url = 'https://hooks.example.test/webhooks/twilio/t1?channel=c1'
  const name = fc.string({ minLength: 1 }).filter(each => each !== '__proto__')
  const property = fc.property(fc.dictionary(name, fc.string({ unit: 'grapheme' })), fields => {
    const signature = twilioSignature(token, url, Object.entries(fields))
    expect(twilio.validateRequest(token, signature, url, fields)).toBe(true)
  })
  fc.assert(property, { numRuns: 300 })
})
