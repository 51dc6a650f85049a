import { expect, test } from 'bun:test'
import { customer, numberId, say, setStage, text, until } from './testing/stage.ts'

const code = (answer: { body: { error?: { code: number } } }) => answer.body.error?.code

test('an accepted message is answered as documented, lies in the chat, and its statuses come', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const answer = await stage.send({ ...text('Olá ✅'), biz_opaque_callback_data: 'msg_01' })
  expect(answer).toEqual({
    status: 200,
    body: {
      messaging_product: 'whatsapp',
      contacts: [{ input: customer, wa_id: customer }],
      messages: [{ id: expect.stringMatching(/^wamid\.[A-Za-z0-9+/=]+$/) }],
    },
  })
  await until(() => stage.statuses().length === 2)
  const { id } = answer.body.messages[0]
  const common = { id, recipient_id: customer, biz_opaque_callback_data: 'msg_01' }
  expect(stage.statuses()).toMatchObject([
    { ...common, status: 'sent' },
    { ...common, status: 'delivered' },
  ])
  expect((await stage.chat()).at(-1)).toMatchObject({ id, direction: 'outbound', status: 'delivered' })
  await stage.control('POST', `/chats/${numberId}/${customer}/read`, {})
  await until(() => stage.statuses().length === 3)
  expect(stage.statuses()[2]).toMatchObject({ ...common, status: 'read' })
})

test('who reads everything at once has it read at once', async () => {
  await using stage = await setStage()
  await stage.write({ ...say('hola'), auto_read: true })
  await stage.send(text('x'))
  await until(() => stage.statuses().length === 3)
  expect(stage.statuses().map(({ status }) => status)).toEqual(['sent', 'delivered', 'read'])
})

test.each([
  ['off', []],
  ['sent', ['sent']],
  ['read', ['sent', 'delivered', 'read']],
] as const)('statuses go as far as asked for: %s', async (autoStatus, told) => {
  await using stage = await setStage({ autoStatus })
  await stage.write(say('hola'))
  await stage.send(text('x'))
  await until(() => stage.statuses().length === told.length)
  await stage.write(say('otra'))
  expect(stage.statuses().map(({ status }) => status)).toEqual([...told])
})

test('a user id reaches its customer, and is answered in place of the phone', async () => {
  await using stage = await setStage()
  await stage.write({ ...say('hola'), bsuid: 'US.42', hide_phone: true })
  const answer = await stage.send({ ...text('x'), to: undefined, recipient: 'US.42' })
  expect(answer.body.contacts).toEqual([{ input: 'US.42', user_id: 'US.42' }])
  expect((await stage.chat()).map(({ direction }) => direction)).toEqual(['inbound', 'outbound'])
  expect(code(await stage.send({ ...text('x'), to: undefined, recipient: 'US.43' }))).toBe(131009)
})

test('tokens and numbers that are missing, wrong or unknown', async () => {
  await using stage = await setStage()
  const missing = await stage.send(text('x'), {})
  expect([missing.status, code(missing)]).toEqual([401, 190])
  const wrong = await stage.send(text('x'), { authorization: 'Bearer other' })
  expect([wrong.status, code(wrong), wrong.body.error.type]).toEqual([401, 190, 'OAuthException'])
  const unknown = await stage.call('POST', '/v25.0/999/messages', {}, stage.authorization)
  expect([unknown.status, code(unknown), unknown.body.error.error_subcode]).toEqual([400, 100, 33])
  const path = await stage.call('GET', '/v25.0/1/2/3')
  expect([path.status, code(path)]).toEqual([404, 2500])
})

test('a body that is not JSON, and a message to itself', async () => {
  await using stage = await setStage()
  const broken = await stage.call('POST', `/v25.0/${numberId}/messages`, '{"to":', stage.authorization)
  expect([broken.status, code(broken)]).toEqual([400, 100])
  expect(code(await stage.send({ ...text('x'), to: '+12025550100' }))).toBe(131021)
  expect((await stage.control('GET', '/requests')).body).toMatchObject({ total: 2, data: [{ body: '{"to":' }, {}] })
})

test('outside the 24-hour window free text is accepted and then fails; a template goes through', async () => {
  await using stage = await setStage()
  expect((await stage.send(text('x'))).status).toBe(200)
  await until(() => stage.statuses().length === 1)
  expect(stage.statuses()[0]).toMatchObject({ status: 'failed', errors: [{ code: 131047 }] })
  await stage.send({ type: 'template', template: { name: 'hello', language: { code: 'en' } } })
  await until(() => stage.statuses().length === 3)
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['failed', 'delivered'])
  await stage.write(say('hola'))
  await stage.send(text('y'))
  expect((await stage.chat()).at(-1)?.status).toBe('delivered')
  await stage.control('PUT', `/chats/${numberId}/${customer}/window`, { open: false })
  await stage.send(text('z'))
  expect((await stage.chat()).at(-1)?.status).toBe('failed')
})

test('a read mark reads everything up to its message; one for an unknown message is refused', async () => {
  await using stage = await setStage()
  for (const each of ['a', 'b', 'c']) await stage.write(say(each))
  const read = (message_id?: string) => stage.send({ status: 'read', message_id, typing_indicator: { type: 'text' } })
  expect((await read((await stage.chat())[1]?.id)).body).toEqual({ success: true })
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['read', 'read', 'delivered'])
  expect(code(await read('wamid.unknown'))).toBe(100)
})

test('rates: a number over its throughput, and a pair over its own', async () => {
  await using stage = await setStage({ rates: { throughput: { per_second: 3 }, pair: 'off' } })
  const codes = async (count: number) => {
    const found: unknown[] = []
    for (let at = 0; at < count; at++) found.push(code(await stage.send(text('x'))))
    return found
  }
  expect(await codes(4)).toEqual([undefined, undefined, undefined, 130429])
  await stage.control('PUT', '/rates', { throughput: 'off', pair: { burst: 2, interval_ms: 60_000 } })
  expect(await codes(3)).toEqual([undefined, undefined, 131056])
  expect((await stage.send({ ...text('x'), to: '12025550199' })).status).toBe(200)
})

test('429, 500 and 503: not accepted, used up in the order given, and only by valid sends', async () => {
  await using stage = await setStage({ faults: [{ kind: '429', code: 4, count: 1 }] })
  await stage.control('POST', '/faults', ['429:1:130429', '500', '503'])
  await stage.send({ type: 'text' })
  const answers: unknown[] = []
  for (let at = 0; at < 5; at++) {
    const answer = await stage.send(text('x'))
    answers.push([answer.status, code(answer) ?? null])
  }
  expect(answers).toEqual([
    [429, 4],
    [400, 130429],
    [500, 131000],
    [503, 2],
    [200, null],
  ])
  expect((await stage.chat()).length).toBe(1)
  expect((await stage.control('GET', '/faults')).body).toEqual({ data: [] })
})

test('a fault may be for one number only', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/faults', [`500@999`])
  expect((await stage.send(text('x'))).status).toBe(200)
  await stage.control('PUT', '/faults', [`500@${numberId}`])
  expect((await stage.send(text('x'))).status).toBe(500)
})

test('hang and reset: no answer, and the message arrives or is lost', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  await stage.control('PUT', '/faults', ['hang', 'hang_lost', 'reset:1:accepted', 'reset:1:lost'])
  const send = async (body: string) => {
    const answer = fetch(`${stage.emulator.url}/v25.0/${numberId}/messages`, {
      method: 'POST',
      headers: stage.authorization,
      body: JSON.stringify({ messaging_product: 'whatsapp', to: customer, ...text(body) }),
      signal: AbortSignal.timeout(100),
    })
    return await answer.then(
      () => 'answered',
      error => error.name ?? 'failed',
    )
  }
  expect(await send('hang')).toBe('TimeoutError')
  expect(await send('hang_lost')).toBe('TimeoutError')
  expect(await send('reset')).not.toMatch(/answered|TimeoutError/)
  expect(await send('reset lost')).not.toMatch(/answered|TimeoutError/)
  expect((await stage.chat()).map(({ content }) => content.text)).toEqual(['hola', 'hang', 'reset'])
  const { data } = (await stage.control('GET', `/requests?number=${numberId}`)).body
  expect(data.map((each: { fault: string; status: number | null }) => [each.fault, each.status])).toEqual([
    ['hang', null],
    ['hang_lost', null],
    ['reset', null],
    ['reset', null],
  ])
})

test('malformed and slow: accepted, and answered badly or late', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  await stage.control('PUT', '/faults', ['malformed', 'slow:150'])
  await expect(stage.send(text('a'))).rejects.toThrow(/JSON/)
  const began = performance.now()
  expect((await stage.send(text('b'))).status).toBe(200)
  expect(performance.now() - began).toBeGreaterThan(140)
  expect((await stage.chat()).map(({ content }) => content.text)).toEqual(['hola', 'a', 'b'])
})

test('a number and its media are there to be asked for', async () => {
  await using stage = await setStage()
  const get = (path: string) => stage.call('GET', path, undefined, stage.authorization)
  expect((await get(`/v25.0/${numberId}?fields=status`)).body).toMatchObject({ verified_name: 'Test Shop' })
  expect(code(await get('/v25.0/123'))).toBe(100)
  const form = new FormData()
  form.set('messaging_product', 'whatsapp')
  form.set('file', new File(['%PDF'], 'a.pdf', { type: 'application/pdf' }))
  const upload = { method: 'POST', headers: stage.authorization, body: form }
  const { id } = await (await fetch(`${stage.emulator.url}/v25.0/${numberId}/media`, upload)).json()
  const { url, mime_type, file_size } = (await get(`/v25.0/${id}`)).body
  expect({ mime_type, file_size }).toEqual({ mime_type: 'application/pdf', file_size: 4 })
  expect(await (await fetch(url, { headers: stage.authorization })).text()).toBe('%PDF')
  expect((await fetch(url)).status).toBe(401)
  await stage.write({ type: 'image', caption: 'The box' })
  const { image } = stage.messages()[0]
  expect(image).toMatchObject({ caption: 'The box', mime_type: 'image/png' })
  expect((await get(`/v25.0/${image.id}`)).body.mime_type).toBe('image/png')
  expect((await stage.call('DELETE', `/v25.0/${image.id}`, undefined, stage.authorization)).body).toEqual({
    success: true,
  })
})
