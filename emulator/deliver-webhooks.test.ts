import { expect, test } from 'bun:test'
import { signature } from './dialects/meta-build-webhook.ts'
import { numberId, type Received, say, secrets, setStage, text, until } from './testing/stage.ts'

const textsOf = (received: readonly Received[]) =>
  received.flatMap(({ body }) => (body.entry[0].changes[0].value.messages ?? []).map(bodyOf))
const bodyOf = (message: { text: { body: string } }) => message.text.body
const isSigned = ({ raw, signature: given }: Received) => given === signature(raw, secrets.app_secret)

test('webhooks are signed over their raw bytes', async () => {
  await using stage = await setStage()
  await stage.write(say('Olá ✅'))
  expect(stage.received.map(({ raw }) => raw.includes('Ol\\u00e1 \\u2705'))).toEqual([true])
  expect(stage.received.every(isSigned)).toBe(true)
})

test('what is not answered 2xx is sent again, with the same bytes, and what comes after it waits', async () => {
  await using stage = await setStage()
  let failures = 2
  stage.bot.respond = () => (failures-- > 0 ? 503 : 200)
  const first = stage.write(say('one'))
  const second = stage.write(say('two'))
  expect((await first).body.delivered).toBe(true)
  expect((await second).body.delivered).toBe(true)
  expect(textsOf(stage.received)).toEqual(['one', 'one', 'one', 'two'])
  expect(new Set(stage.received.slice(0, 3).map(({ raw }) => raw)).size).toBe(1)
  const { data, total, pending } = (await stage.control('GET', `/webhooks?number=${numberId}`)).body
  expect({ total, pending }).toEqual({ total: 2, pending: 0 })
  expect(data[0]).toMatchObject({ attempts: 3, status: 200, outcome: 'delivered', kind: 'messages' })
})

test('a customer whose webhook fails holds up no other', async () => {
  await using stage = await setStage({ limits: { webhooksInFlightMax: 1 } })
  stage.bot.respond = ({ raw }) => (raw.includes('stuck') ? 500 : 200)
  const { body } = await stage.control('POST', `/customers/12025550101/messages?number=${numberId}`, say('stuck'))
  expect(body.seq).toBe(1)
  for (const one of ['a', 'b', 'c']) expect((await stage.write(say(one))).body.delivered).toBe(true)
})

test('a server that cannot be reached is tried again, and the log says why', async () => {
  await using stage = await setStage()
  const registration = { ...stage.registration, webhook_url: 'http://127.0.0.1:1/' }
  await stage.control('PUT', `/numbers/${numberId}?verify=false`, registration)
  const written = stage.write(say('hola'))
  await until(async () => (await stage.control('GET', '/webhooks')).body.data[0]?.attempts > 1)
  expect((await stage.control('GET', '/webhooks')).body.data[0]).toMatchObject({ status: null, outcome: 'waiting' })
  expect((await stage.control('GET', '/webhooks')).body.data[0].error).toMatch(/connect/i)
  await stage.control('PUT', `/numbers/${numberId}`, stage.registration)
  expect((await written).body.delivered).toBe(true)
})

test("a customer's messages keep their order, and no more than allowed are under way at once", async () => {
  await using stage = await setStage({ limits: { webhooksInFlightMax: 3 } })
  let [now, most] = [0, 0]
  stage.bot.respond = async () => {
    most = Math.max(most, ++now)
    await Bun.sleep(5)
    now -= 1
    return 200
  }
  const customers = [1, 2, 3, 4, 5].map(each => `1202555010${each}`)
  const writes = [1, 2, 3, 4].map(at => Promise.all(customers.map(one => stage.write(say(`${at}`), one))))
  await Promise.all(writes)
  expect(most).toBe(3)
  for (const one of customers) {
    expect(textsOf(stage.received.filter(({ raw }) => raw.includes(`"from":"${one}"`)))).toEqual(['1', '2', '3', '4'])
  }
})

test('duplicate: so many copies, until it is used up', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/faults', ['duplicate:3:1'])
  await stage.write(say('one'))
  await stage.write(say('two'))
  expect(textsOf(stage.received)).toEqual(['one', 'one', 'one', 'two'])
})

test('delay: each webhook waits', async () => {
  await using stage = await setStage({ faults: [{ kind: 'delay', ms: 120 }] })
  const began = performance.now()
  await stage.write(say('one'))
  expect(performance.now() - began).toBeGreaterThan(110)
})

test('reorder: two that wait change places, and one alone waits for the next', async () => {
  await using stage = await setStage({ faults: [{ kind: 'reorder', count: 1 }] })
  const first = stage.write(say('one'))
  await Bun.sleep(50)
  expect(stage.received).toEqual([])
  await Promise.all([first, stage.write(say('two')), stage.write(say('three'))])
  expect(textsOf(stage.received)).toEqual(['two', 'one', 'three'])
})

test('reorder: where no next one comes, it goes after a second', async () => {
  await using stage = await setStage({ faults: [{ kind: 'reorder' }] })
  await stage.write(say('one'))
  expect(textsOf(stage.received)).toEqual(['one'])
})

test('corrupt_signature: wrong once, and right when it is sent again', async () => {
  await using stage = await setStage({ faults: [{ kind: 'corrupt_signature', count: 1 }] })
  stage.bot.respond = one => (isSigned(one) ? 200 : 401)
  expect((await stage.write(say('one'))).body.delivered).toBe(true)
  expect(stage.received.map(isSigned)).toEqual([false, true])
  expect(stage.received.map(one => one.signature?.length)).toEqual([71, 71])
})

test('drop_statuses: the bot hears nothing, messages still come', async () => {
  await using stage = await setStage({ faults: [{ kind: 'drop_statuses' }] })
  await stage.write(say('one'))
  await stage.send(text('x'))
  await stage.write(say('two'))
  expect(stage.statuses()).toEqual([])
  expect(textsOf(stage.received)).toEqual(['one', 'two'])
  const { data } = (await stage.control('GET', '/webhooks')).body
  expect(data.filter(({ outcome }: { outcome: string }) => outcome === 'dropped').length).toBe(2)
})

test('under load statuses of many customers travel together, each exactly once', async () => {
  await using stage = await setStage({ limits: { webhooksInFlightMax: 2 } })
  stage.bot.respond = async () => {
    await Bun.sleep(20)
    return 200
  }
  const customers = Array.from({ length: 40 }, (_, at) => `120255502${String(at).padStart(2, '0')}`)
  await Promise.all(customers.map(to => stage.send({ ...text('x'), to })))
  await until(() => stage.statuses().length === 40)
  expect(stage.statuses().every(({ status }) => status === 'failed')).toBe(true)
  expect(new Set(stage.statuses().map(({ id }) => id)).size).toBe(40)
  expect(stage.received.length).toBeLessThan(20)
  expect(stage.received.every(isSigned)).toBe(true)
})

test('a raw body is signed as it is, once for each copy', async () => {
  await using stage = await setStage()
  const path = `/numbers/${numberId}/webhooks`
  const body = { entry: [{ changes: [{ value: { note: 'é' } }] }] }
  expect((await stage.control('POST', path, { body, copies: 3 })).body).toEqual({ delivered: 3 })
  expect(stage.received.every(one => isSigned(one) && one.raw.includes('\\u00e9'))).toBe(true)
  await stage.control('POST', path, { body: JSON.stringify(body) })
  expect(stage.received.at(-1)?.raw).toBe(JSON.stringify(body))
})

test('what waits when there is no room is dropped, and said to be', async () => {
  await using stage = await setStage({ limits: { webhooksPendingMax: 1 } })
  stage.bot.respond = ({ raw }) => (raw.includes('stuck') ? 500 : 200)
  await stage.control('POST', `/customers/12025550101/messages?number=${numberId}`, say('stuck'))
  expect((await stage.write(say('x'))).body.delivered).toBe(false)
  expect((await stage.control('GET', '/webhooks')).body.data[1].outcome).toBe('dropped')
})

test('stopping gives up what waits, at once', async () => {
  const stage = await setStage()
  stage.bot.respond = () => Bun.sleep(2_000).then(() => 200)
  const written = stage.write(say('x')).catch(() => 'closed')
  await until(() => stage.received.length === 1)
  const began = performance.now()
  await stage[Symbol.asyncDispose]()
  expect(performance.now() - began).toBeLessThan(500)
  expect(await written).toBeDefined()
})
