import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { AppError } from '../../lib/errors.ts'
import type { HandledWebhook, WebhookRequest } from '../provider.ts'
import { withTwilio } from './twilio/fake-twilio.fixture.ts'
import {
  account,
  bot,
  config,
  messageForms,
  partsAt,
  signedBody,
  signedForm,
  statusForms,
  token,
  webhookUrl,
} from './twilio/webhooks.fixture.ts'
import { twilioProvider } from './twilio.ts'

const provider = twilioProvider(partsAt(null))

async function handle(request: WebhookRequest, given = bot): Promise<HandledWebhook> {
  return await provider.handleWebhook(request, given)
}

describe('webhooks', () => {
  test('every message is taken', async () => {
    for (const form of Object.values(messageForms)) {
      const handled = await handle(signedForm(form))
      expect(handled).toMatchObject({ kind: 'read', webhook: { statuses: [], ignored: [] } })
      expect(handled.kind === 'read' && handled.webhook.messages.length).toBe(1)
    }
  })

  test('a message happened when it came: Twilio does not say when it was written', async () => {
    const before = Date.now()
    const handled = await handle(signedForm(messageForms.text))
    const at = handled.kind === 'read' ? handled.webhook.messages[0]?.at.getTime() : undefined
    expect(at).toBeWithin(before, Date.now() + 1)
  })

  test('a status brings back what the send gave along in its address', async () => {
    const url = `${webhookUrl}?reference=0190-c%2F0190-m`
    for (const form of Object.values(statusForms))
      expect(await handle(signedForm(form, url))).toMatchObject({
        kind: 'read',
        webhook: { statuses: [{ reference: '0190-c/0190-m' }] },
      })
    // It is signed: another reference is refused.
    const request = signedForm(statusForms.read, url)
    expect(await handle({ ...request, url: url.replace('0190-m', '0190-x') })).toEqual({ kind: 'refused' })
    expect(await handle(signedForm(statusForms.read))).toMatchObject({ webhook: { statuses: [{ reference: null }] } })
  })

  test('who does not know the token is refused', async () => {
    const request = signedForm(messageForms.text)
    expect(await handle({ ...request, headers: new Headers() })).toEqual({ kind: 'refused' })
    expect(await handle(request, { ...bot, config: { ...config, auth_token: 'other' } })).toEqual({ kind: 'refused' })
    expect(await handle({ ...request, url: webhookUrl.replace('bot-1', 'bot-2') })).toEqual({ kind: 'refused' })
  })

  test('fields that Twilio has added since are signed too, up to a number that no form has', async () => {
    const more = (count: number) => signedForm(`${messageForms.text}${'&More=1'.repeat(count)}`)
    expect(await handle(more(900))).toMatchObject({ kind: 'read' })
    expect(await handle(more(1_000))).toEqual({ kind: 'refused' })
  })

  function signedJson(body: string): WebhookRequest {
    const url = `${webhookUrl}?bodySHA256=${createHash('sha256').update(body).digest('hex')}`
    const headers = new Headers({ 'x-twilio-signature': getExpectedTwilioSignature(token, url, {}) })
    return { headers, url, body: new TextEncoder().encode(body) }
  }

  test('what comes as JSON is kept, and refused where it is none', async () => {
    const event = { type: 'com.twilio.messaging.message.sent', data: {} }
    expect(await handle(signedJson(JSON.stringify(event)))).toMatchObject({
      webhook: { messages: [], statuses: [], ignored: [{ reason: 'unknown_event', raw: event }] },
    })
    await expect(handle(signedJson('{"type":'))).rejects.toThrow(AppError)
    expect(await handle({ ...signedJson('{}'), body: new TextEncoder().encode('{ }') })).toEqual({ kind: 'refused' })
  })

  test('the answer is XML without a message in it, since any other text goes to the customer', () => {
    expect(provider.webhookAnswer).toEqual({ contentType: 'text/xml', body: '<Response/>' })
  })
})

describe('whatever comes', () => {
  const bodies = [...Object.values(messageForms), ...Object.values(statusForms)].map(form => Buffer.from(form))
  const change = fc.record({
    body: fc.constantFrom(...bodies),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.integer({ min: 0, max: 255 }),
    length: fc.integer({ min: 1, max: 40 }),
    kind: fc.constantFrom('flip', 'cut', 'double', 'end'),
  })

  function changed({ body, at, byte, length, kind }: typeof change extends fc.Arbitrary<infer T> ? T : never) {
    const index = Math.floor(at * (body.length - 1))
    const [before, part, after] = [
      body.subarray(0, index),
      body.subarray(index, index + length),
      body.subarray(index + length),
    ]
    switch (kind) {
      case 'flip':
        return Buffer.concat([before, Buffer.from([byte]), body.subarray(index + 1)])
      case 'cut':
        return Buffer.concat([before, after])
      case 'double':
        return Buffer.concat([before, part, part, after])
      default:
        return Buffer.from(before)
    }
  }

  /** It is taken, or refused as a bad request; anything else would be answered as a fault of ours. */
  async function isAnswered(request: WebhookRequest): Promise<boolean> {
    try {
      const handled = await handle(request)
      return handled.kind === 'refused' || handled.kind === 'read'
    } catch (error) {
      return error instanceof AppError && error.status >= 400 && error.status < 500
    }
  }

  test('with the signature of what was changed, a body is read or kept, never a fault', async () => {
    await fc.assert(
      fc.asyncProperty(change, async change => {
        const request = signedBody(changed(change))
        expect(await isAnswered(request)).toBe(true)
        // What is signed is read, whatever it says: messages, statuses or what was left out.
        const handled = await handle(request)
        const parts = handled.kind === 'read' ? handled.webhook : undefined
        const count = (parts?.messages.length ?? 0) + (parts?.statuses.length ?? 0) + (parts?.ignored.length ?? 0)
        expect(count).toBeGreaterThan(0)
      }),
      { numRuns: 2_000 },
    )
  })

  test('with the signature of the original, a form of which one field says something else is refused', async () => {
    const forms = fc.constantFrom(...Object.values(messageForms), ...Object.values(statusForms))
    await fc.assert(
      fc.asyncProperty(forms, fc.nat(), fc.string(), async (form, index, value) => {
        const fields = [...new URLSearchParams(form)]
        const field = fields[index % fields.length]
        if (field === undefined || field[1] === value) return
        field[1] = value
        const body = new TextEncoder().encode(new URLSearchParams(fields).toString())
        expect(await handle({ ...signedForm(form), body })).toEqual({ kind: 'refused' })
      }),
      { numRuns: 1_000 },
    )
  })

  test('any bytes, and any address', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string(), async (body, query) => {
        expect(await isAnswered(signedBody(body))).toBe(true)
        expect(await isAnswered({ ...signedBody(body), url: `${webhookUrl}?${query}` })).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a message that was read', () => {
  const mark = { providerMessageId: 'SM1', from: { kind: 'phone', value: '+12025550143' }, isTyping: true } as const

  test('is marked by showing that an answer is being written', async () => {
    await withTwilio(
      () => Response.json({ success: true }),
      async (baseUrl, asked) => {
        const { markRead } = twilioProvider(partsAt(baseUrl))
        await markRead?.(mark, bot, AbortSignal.timeout(2_000))
        expect(asked).toEqual([
          {
            method: 'POST',
            path: '/v2/Indicators/Typing.json',
            authorization: `Basic ${btoa(`${account}:${token}`)}`,
            body: { messageId: 'SM1', channel: 'whatsapp' },
          },
        ])
        await markRead?.({ ...mark, isTyping: false }, bot, AbortSignal.timeout(2_000))
        expect(asked.length).toBe(1)
      },
    )
  })

  test('what fails is nobody’s loss', async () => {
    for (const answer of [() => new Response('x', { status: 500 }), () => new Promise<Response>(() => undefined)])
      await withTwilio(answer, async baseUrl =>
        expect(await twilioProvider(partsAt(baseUrl)).markRead?.(mark, bot, AbortSignal.timeout(50))).toBeUndefined(),
      )
    const gone = twilioProvider(partsAt('http://127.0.0.1:1'))
    expect(await gone.markRead?.(mark, bot, AbortSignal.timeout(2_000))).toBeUndefined()
  })
})
