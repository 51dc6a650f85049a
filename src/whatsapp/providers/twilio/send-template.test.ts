import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../../../test/support/postgres.ts'
import { seedShop } from '../../../../test/support/seed.ts'
import type { OutboundContent } from '../../../flow/content.ts'
import { uuids } from '../../../lib/ids.ts'
import { makeMetrics } from '../../../lib/metrics.ts'
import { makeProviderMemo } from '../../../messaging/provider-memo.ts'
import { connect, type Database, openDatabase } from '../../../stores/postgres/database.ts'
import type { BotConfig } from '../../provider.ts'
import {
  type Answer,
  type Asked,
  made,
  messagesPath,
  pathsOf,
  refusal,
  type SendOptions,
  sendTo,
  withTwilio,
} from './fake-twilio.fixture.ts'
import { makeSendMessage } from './send-message.ts'
import { account, config, noMemo, partsAt, token } from './webhooks.fixture.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let bot: { readonly tenantId: string; readonly id: string; readonly config: BotConfig }

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 1)
  const shop = await seedShop(admin, { number: uuids.next() })
  bot = { tenantId: shop.tenantId, id: shop.botId, config }
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

const sid = 'SM00000000000000000000000000000001'
const basic = `Basic ${btoa(`${account}:${token}`)}`

async function send(content: OutboundContent, answer: Answer, options: SendOptions = {}) {
  return await sendTo(answer, content, { ...options, bot, memo: makeProviderMemo(database) })
}

const yesNo: Extract<OutboundContent, { type: 'buttons' }> = {
  type: 'buttons',
  text: 'Keep the order?',
  buttons: [
    { id: 'opt_yes', title: 'Yes' },
    { id: 'opt_no', title: 'No' },
  ],
}

function list(text: string): OutboundContent {
  return {
    type: 'list',
    text,
    button: 'Slots',
    sections: [
      {
        rows: [
          { id: 'am', title: 'Morning', description: '09-12' },
          { id: 'pm', title: 'Evening' },
        ],
      },
    ],
  }
}

/** Makes templates with this sid, and takes messages of it alone. */
function templates(contentSid: string, code = 21655) {
  return ({ path, body }: Asked) => {
    if (path === '/v1/Content') return made(contentSid)
    const isKnown = typeof body === 'object' && body !== null && 'ContentSid' in body && body.ContentSid === contentSid
    return isKnown ? made(sid) : refusal(code === 20404 ? 404 : 400, code)
  }
}

describe('buttons and lists', () => {
  const hx = 'HX00000000000000000000000000000001'

  test('are templates, made before the message is sent', async () => {
    const { result, asked } = await send({ ...yesNo, text: 'Made once?' }, templates(hx))
    expect(result).toEqual({ kind: 'sent', providerMessageId: sid })
    expect(asked).toMatchObject([
      {
        method: 'POST',
        path: '/v1/Content',
        authorization: basic,
        body: {
          friendly_name: expect.stringMatching(/^dashoffice_[0-9a-f]{16}$/),
          language: 'en',
          types: {
            'twilio/quick-reply': {
              body: 'Made once?',
              actions: [
                { type: 'QUICK_REPLY', id: 'opt_yes', title: 'Yes' },
                { type: 'QUICK_REPLY', id: 'opt_no', title: 'No' },
              ],
            },
            'twilio/text': { body: 'Made once?\n\n1. Yes\n2. No' },
          },
        },
      },
      { path: messagesPath, body: { To: 'whatsapp:+12025550143', ContentSid: hx } },
    ])
    expect(asked[1]?.body).not.toHaveProperty('Body')
    expect(asked[1]?.body).not.toHaveProperty('ContentVariables')
  })

  test('the same content is made once; another one for itself', async () => {
    const answer = templates(hx)
    const content = { ...yesNo, text: 'The same?' }
    expect(pathsOf((await send(content, answer)).asked)).toEqual(['/v1/Content', messagesPath])
    expect(pathsOf((await send(content, answer)).asked)).toEqual([messagesPath])
    expect(pathsOf((await send({ ...content, text: 'Another?' }, answer)).asked)).toEqual(['/v1/Content', messagesPath])
  })

  test('one that was deleted at Twilio is made once more, and that one is kept', async () => {
    for (const code of [21655, 92006, 20404]) {
      const content = { ...yesNo, text: `Deleted, and told by ${code}?` }
      await send(content, templates(hx))
      const answer = templates('HX00000000000000000000000000000002', code)
      const { result, asked } = await send(content, answer)
      expect(result.kind).toBe('sent')
      expect(pathsOf(asked)).toEqual([messagesPath, '/v1/Content', messagesPath])
      expect(pathsOf((await send(content, answer)).asked)).toEqual([messagesPath])
    }
  })

  test('one that Twilio does not find when it was just made is sent again in a moment, a few times', async () => {
    const { result, asked } = await send({ ...yesNo, text: 'Found?' }, ({ path }) =>
      path === '/v1/Content' ? made(hx) : refusal(400, 21655),
    )
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon', triesMax: 3, error: { code: '21655' } })
    expect(pathsOf(asked)).toEqual(['/v1/Content', messagesPath])
  })

  test('what cannot be kept is made again, and holds up nothing', async () => {
    const forgetful = { find: () => Promise.reject(new Error('gone')), save: () => Promise.reject(new Error('gone')) }
    for (const memo of [noMemo, forgetful])
      await withTwilio(templates(hx), async (baseUrl, asked) => {
        const sendMessage = makeSendMessage(partsAt(baseUrl, memo))
        const message = {
          to: { kind: 'phone', value: '+12025550143' },
          content: yesNo,
          file: null,
          reference: 'r',
        } as const
        expect((await sendMessage(message, bot, AbortSignal.timeout(2_000))).kind).toBe('sent')
        expect((await sendMessage(message, bot, AbortSignal.timeout(2_000))).kind).toBe('sent')
        expect(pathsOf(asked)).toEqual(['/v1/Content', messagesPath, '/v1/Content', messagesPath])
      })
  })

  test('a list, its rows in one row after the other', async () => {
    const { asked } = await send(list('Pick a slot'), templates(hx))
    expect(asked[0]?.body).toMatchObject({
      types: {
        'twilio/list-picker': {
          body: 'Pick a slot',
          button: 'Slots',
          items: [
            { id: 'am', item: 'Morning', description: '09-12' },
            { id: 'pm', item: 'Evening' },
          ],
        },
        'twilio/text': { body: 'Pick a slot\n\n1. Morning - 09-12\n2. Evening' },
      },
    })
  })

  test('of several sections, each row says which it is of', async () => {
    const rows = [
      { id: '1', title: 'Bread', description: 'x'.repeat(72) },
      { id: '2', title: 'Rolls' },
    ]
    const sections = [
      { title: 'Bakery', rows },
      { title: 'Drinks', rows: [{ id: '3', title: 'Coffee', description: 'Hot' }] },
    ]
    const { asked } = await send({ type: 'list', text: 'Menu', button: 'Open', sections }, templates(hx))
    expect(asked[0]?.body).toMatchObject({
      types: {
        'twilio/list-picker': {
          items: [
            { id: '1', description: `Bakery · ${'x'.repeat(62)}…` },
            { id: '2', description: 'Bakery' },
            { id: '3', description: 'Drinks · Hot' },
          ],
        },
      },
    })
  })

  test('the text that stands in for them has at most the length that Twilio takes', async () => {
    const rows = Array.from({ length: 10 }, (_, id) => ({ id: `${id}`, title: 'y', description: 'z'.repeat(72) }))
    const content: OutboundContent = { type: 'list', text: 'x'.repeat(1_024), button: 'Open', sections: [{ rows }] }
    const { asked } = await send(content, templates(hx))
    expect(asked[0]?.body).toMatchObject({
      types: { 'twilio/text': { body: expect.stringMatching(/^x{1024}\n\n1\. y - z{72}\n[\s\S]{494}$/) } },
    })
  })

  test('braces in a text are no variables of the template', async () => {
    const { asked } = await send({ ...yesNo, text: 'Write {{1}} or {{{x}}}' }, templates(hx))
    const sent = JSON.stringify(asked[0]?.body)
    expect(sent).not.toContain('{{1')
    expect(sent).not.toContain('{{x')
    expect(sent.replaceAll('\u2060', '')).toContain('Write {{1}} or {{{x}}}')
  })
})

describe('what goes wrong before the message is sent', () => {
  let count = 0
  /** Buttons that no template was made of yet. */
  const fresh = () => ({ ...yesNo, text: `Question ${count++}?` })

  test('is told as what the template came to, and never as unknown', async () => {
    for (const [status, code, kind] of [
      [401, 20003, 'account'],
      [429, 20429, 'retry'],
      [500, 20500, 'retry'],
      [400, 21656, 'failed'],
      [400, 99_999, 'failed'],
    ] as const) {
      const { result, asked } = await send(fresh(), () => refusal(status, code))
      expect([result, pathsOf(asked)]).toMatchObject([{ kind, error: { code: String(code) } }, ['/v1/Content']])
    }
  })

  test('no answer, an answer that cannot be read, and a connection that breaks are tried again', async () => {
    const late = await send(fresh(), () => new Promise(() => undefined), { timeoutMs: 100 })
    expect(late.result).toMatchObject({ kind: 'retry', pace: 'soon', error: { code: 'timeout' } })
    expect(late.result.kind === 'retry' && late.result.error.message).toContain('nothing was sent yet')
    for (const answer of [() => new Response('<html>'), () => new Response('Bad Gateway', { status: 502 })])
      expect((await send(fresh(), answer)).result).toMatchObject({ kind: 'retry', pace: 'soon' })
    const elsewhere = () => new Response(null, { status: 302, headers: { location: '/v1/Content' } })
    expect((await send(fresh(), elsewhere)).result).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('a server that is not there', async () => {
    const message = {
      to: { kind: 'phone', value: '+12025550143' },
      content: fresh(),
      file: null,
      reference: 'r',
    } as const
    const sent = makeSendMessage(partsAt('http://127.0.0.1:1'))(message, bot, AbortSignal.timeout(2_000))
    expect(await sent).toMatchObject({ kind: 'retry', pace: 'soon', error: { message: 'Twilio cannot be reached.' } })
  })

  test('once the template is there, a message without an answer is unknown', async () => {
    const { result } = await send(
      fresh(),
      ({ path }) => (path === '/v1/Content' ? made('HX1') : new Promise(() => undefined)),
      { timeoutMs: 300 },
    )
    expect(result).toMatchObject({ kind: 'unknown', error: { code: 'timeout' } })
  })
})
