import { expect, test } from 'bun:test'
import { customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, text, until } from '../testing/stage.ts'
import { d360Signature } from './d360-dialect.ts'

const key = { 'd360-api-key': 'd360-key' }

async function setStage(fields: object = {}, options = {}) {
  const stage = await setAnyStage(
    webhook_url => ({ dialect: 'd360', webhook_url, api_key: 'd360-key', webhook_secret: 'd360-secret', ...fields }),
    options,
  )
  const send = (message: object, headers: Record<string, string> = key) =>
    stage.call('POST', '/d360/messages', { messaging_product: 'whatsapp', to: customer, ...message }, headers)
  return { ...stage, send }
}

test('the signature is hex over the raw bytes', () => {
  expect(d360Signature('{"object":"whatsapp_business_account","entry":[]}', 'test-360dialog-platform-secret')).toBe(
    '203f5686ea41c101724fa8208e630bf758ed8d08557a891a26bb907ebd955120',
  )
})

test('a number is known by its key alone, shows no secret, and is not verified', async () => {
  await using stage = await setStage()
  expect(stage.registered.body).toEqual({
    ...{ id: number, display_phone_number: '12025550100', name: 'Test Shop', webhook_url: stage.webhookUrl },
    ...{ dialect: 'd360', waba_id: '100000000000001' },
  })
  const wrong = await stage.send(text('x'), { 'd360-api-key': 'other' })
  expect([wrong.status, wrong.body.meta]).toMatchObject([
    401,
    { success: false, http_code: 401, developer_message: 'Invalid api_key' },
  ])
  expect((await stage.send(text('x'), {})).status).toBe(401)
  expect((await stage.call('GET', '/d360/nothing/here', undefined, key)).body.meta.http_code).toBe(404)
})

test("a send takes Meta's bodies and gives Meta's answers and errors", async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const answer = await stage.send({ ...text('Olá'), biz_opaque_callback_data: 'msg_01' })
  expect(answer).toMatchObject({ status: 200, body: { contacts: [{ input: customer, wa_id: customer }] } })
  const { id } = answer.body.messages[0]
  const [, sent, delivered] = await stage.arrivals(3)
  for (const [webhook, status] of [
    [sent, 'sent'],
    [delivered, 'delivered'],
  ] as const) {
    const value = webhook?.json.entry[0].changes[0].value
    expect(value.statuses[0]).toMatchObject({ id, status, biz_opaque_callback_data: 'msg_01' })
  }
  expect((await stage.send({ type: 'text' })).body.error).toMatchObject({ code: 100, type: 'OAuthException' })
  const read = { status: 'read', message_id: (await stage.chat())[0].id, typing_indicator: { type: 'text' } }
  expect((await stage.send(read)).body).toEqual({ success: true })
  expect((await stage.chat())[0].status).toBe('read')
})

test("webhooks come in Meta's envelope, signed, with the headers asked for", async () => {
  await using stage = await setStage({ webhook_headers: { 'X-Webhook-Secret': 'shared' } })
  await stage.write({ ...say('Olá ✅'), profile_name: 'Ada Test', bsuid: 'US.1000000000000143' })
  const [one] = stage.arrived
  expect(one?.json).toEqual({
    object: 'whatsapp_business_account',
    entry: [
      {
        id: '100000000000001',
        changes: [
          {
            value: {
              messaging_product: 'whatsapp',
              metadata: { display_phone_number: '12025550100', phone_number_id: number },
              contacts: [{ profile: { name: 'Ada Test' }, wa_id: customer, user_id: 'US.1000000000000143' }],
              messages: [
                {
                  ...{ from: customer, from_user_id: 'US.1000000000000143', type: 'text', text: { body: 'Olá ✅' } },
                  ...{ id: expect.stringMatching(/^wamid\./), timestamp: expect.stringMatching(/^\d{10}$/) },
                },
              ],
            },
            field: 'messages',
          },
        ],
      },
    ],
  })
  expect(one?.headers['x-360dialog-signature']).toBe(d360Signature(one?.raw ?? '', 'd360-secret'))
  expect(one?.headers['x-webhook-secret']).toBe('shared')
})

test('without a secret nothing is signed; corrupt_signature then breaks the header that was asked for', async () => {
  await using stage = await setStage({ webhook_secret: null, webhook_headers: { 'X-Webhook-Secret': 'shared-one' } })
  await stage.control('PUT', '/faults', ['corrupt_signature:1'])
  await stage.write(say('one'))
  await stage.write(say('two'))
  expect(stage.arrived.map(({ headers }) => [headers['x-360dialog-signature'], headers['x-webhook-secret']])).toEqual([
    [undefined, 'share0-one'],
    [undefined, 'shared-one'],
  ])
})

test('the webhook is set and read by the API; until then nobody is told', async () => {
  await using stage = await setStage({ webhook_url: null, webhook_secret: null })
  expect((await stage.write(say('lost'))).body.delivered).toBe(false)
  expect((await stage.control('GET', '/webhooks')).body.data[0].outcome).toBe('dropped')
  const path = '/d360/v1/configs/webhook'
  const config = { url: stage.webhookUrl, headers: { Authorization: 'Bearer mine' } }
  expect((await stage.call('POST', path, config)).status).toBe(401)
  expect((await stage.call('POST', path, { url: 'nowhere' }, key)).status).toBe(400)
  expect((await stage.call('GET', path, undefined, key)).body).toEqual({ url: '', headers: {} })
  expect((await stage.call('POST', path, config, key)).body).toEqual(config)
  expect((await stage.call('GET', path, undefined, key)).body).toEqual(config)
  await stage.write(say('heard'))
  expect(stage.arrived.map(({ headers }) => headers.authorization)).toEqual(['Bearer mine'])
})

test('media go up by multipart, and down by an address of Meta whose host is to be replaced', async () => {
  await using stage = await setStage()
  const form = new FormData()
  form.set('messaging_product', 'whatsapp')
  form.set('type', 'application/pdf')
  form.set('file', new File(['%PDF'], 'a.pdf', { type: 'application/pdf' }))
  expect((await stage.call('POST', '/d360/media', form)).status).toBe(401)
  const { id } = (await stage.call('POST', '/d360/media', form, key)).body
  const { url, ...object } = (await stage.call('GET', `/d360/${id}`, undefined, key)).body
  expect(object).toMatchObject({ id, mime_type: 'application/pdf', file_size: 4, messaging_product: 'whatsapp' })
  expect(new URL(url).origin).toBe('https://lookaside.fbsbx.com')
  const { pathname, search } = new URL(url)
  const here = `/d360${pathname}${search}`
  expect(await stage.call('GET', here, undefined, key)).toMatchObject({ status: 200, text: '%PDF' })
  expect((await stage.call('GET', here)).status).toBe(401)
  expect((await stage.call('GET', `${here}x`, undefined, key)).status).toBe(404)
  expect((await stage.call('DELETE', `/d360/${id}`, undefined, key)).body).toEqual({ success: true })
  expect((await stage.call('GET', `/d360/${id}`, undefined, key)).body.error.code).toBe(100)
})

test('what a customer sends can be fetched by its address in the webhook', async () => {
  await using stage = await setStage()
  const uploaded = await stage.call('POST', '/emulator/media', new Blob(['jpeg']), { 'content-type': 'image/jpeg' })
  await stage.write({ type: 'image', media_id: uploaded.body.id, caption: 'The box' })
  const { image } = stage.arrived[0]?.json.entry[0].changes[0].value.messages[0] ?? {}
  expect(image).toMatchObject({ caption: 'The box', mime_type: 'image/jpeg', id: uploaded.body.id })
  const { pathname, search } = new URL(image.url)
  expect((await stage.call('GET', `/d360${pathname}${search}`, undefined, key)).text).toBe('jpeg')
})

test('twenty downloads that fail close the endpoint', async () => {
  await using stage = await setStage()
  const get = async () => (await stage.call('GET', '/d360/999', undefined, key)).status
  for (let at = 0; at < 20; at++) expect(await get()).toBe(400)
  expect(await get()).toBe(403)
})

test('the faults are told in the words of 360dialog or of Meta behind it', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const kinds = ['429', '429:1:130429', '500', '503', 'unauthorized', 'rejected', 'undeliverable']
  await stage.control('PUT', '/faults', kinds)
  const answers: unknown[] = []
  for (const _ of kinds) {
    const { status, body } = await stage.send(text('x'))
    answers.push([status, body.error?.code ?? body.meta?.developer_message ?? 'taken'])
  }
  expect(answers).toEqual([
    [400, expect.stringContaining('exceeded the endpoint rate limit')],
    [400, 130429],
    [500, 131000],
    [502, 'Bad gateway'],
    [401, 'Invalid api_key'],
    [400, 131009],
    [200, 'taken'],
  ])
  await until(() => stage.arrived.some(({ raw }) => raw.includes('131026')))
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['delivered', 'failed'])
})
