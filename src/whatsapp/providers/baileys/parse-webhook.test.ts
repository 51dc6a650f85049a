import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AppError } from '../../../lib/errors.ts'
import { baileysProvider } from '../baileys.ts'
import { botWith, partsWith, webhookOf } from '../provider.fixture.ts'
import { parseBaileysWebhook } from './parse-webhook.ts'
import { connectionWith, keyWith, kinds, messagesWith, statusesWith } from './webhooks.fixture.ts'

const now = new Date('2026-02-01T00:00:00Z')
const at = new Date('2026-01-01T00:00:00Z')
const read = (body: unknown) => parseBaileysWebhook(body, now)

describe('messages', () => {
  for (const [kind, { message, content }] of Object.entries(kinds))
    test(`of the kind ${kind}`, () => {
      const { messages, ignored } = read(messagesWith(message))
      expect(ignored).toEqual([])
      expect(messages[0]).toMatchObject({
        providerMessageId: '3EB0A0000000000000001',
        sender: {
          identities: [
            { kind: 'phone', value: '+12025550143' },
            { kind: 'lid', value: '200000000000143' },
          ],
          name: 'Ada Test',
        },
        content,
        at,
      })
    })

  test('a file says where it is, what opens it, and of which message it is', () => {
    const [message] = read(messagesWith(kinds.image?.message)).messages
    expect(message?.media).toEqual({
      kind: 'source',
      source: {
        kind: 'image',
        media_key: Buffer.alloc(32, 'k').toString('base64'),
        direct_path: '/v/t62.7118-24/1_n.enc?ccb=1',
        file_sha256: Buffer.alloc(32, 'a').toString('base64'),
        file_enc_sha256: Buffer.alloc(32, 'e').toString('base64'),
        bytes: 48_213,
        mime_type: 'image/jpeg',
        message_id: '3EB0A0000000000000001',
        remote_jid: '12025550143@s.whatsapp.net',
      },
    })
    const withoutPath = { imageMessage: { url: 'https://mmg.whatsapp.net/v/2_n.enc?a=1', mediaKey: 'AAAA' } }
    expect(read(messagesWith(withoutPath)).messages[0]?.media).toMatchObject({
      source: { direct_path: '/v/2_n.enc?a=1' },
    })
  })

  test('a customer who hides the number has the linked identity', () => {
    const body = messagesWith({ conversation: 'x' }, keyWith({ remoteJid: '200000000000143@lid', remoteJidAlt: '' }))
    expect(read(body).messages[0]?.sender.identities).toEqual([{ kind: 'lid', value: '200000000000143' }])
  })

  test('one that could not be decrypted is told, and says so', () => {
    const [message] = read(messagesWith(undefined, { messageStubType: 2 })).messages
    expect(message?.content).toMatchObject({ type: 'unsupported', reason: expect.stringContaining('decrypted') })
  })

  test('what was written on the phone is told with whom it was written to', () => {
    const { messages, phoneMessages } = read(messagesWith({ conversation: 'x' }, keyWith({ fromMe: true })))
    expect(messages).toEqual([])
    expect(phoneMessages).toMatchObject([
      { content: { type: 'text', text: 'x' }, to: [{ kind: 'phone' }, { kind: 'lid' }], mayBeOurs: false },
    ])
  })

  test('those that nobody could read, those of groups, channels and the protocol are left out, each with its reason', () => {
    const text = { conversation: 'x' }
    for (const [body, reason] of [
      [messagesWith(undefined, { ...keyWith({ fromMe: true }), messageStubType: 2 }), 'other_event'],
      [messagesWith(text, keyWith({ remoteJid: '120363000000000001@g.us' })), 'group_message'],
      [messagesWith(text, keyWith({ remoteJid: 'status@broadcast' })), 'other_event'],
      [messagesWith({ protocolMessage: { type: 'REVOKE' } }), 'other_event'],
      [messagesWith(text, keyWith({ remoteJid: 'nobody' })), 'malformed'],
      [messagesWith(text, { messageTimestamp: 'soon' }), 'malformed'],
      [messagesWith(text, keyWith({ id: '' })), 'malformed'],
      [{ event: 'messages', data: { messages: ['x'] } }, 'malformed'],
      [{ event: 'messages', data: [] }, 'malformed'],
      [{ event: 'presence', data: {} }, 'unknown_event'],
      [{}, 'malformed'],
      [null, 'malformed'],
      [[], 'malformed'],
    ] as const) {
      const { messages, ignored } = read(body)
      expect([messages.length, ignored.map(part => part.reason)]).toEqual([0, [reason]])
    }
  })

  test('one that cannot be read does not take the others along', () => {
    const one = messagesWith({ conversation: 'good' }).data.messages[0]
    const { messages, ignored } = read({ event: 'messages', data: { messages: [{ key: {} }, one, null] } })
    expect([messages.length, ignored.length]).toEqual([1, 2])
  })
})

describe('statuses', () => {
  test('come with our reference, in every form', () => {
    for (const [status, read_] of [
      [2, 'sent'],
      [3, 'delivered'],
      [4, 'read'],
      [5, 'read'],
      ['READ', 'read'],
    ] as const) {
      const expected = { providerMessageId: '3EB0C0000000000000001', status: read_, error: null, at }
      expect(read(statusesWith({ status })).statuses).toEqual([{ ...expected, reference: 'conversation/message' }])
    }
  })

  test('a refusal has its code and a sentence', () => {
    const codes = [
      '463',
      '479',
      '487',
      '488',
      '489',
      '490',
      '491',
      '493',
      '495',
      '496',
      '499',
      '500',
      '550',
      '551',
      '552',
    ]
    const sentences = codes.map(code => {
      const [status] = read(statusesWith({ status: 0, messageStubParameters: [code, 'more'] })).statuses
      expect(status).toMatchObject({ status: 'failed', error: { code } })
      return status?.error?.message ?? ''
    })
    expect(new Set(sentences).size).toBe(codes.length)
    for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*\.$/)
    const unknown = read(statusesWith({ status: 0, messageStubParameters: ['777'] })).statuses[0]
    expect(unknown?.error).toEqual({ code: '777', message: 'WhatsApp refused the message (code 777).' })
    expect(read(statusesWith({ status: 0 })).statuses[0]?.error?.code).toBe('ERROR')
  })

  test("those of customers' messages, and what is none, are left out", () => {
    const customers = statusesWith({ status: 4 }, { key: { id: 'x', fromMe: false } })
    for (const [body, reason] of [
      [customers, 'other_event'],
      [statusesWith({ status: 1 }), 'other_event'],
      [statusesWith({ status: 'odd' }), 'other_event'],
      [{ event: 'statuses', data: [{}] }, 'malformed'],
      [{ event: 'statuses', data: {} }, 'malformed'],
    ] as const)
      expect(read(body).ignored.map(part => part.reason)).toEqual([reason])
    const [status] = read(statusesWith({ status: 3, messageTimestamp: null }, { reference: null })).statuses
    expect(status).toMatchObject({ at: now, reference: null })
  })
})

test('how the session stands', () => {
  const expires_at = '2026-01-01T00:01:00.000Z'
  expect(read(connectionWith({ state: 'connected' })).connection).toEqual({ kind: 'connected', reason: null })
  expect(read(connectionWith({ state: 'pairing', qr: 'code', expires_at })).connection).toEqual({
    ...{ kind: 'pairing', qr: 'code', pairingCode: null },
    expiresAt: new Date(expires_at),
  })
  for (const kind of ['connecting', 'logged_out', 'refused'] as const)
    expect(read(connectionWith({ state: kind, reason: 'why' })).connection).toEqual({ kind, reason: 'why' })
  for (const wrong of [{ state: 'open' }, { state: 'pairing' }, {}])
    expect(read(connectionWith(wrong))).toMatchObject({ connection: null, ignored: [{ reason: 'malformed' }] })
})

describe('whatever comes', () => {
  const provider = baileysProvider({
    ...partsWith({}),
    bridge: { token: 'the-token', url: async () => null, problem: () => null },
  })
  const headers = { authorization: 'Bearer the-token' }

  test('only who shows the token is read', () => {
    const body = JSON.stringify(messagesWith({ conversation: 'x' }))
    for (const wrong of [{}, { authorization: 'Bearer other' }, { authorization: 'the-token' }, { authorization: '' }])
      expect(provider.handleWebhook(webhookOf(body, wrong as Record<string, string>), botWith({}))).toEqual({
        kind: 'refused',
      })
    expect(provider.handleWebhook(webhookOf(body, headers), botWith({}))).toMatchObject({ kind: 'read' })
    const without = baileysProvider(partsWith({}))
    const empty = { authorization: 'Bearer ' }
    expect(without.handleWebhook(webhookOf(body, empty), botWith({}))).toEqual({ kind: 'refused' })
  })

  test('bodies with a byte flipped, cut or doubled are read, or refused with an error of the catalogue', async () => {
    const bodies = [
      ...Object.values(kinds).map(kind => messagesWith(kind.message)),
      statusesWith({ status: 0, messageStubParameters: ['463'] }),
      connectionWith({ state: 'pairing', qr: 'x', expires_at: '2026-01-01T00:01:00.000Z' }),
    ].map(body => Buffer.from(JSON.stringify(body)))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bodies),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom('flip', 'cut', 'double'),
        async (body, position, byte, how) => {
          const index = position % body.length
          const bytes = Buffer.from(body)
          bytes[index] = byte
          const double = Buffer.concat([body.subarray(0, index), body.subarray(Math.floor(index / 2))])
          const sent = how === 'flip' ? bytes : how === 'cut' ? body.subarray(0, index) : double
          try {
            const handled = await provider.handleWebhook(webhookOf(sent, headers), botWith({}))
            expect(handled.kind).toBe('read')
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
            expect(error instanceof AppError && error.status >= 400 && error.status < 500).toBe(true)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
