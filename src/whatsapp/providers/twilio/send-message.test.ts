import { describe, expect, test } from 'bun:test'
import type { OutboundContent } from '../../../flow/content.ts'
import { type Answer, made, messagesPath, pathsOf, refusal, type SendOptions, sendTo } from './fake-twilio.fixture.ts'
import { makeSendMessage } from './send-message.ts'
import { account, bot, config, partsAt, service, token } from './webhooks.fixture.ts'

const sid = 'SM00000000000000000000000000000001'
const basic = `Basic ${btoa(`${account}:${token}`)}`

async function send(content: OutboundContent, answer: Answer = () => made(sid), options: SendOptions = {}) {
  return await sendTo(answer, content, options)
}

async function fieldsOf(content: OutboundContent, options: SendOptions = {}): Promise<unknown> {
  const { asked } = await send(content, undefined, options)
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([`POST ${messagesPath}`])
  return asked[0]?.body
}

const text = { type: 'text', text: 'Tu café está listo ✅\n¡Gracias! {{x}}' } as const

describe('what Twilio gets', () => {
  test('a text, whom it is for, and where the statuses go', async () => {
    const { result, asked } = await send(text)
    expect(result).toEqual({ kind: 'sent', providerMessageId: sid })
    expect(asked).toEqual([
      {
        method: 'POST',
        path: messagesPath,
        authorization: basic,
        body: {
          To: 'whatsapp:+12025550143',
          From: 'whatsapp:+12025550100',
          StatusCallback: `https://hooks.example.test/webhooks/twilio/${bot.id}?reference=conversation%2Fmessage`,
          Body: text.text,
        },
      },
    ])
  })

  test('a number that is written with its channel, and a messaging service', async () => {
    const from = async (from: string) => await fieldsOf(text, { bot: { ...bot, config: { ...config, from } } })
    expect(await from('whatsapp:+12025550100')).toMatchObject({ From: 'whatsapp:+12025550100' })
    const fields = await from(service)
    expect(fields).toMatchObject({ MessagingServiceSid: service })
    expect(fields).not.toHaveProperty('From')
  })

  test('a file by its address, or by the link of one that is kept here', async () => {
    const url = 'https://cdn.example.test/box.jpg'
    expect(await fieldsOf({ type: 'image', url, caption: 'The box' })).toMatchObject({ MediaUrl: url, Body: 'The box' })
    const audio = await fieldsOf({ type: 'audio', url })
    expect(audio).toMatchObject({ MediaUrl: url })
    expect(audio).not.toHaveProperty('Body')
    const link = 'https://hooks.example.test/media/1'
    const file = { mimeType: 'image/webp', filename: null, bytes: 3, blob: new Blob(['abc']), link, key: 'k' }
    expect(await fieldsOf({ type: 'sticker', media_id: 'ours' }, { file })).toMatchObject({ MediaUrl: link })
  })

  test('a place', async () => {
    const place = { type: 'location', latitude: 51.4779, longitude: -0.0015 } as const
    expect(await fieldsOf({ ...place, name: 'Observatory', address: '1 Example Road' })).toMatchObject({
      Body: 'Observatory',
      PersistentAction: 'geo:51.4779,-0.0015|1 Example Road',
    })
    expect(await fieldsOf({ ...place, address: '1 Example Road' })).toMatchObject({
      Body: '1 Example Road',
      PersistentAction: 'geo:51.4779,-0.0015',
    })
    expect(await fieldsOf({ type: 'location', latitude: 0.0000001, longitude: 100 })).toMatchObject({
      Body: '0.0000001,100',
      PersistentAction: 'geo:0.0000001,100',
    })
    expect(await fieldsOf({ type: 'location', latitude: 0, longitude: -180 })).toMatchObject({
      PersistentAction: 'geo:0,-180',
    })
  })

  test('a template by its Content SID, its parameters numbered from 1', async () => {
    const name = 'HX00000000000000000000000000000009'
    const fields = await fieldsOf({ type: 'template', name, language: 'es', parameters: ['Ada', '1042'] })
    expect(fields).toMatchObject({ ContentSid: name, ContentVariables: '{"1":"Ada","2":"1042"}' })
    expect(fields).not.toHaveProperty('Body')
    const bare = await fieldsOf({ type: 'template', name, language: 'es', parameters: [] })
    expect(bare).not.toHaveProperty('ContentVariables')
  })

  test('what it has no way to send fails, and nothing is asked', async () => {
    const impossible: readonly (readonly [OutboundContent, string])[] = [
      [{ type: 'template', name: 'order_update', language: 'es', parameters: [] }, 'not_a_content_sid'],
      [{ type: 'image', media_id: 'somebody-elses' }, 'no_file'],
      [{ type: 'reaction', message_id: 'SM1', emoji: '👍' }, 'unsupported'],
      [{ type: 'contacts', contacts: [{ name: 'Grace', phones: [] }] }, 'unsupported'],
    ]
    for (const [content, code] of impossible) {
      const { result, asked } = await send(content)
      expect([result, asked]).toMatchObject([{ kind: 'failed', error: { code } }, []])
    }
  })
})

describe('what a send comes to', () => {
  test('Twilio’s code decides', async () => {
    for (const [status, code, expected] of [
      [400, 21211, { kind: 'failed' }],
      [400, 63016, { kind: 'failed' }],
      [401, 20003, { kind: 'account' }],
      [400, 63007, { kind: 'account' }],
      [400, 21609, { kind: 'account' }],
      [429, 20429, { kind: 'retry', pace: 'soon' }],
      [400, 63018, { kind: 'retry', pace: 'later' }],
    ] as const)
      expect((await send(text, () => refusal(status, code))).result).toMatchObject({
        ...expected,
        error: { code: String(code), message: expect.stringContaining("(Twilio's words)") },
      })
  })

  test('a template that a person named is not made again', async () => {
    const name = 'HX00000000000000000000000000000009'
    const { result, asked } = await send({ type: 'template', name, language: 'es', parameters: [] }, () =>
      refusal(400, 21655),
    )
    expect([result.kind, pathsOf(asked)]).toEqual(['failed', [messagesPath]])
  })

  test('no answer in time, and answers that cannot be read, are unknown: the message may have been taken', async () => {
    const late = await send(text, () => new Promise(() => undefined), { timeoutMs: 50 })
    expect(late.result).toMatchObject({ kind: 'unknown', error: { code: 'timeout' } })
    for (const answer of [
      () => new Response('<html>'),
      () => Response.json({ status: 'queued' }, { status: 201 }),
      () => new Response('Bad Gateway', { status: 502 }),
    ])
      expect((await send(text, answer)).result.kind).toBe('unknown')
  })

  test('a server that is not there, or that never takes the connection, took nothing: tried again', async () => {
    // It takes the connection, and says nothing.
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } })
    try {
      const message = {
        to: { kind: 'phone', value: '+12025550143' },
        content: text,
        file: null,
        reference: 'r',
      } as const
      for (const base of ['http://127.0.0.1:1', `https://127.0.0.1:${silent.port}`]) {
        const sent = makeSendMessage(partsAt(base))(message, bot, AbortSignal.timeout(300))
        expect(await sent).toMatchObject({ kind: 'retry', pace: 'soon', error: { code: expect.any(String) } })
      }
    } finally {
      silent.stop(true)
    }
  })
})
