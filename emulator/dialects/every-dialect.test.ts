import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmulator } from '../emulator.ts'
import { type Arrived, customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'

type Stage = Awaited<ReturnType<typeof setAnyStage>>

/** What differs between dialects when all do the same. */
type Ways = {
  readonly registration: (webhookUrl: string) => object
  readonly request: (stage: Stage, text: string) => { readonly path: string; readonly init: RequestInit }
  readonly accepted: number
  /** What a webhook tells: the text of a message, or a status. */
  readonly textOf: (webhook: Arrived) => string | undefined
  readonly statusOf: (webhook: Arrived) => string | undefined
  readonly statuses: readonly string[]
  readonly proof: string
}

const token = '0123456789abcdef0123456789abcdef'
const sid = 'AC00000000000000000000000000000001'

const json = (body: object, headers: Record<string, string>): RequestInit => ({
  ...{ method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } },
})
const cloudText = (text: string) => ({
  messaging_product: 'whatsapp',
  to: customer,
  type: 'text',
  text: { body: text },
})
const cloudValue = ({ json }: Arrived) => json.entry[0].changes[0].value

const dialects: Record<string, Ways> = {
  meta: {
    registration: webhook_url => ({ webhook_url, access_token: 't', app_secret: 'secret', verify_token: 'v' }),
    request: (_, text) => ({
      path: `/v25.0/${number}/messages`,
      init: json(cloudText(text), { authorization: 'Bearer t' }),
    }),
    accepted: 200,
    textOf: webhook => cloudValue(webhook).messages?.[0].text.body,
    statusOf: webhook => cloudValue(webhook).statuses?.[0].status,
    statuses: ['sent', 'delivered'],
    proof: 'x-hub-signature-256',
  },
  d360: {
    registration: webhook_url => ({ dialect: 'd360', webhook_url, api_key: 'k', webhook_secret: 'secret' }),
    request: (_, text) => ({ path: '/d360/messages', init: json(cloudText(text), { 'd360-api-key': 'k' }) }),
    accepted: 200,
    textOf: webhook => cloudValue(webhook).messages?.[0].text.body,
    statusOf: webhook => cloudValue(webhook).statuses?.[0].status,
    statuses: ['sent', 'delivered'],
    proof: 'x-360dialog-signature',
  },
  legacy: {
    registration: webhook_url => ({
      dialect: 'legacy',
      webhook_url,
      api_key: 'k',
      webhook_headers: { 'X-Secret': 'shared-secret' },
    }),
    request: (_, body) => ({
      path: '/d360/v1/messages',
      init: json({ to: customer, type: 'text', text: { body } }, { 'd360-api-key': 'k' }),
    }),
    accepted: 201,
    textOf: ({ json }) => json.messages?.[0].text.body,
    statusOf: ({ json }) => json.statuses?.[0].status,
    statuses: ['sent', 'delivered'],
    proof: 'x-secret',
  },
  twilio: {
    registration: webhookUrl => ({
      dialect: 'twilio',
      webhook_url: `${webhookUrl}#rc=5&rp=all`,
      account_sid: sid,
      auth_token: token,
    }),
    request: (stage, Body) => ({
      path: `/twilio/2010-04-01/Accounts/${sid}/Messages.json`,
      init: {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${sid}:${token}`)}` },
        body: new URLSearchParams({
          From: 'whatsapp:+12025550100',
          To: `whatsapp:+${customer}`,
          Body,
          StatusCallback: stage.webhookUrl,
        }),
      },
    }),
    accepted: 201,
    textOf: ({ form }) => form.Body,
    statusOf: ({ form }) => form.MessageStatus,
    statuses: ['queued', 'sent', 'delivered'],
    proof: 'x-twilio-signature',
  },
  evolution: {
    registration: webhook_url => ({
      ...{ dialect: 'evolution', webhook_url, api_key: 'k', instance: 'i', webhook_headers: { jwt_key: 'secret' } },
    }),
    request: (_, text) => ({
      path: '/evolution/message/sendText/i',
      init: json({ number: customer, text }, { apikey: 'k' }),
    }),
    accepted: 201,
    textOf: ({ json }) => (json.event === 'messages.upsert' ? json.data.message.conversation : undefined),
    statusOf: ({ json }) => (json.event === 'messages.update' ? json.data.status : undefined),
    statuses: ['SERVER_ACK', 'DELIVERY_ACK'],
    proof: 'authorization',
  },
}

describe.each(Object.entries(dialects))('%s', (_, ways) => {
  async function setStage() {
    const stage = await setAnyStage(ways.registration)
    await stage.write(say('hola'))
    stage.arrived.length = 0
    async function send(text: string, patienceMs: number = 10_000): Promise<number | string> {
      const { path, init } = ways.request(stage, text)
      const answer = fetch(stage.emulator.url + path, { ...init, signal: AbortSignal.timeout(patienceMs) })
      return await answer.then(
        async response => {
          const body = await response.text()
          return body.startsWith('<html>') ? 'not JSON' : response.status
        },
        error => (error.name === 'TimeoutError' ? 'no answer' : 'broken off'),
      )
    }
    return {
      ...{ ...stage, send },
      faults: (...list: string[]) => stage.control('PUT', '/faults', list),
      texts: () => stage.arrived.flatMap(webhook => ways.textOf(webhook) ?? []),
      statuses: () => stage.arrived.flatMap(webhook => ways.statusOf(webhook) ?? []),
      sent: async () =>
        (await stage.chat()).filter(({ direction }) => direction === 'outbound').map(({ content }) => content.text),
    }
  }

  test('a send is accepted, lies on the phone, and its statuses are told in order', async () => {
    await using stage = await setStage()
    expect(await stage.send('x')).toBe(ways.accepted)
    expect(await stage.sent()).toEqual(['x'])
    await until(() => stage.statuses().length === ways.statuses.length)
    expect(stage.statuses()).toEqual([...ways.statuses])
  })

  test('answers that never come, break off or cannot be read, with the message taken and without', async () => {
    await using stage = await setStage()
    await stage.faults('hang', 'hang_lost', 'reset:1:accepted', 'reset:1:lost', 'malformed')
    const answers: (number | string)[] = []
    for (const text of ['hang', 'hang lost']) answers.push(await stage.send(text, 300))
    for (const text of ['reset', 'reset lost', 'malformed']) answers.push(await stage.send(text))
    expect(answers).toEqual(['no answer', 'no answer', 'broken off', 'broken off', 'not JSON'])
    expect(await stage.sent()).toEqual(['hang', 'reset', 'malformed'])
  })

  test('a slow answer', async () => {
    await using stage = await setStage()
    await stage.faults('slow:60')
    const began = performance.now()
    expect(await stage.send('x')).toBe(ways.accepted)
    expect(performance.now() - began).toBeGreaterThan(55)
  })

  test('what is refused leaves nothing behind', async () => {
    await using stage = await setStage()
    const refusals = ['429', '500', '503', 'unauthorized', 'rejected']
    await stage.faults(...refusals)
    for (const _ of refusals) expect(await stage.send('x')).toBeGreaterThanOrEqual(400)
    expect(await stage.sent()).toEqual([])
    expect((await stage.control('GET', `/requests?number=${number}`)).body.data.length).toBe(refusals.length)
  })

  test('a message that is taken and never arrives', async () => {
    await using stage = await setStage()
    await stage.faults('undeliverable')
    expect(await stage.send('x')).toBe(ways.accepted)
    await until(() => stage.statuses().some(status => /failed|undelivered|ERROR/.test(status)))
    expect((await stage.chat()).at(-1).status).toBe('failed')
  })

  test('webhooks come twice, late, and out of order', async () => {
    await using stage = await setStage()
    await stage.faults('duplicate:3:1')
    await stage.write(say('twice'))
    await stage.faults('delay:60:1')
    const began = performance.now()
    await stage.write(say('late'))
    expect(performance.now() - began).toBeGreaterThan(55)
    await stage.faults('reorder:1')
    const first = stage.write(say('one'))
    await Bun.sleep(30)
    await Promise.all([first, stage.write(say('two'))])
    expect(stage.texts()).toEqual(['twice', 'twice', 'twice', 'late', 'two', 'one'])
  })

  test('a proof that is wrong once, and right when it is tried again', async () => {
    await using stage = await setStage()
    await stage.faults('corrupt_signature:1')
    const proofs = new Set<string>()
    stage.bot.answer = ({ headers }) => {
      proofs.add(headers[ways.proof] ?? '')
      return { status: proofs.size === 1 ? 500 : 200 }
    }
    expect((await stage.write(say('x'))).body.delivered).toBe(true)
    expect(stage.arrived.length).toBe(2)
    expect(proofs.size).toBe(2)
  })

  test('statuses that are lost', async () => {
    await using stage = await setStage()
    await stage.faults('drop_statuses')
    await stage.send('x')
    await stage.write(say('after'))
    expect([stage.statuses(), stage.texts()]).toEqual([[], ['after']])
  })

  test('a webhook that fails is tried again, with the same bytes', async () => {
    await using stage = await setStage()
    let failures = 1
    stage.bot.answer = () => ({ status: failures-- > 0 ? 503 : 200 })
    expect((await stage.write(say('again'))).body.delivered).toBe(true)
    expect(stage.texts()).toEqual(['again', 'again'])
    expect(new Set(stage.arrived.map(({ raw }) => raw)).size).toBe(1)
  })

  test('a body of any kind can be sent as the provider would', async () => {
    await using stage = await setStage()
    const { body } = await stage.control('POST', `/numbers/${number}/webhooks`, {
      body: { anything: 'at all' },
      copies: 2,
    })
    expect(body).toEqual({ delivered: 2 })
    expect(stage.arrived.map(({ json, form }) => json?.anything ?? form.anything)).toEqual(['at all', 'at all'])
    expect(stage.arrived.every(({ headers }) => (headers[ways.proof] ?? '').length > 0)).toBe(true)
  })

  test('a public address may lead elsewhere', async () => {
    await using stage = await setStage()
    const given = {
      display_phone_number: '12025550100',
      ...ways.registration('https://public.example.test/hook/'),
      deliver_to: stage.webhookUrl,
    }
    await stage.control('PUT', `/numbers/${number}?verify=false`, given)
    await stage.write(say('here'))
    expect(stage.arrived.map(({ url }) => new URL(url).pathname)).toEqual(['/hook/'])
  })

  test('numbers and chats survive a restart, and statuses of before can still be told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'emulator-test-'))
    const stateFile = join(folder, 'state.jsonl')
    await using stage = await setAnyStage(ways.registration, { stateFile })
    await stage.write(say('hola'))
    const { path, init } = ways.request(stage, 'x')
    expect((await fetch(stage.emulator.url + path, init)).status).toBe(ways.accepted)
    await until(() => stage.arrived.flatMap(webhook => ways.statusOf(webhook) ?? []).length === ways.statuses.length)
    const shown = (url: string) =>
      Promise.all(['/numbers', '/chats'].map(async each => await (await fetch(`${url}/emulator${each}`)).json()))
    const before = await shown(stage.emulator.url)
    await stage.emulator.stop()
    const again = await startEmulator({ port: 0, stateFile })
    expect(await shown(again.url)).toEqual(before)
    await fetch(`${again.url}/emulator/chats/${number}/${customer}/read`, { method: 'POST' })
    await until(() => stage.arrived.some(webhook => ways.statusOf(webhook)?.toLowerCase() === 'read'))
    await again.stop()
    rmSync(folder, { recursive: true })
  })

  test('no secret is shown', async () => {
    await using stage = await setStage()
    const shown = JSON.stringify((await stage.control('GET', '/numbers')).body)
    for (const secret of ['secret', token, '"k"', '"t"']) expect(shown).not.toContain(secret)
  })
})

describe('what the business writes on its own phone', () => {
  const write = (stage: Stage, content: object = say('I will look into it')) =>
    stage.control('POST', `/chats/${number}/${customer}/phone?wait=delivered`, content)

  for (const [name, ways] of Object.entries(dialects))
    test(`${name} tells of it, or says that the provider does not`, async () => {
      await using stage = await setAnyStage(ways.registration)
      await stage.write(say('hola'))
      stage.arrived.length = 0
      const answer = await write(stage)
      if (name === 'legacy' || name === 'twilio') {
        expect([answer.status, stage.arrived.length]).toEqual([422, 0])
        return
      }
      expect([answer.status, answer.body.delivered]).toEqual([200, true])
      const [first] = stage.arrived
      const { id } = answer.body
      if (name === 'evolution')
        expect(first?.json).toMatchObject({
          event: 'messages.upsert',
          data: { key: { fromMe: true, id }, pushName: 'Test Shop', message: { conversation: 'I will look into it' } },
        })
      else
        expect(first?.json.entry[0].changes[0]).toMatchObject({
          field: 'smb_message_echoes',
          value: { message_echoes: [{ to: customer, id, type: 'text', text: { body: 'I will look into it' } }] },
        })
      expect((await stage.chat()).at(-1)).toMatchObject({ id, direction: 'outbound' })
      // Its statuses are told as of any other message.
      await until(() => stage.arrived.some(webhook => /deliver/i.test(ways.statusOf(webhook) ?? '')))
    })

  test('contents that nobody writes are refused', async () => {
    await using stage = await setAnyStage(dialects.meta?.registration ?? (() => ({})))
    expect((await write(stage, { type: 'buttons', text: 'x', buttons: [] })).status).toBe(422)
  })
})
