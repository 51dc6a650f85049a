import { expect, test } from 'bun:test'
import { makeWebhookSecret, signWebhook } from './webhook-signature.ts'

test('a body is signed as the reference implementation of Standard Webhooks signs it', () => {
  // The vector of its test suites.
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', atMs: 1_614_265_330_999 }
  expect(signWebhook('{"test": 2432232314}', { ...signed, secrets: [secret] })).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('while a secret is changed there is a signature by each', () => {
  const [first, second] = [makeWebhookSecret(), makeWebhookSecret()]
  const sign = (...secrets: string[]) => signWebhook('{}', { id: 'a', atMs: 0, secrets })['webhook-signature']
  expect(sign(first, second)).toBe(`${sign(first)} ${sign(second)}`)
  expect(sign(first)).not.toBe(sign(second))
})

test('a secret is as long as the specification wants it', () => {
  const secret = makeWebhookSecret()
  expect(secret).toStartWith('whsec_')
  expect(Buffer.from(secret.slice(6), 'base64').length).toBe(32)
})
