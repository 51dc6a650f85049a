import { expect, test } from 'bun:test'
import { connect } from 'node:net'
import { customer, numberId, say, setStage, text, until } from './testing/stage.ts'

test('registering a number verifies its webhook as Meta does, and shows no secret', async () => {
  await using stage = await setStage()
  const put = (change: object, query = '') =>
    stage.control('PUT', `/numbers/${numberId}${query}`, { ...stage.registration, ...change })
  const shown = {
    ...{ id: numberId, display_phone_number: '12025550100', name: 'Test Shop' },
    ...{ webhook_url: stage.registration.webhook_url, waba_id: '100000000000001' },
  }
  expect((await put({})).body).toEqual({ ...shown, verified: true, reason: null })
  const refused = (await put({ verify_token: 'other' })).body
  expect(refused).toMatchObject({ verified: false, reason: "the webhook's address answered 403" })
  const unreachable = (await put({ webhook_url: 'http://127.0.0.1:1/' })).body
  expect(unreachable).toMatchObject({ verified: false, reason: expect.stringContaining('cannot be reached') })
  expect((await put({}, '?verify=false')).body).toEqual(shown)
  expect((await stage.control('GET', '/numbers')).body).toEqual({ data: [shown] })
  expect((await stage.control('GET', `/numbers/${numberId}`)).body).toEqual(shown)
  expect((await stage.control('GET', `/numbers/${numberId}/verify`)).body).toEqual({ verified: true, reason: null })
})

test('a number that is deleted is gone, with its chats and what waited for it', async () => {
  await using stage = await setStage()
  stage.bot.respond = () => 500
  await stage.control('POST', `/customers/${customer}/messages?number=${numberId}`, say('hola'))
  expect((await stage.control('DELETE', `/numbers/${numberId}`)).status).toBe(204)
  expect((await stage.control('GET', '/chats')).body).toEqual({ data: [] })
  expect((await stage.control('GET', '/webhooks')).body).toEqual({ total: 0, pending: 0, data: [] })
  expect((await stage.control('DELETE', `/numbers/${numberId}`)).status).toBe(404)
})

const wrong: [string, string, string, unknown, number, RegExp][] = [
  ['a body that is not JSON', 'PUT', '/numbers/1', '{', 400, /not JSON/],
  ['a number without a secret', 'PUT', '/numbers/1', { name: 'x' }, 422, /^\w+: /],
  ['a fault of no kind', 'PUT', '/faults', [{ kind: 'flood' }], 422, /kind/],
  ['a fault in words', 'PUT', '/faults', ['flood'], 422, /unknown fault "flood": takes 429/],
  ['an unknown number', 'GET', '/numbers/999', undefined, 404, /no number 999: register it/],
  ['a message to an unknown number', 'POST', '/customers/12025550143/messages?number=9', say('x'), 404, /no number 9/],
  ['a customer that is none', 'POST', '/customers/ada/messages', say('x'), 422, /neither a phone/],
  ['a content that is none', 'POST', '/customers/12025550143/messages', { type: 'poll' }, 422, /^type: /],
  ['a text without text', 'POST', '/customers/12025550143/messages', { type: 'text' }, 422, /^text: /],
  [
    'what only bots send',
    'POST',
    '/customers/12025550143/messages',
    { ...say('x'), type: 'buttons', buttons: [] },
    422,
    /do not send/,
  ],
  ['no messages', 'POST', '/customers/12025550143/messages', { messages: [] }, 422, /^messages: /],
  ['a user id that is none', 'PUT', '/customers/12025550143', { bsuid: '1' }, 422, /^bsuid: /],
  ['an unknown chat', 'POST', '/chats/100000000000010/1/read', {}, 404, /no customer 1/],
  ['rates that are none', 'PUT', '/rates', { throughput: 'off' }, 422, /^pair: /],
  ['an unknown route', 'GET', '/nothing', undefined, 404, /no GET \/emulator\/nothing/],
  ['a wait that is no number', 'GET', '/chats/100000000000010/1/messages?wait=long', undefined, 422, /whole number/],
]

test.each(wrong)('%s is refused in a sentence', async (_, method, path, body, status, error) => {
  await using stage = await setStage()
  const answer = await stage.control(method, path, body)
  expect(answer).toEqual({ status, body: { error: expect.stringMatching(error) } })
})

test('bounds are kept: numbers, faults, bodies and event streams', async () => {
  const limits = { numbersMax: 1, faultsMax: 2, bodyBytesMax: 2_000, eventStreamsMax: 1 }
  await using stage = await setStage({ limits })
  expect((await stage.control('PUT', '/numbers/2?verify=false', stage.registration)).status).toBe(409)
  await stage.control('PUT', '/faults', ['500', '503'])
  expect((await stage.control('POST', '/faults', ['429'])).status).toBe(422)
  expect(
    (await fetch(`${stage.emulator.url}/emulator/faults`, { method: 'PUT', body: 'x'.repeat(3_000) })).status,
  ).toBe(413)
  const events = await fetch(`${stage.emulator.url}/emulator/events`)
  expect((await stage.control('GET', '/events')).status).toBe(503)
  await events.body?.cancel()
})

test('a customer is what the first message or a change says, and keeps it', async () => {
  await using stage = await setStage()
  await stage.write({ ...say('hola'), profile_name: 'Ada', bsuid: 'US.42' })
  await stage.write(say('otra'))
  expect((await stage.control('GET', '/customers/US.42')).body).toEqual({
    ...{ id: customer, wa_id: customer, user_id: 'US.42', name: 'Ada', hide_phone: false, auto_read: false },
  })
  await stage.control('PUT', `/customers/${customer}`, { profile_name: 'Ada Test', hide_phone: true })
  await stage.write(say('tercera'))
  expect(stage.received.at(-1)?.body.entry[0].changes[0].value.contacts).toEqual([
    { profile: { name: 'Ada Test', username: 'ada.test' }, user_id: 'US.42' },
  ])
  expect((await stage.chat('US.42')).length).toBe(3)
})

test('several messages travel in one webhook', async () => {
  await using stage = await setStage()
  const answer = await stage.write({ messages: [say('a'), say('b'), { type: 'location', latitude: 1, longitude: 2 }] })
  expect(answer.body.data.length).toBe(3)
  expect(stage.received.length).toBe(1)
  expect(stage.messages().map(({ type }) => type)).toEqual(['text', 'text', 'location'])
})

test('a tap needs its id only: title, kind and the message it answers are found', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const reply = { type: 'reply', reply: { id: 'y', title: 'Yes' } }
  const buttons = { type: 'button', body: { text: '?' }, action: { buttons: [reply] } }
  const sent = await stage.send({ type: 'interactive', interactive: buttons })
  const rows = [{ id: 'a', title: 'A', description: 'first' }]
  await stage.send({
    ...{
      type: 'interactive',
      interactive: { type: 'list', body: { text: '?' }, action: { button: 'B', sections: [{ rows }] } },
    },
  })
  await stage.write({ type: 'choice', id: 'y' })
  await stage.write({ type: 'choice', id: 'a', title: 'A' })
  await stage.write({ type: 'choice', id: 'unknown' })
  const [, yes, first, unknown] = stage.messages()
  expect(yes).toMatchObject({
    context: { from: '12025550100', id: sent.body.messages[0].id },
    interactive: { button_reply: { id: 'y', title: 'Yes' } },
  })
  expect(first.interactive).toEqual({ type: 'list_reply', list_reply: { id: 'a', title: 'A', description: 'first' } })
  expect(unknown.interactive).toEqual({ type: 'button_reply', button_reply: { id: 'unknown', title: 'unknown' } })
  expect(unknown.context).toBeUndefined()
})

test('messages can be waited for, from a place on', async () => {
  await using stage = await setStage()
  const messages = `/chats/${numberId}/${customer}/messages`
  const waiting = stage.control('GET', `${messages}?wait=2000`)
  await Bun.sleep(20)
  const { body } = await stage.write(say('hola'))
  expect((await waiting).body.data.length).toBe(1)
  const next = stage.control('GET', `${messages}?after=${body.seq}&wait=2000`)
  await stage.send(text('x'))
  await stage.send(text('y'))
  expect((await next).body.data[0].content.text).toBe('x')
  expect((await stage.control('GET', `${messages}?after=${body.seq}&limit=1`)).body.data.length).toBe(1)
  expect((await stage.control('GET', `${messages}?after=999&wait=30`)).body.data).toEqual([])
})

test('the list of chats has the newest first, with what is unread', async () => {
  await using stage = await setStage()
  await stage.write(say('a'))
  await stage.write({ ...say('b'), profile_name: 'Ben' }, '12025550199')
  await stage.send(text('x'))
  const { data } = (await stage.control('GET', `/chats?number=${numberId}`)).body
  expect(data).toMatchObject([
    { customer, unread: 1, messages: 2, last_message: { content: { text: 'x' } } },
    { customer: '12025550199', unread: 0, person: { name: 'Ben' } },
  ])
})

test('an open page hears of messages, statuses, typing and faults', async () => {
  await using stage = await setStage()
  const events = await fetch(`${stage.emulator.url}/emulator/events`)
  expect(events.headers.get('content-type')).toBe('text/event-stream')
  let heard = ''
  const listening = (async () => {
    for await (const chunk of events.body ?? []) heard += new TextDecoder().decode(chunk)
  })().catch(() => {})
  const { body } = await stage.write(say('hola'))
  await stage.send({ status: 'read', message_id: body.id, typing_indicator: { type: 'text' } })
  await stage.control('PUT', '/faults', [])
  await until(() => heard.includes('"kind":"faults"'))
  const kinds = [...heard.matchAll(/^data: \{"kind":"(\w+)"/gm)].map(([, kind]) => kind)
  // The message appears, then its webhook is answered, then the bot reads it.
  expect(kinds).toEqual(['customer', 'chat', 'message', 'message', 'message', 'typing', 'faults'])
  await stage.emulator.stop()
  await listening
})

test('clearing the state leaves nothing', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  await stage.control('PUT', '/faults', ['500'])
  expect((await stage.control('DELETE', '/state')).status).toBe(204)
  for (const path of ['/numbers', '/chats', '/faults', '/webhooks', '/requests']) {
    expect((await stage.control('GET', path)).body.data).toEqual([])
  }
})

test('the page is served with a policy that lets nothing else run', async () => {
  await using stage = await setStage()
  const page = await fetch(`${stage.emulator.url}/`)
  expect(page.headers.get('content-security-policy')).toMatch(
    /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256/,
  )
  expect(await page.text()).toContain('<title>Phone emulator</title>')
  expect((await stage.call('GET', '/health')).body).toEqual({ status: 'ok' })
})

test('other pages in the same browser are kept out', async () => {
  await using stage = await setStage()
  const ask = (headers: object) => stage.call('GET', '/emulator/numbers', undefined, headers)
  expect((await ask({ origin: stage.emulator.url })).status).toBe(200)
  expect((await ask({ origin: 'https://evil.example' })).status).toBe(403)
  expect(await statusUnderName(stage.emulator.port, 'evil.example')).toBe('403')
})

function statusUnderName(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET /emulator/numbers HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    )
    socket.once('data', bytes => {
      resolve(bytes.toString().split(' ')[1])
      socket.destroy()
    })
    socket.once('error', reject)
  })
}
