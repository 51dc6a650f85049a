import { afterAll, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmulator } from './emulator.ts'
import { customer, numberId, say, secrets, setStage, text, until } from './testing/stage.ts'

const folder = mkdtempSync(join(tmpdir(), 'emulator-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function shown(url: string) {
  const read = async (path: string) => await (await fetch(`${url}/emulator${path}`)).json()
  return {
    numbers: await read('/numbers'),
    chats: await read('/chats'),
    messages: await read(`/chats/${numberId}/${customer}/messages`),
    person: await read(`/customers/${customer}`),
  }
}

test('numbers, customers, chats and statuses survive a restart', async () => {
  const stateFile = join(folder, 'restart.jsonl')
  const stage = await setStage({ stateFile })
  await stage.write({ ...say('hola'), profile_name: 'Ada', bsuid: 'US.42' })
  await stage.send(text('x'))
  await stage.control('POST', `/chats/${numberId}/${customer}/read`, {})
  const before = await shown(stage.emulator.url)
  await stage[Symbol.asyncDispose]()
  const again = await startEmulator({ port: 0, stateFile })
  expect(await shown(again.url)).toEqual(before)
  await again.stop()
})

test('what no webhook brought before the stop is delivered after it', async () => {
  const stateFile = join(folder, 'redeliver.jsonl')
  await using stage = await setStage({ stateFile })
  stage.bot.respond = () => 503
  await stage.control('POST', `/customers/${customer}/messages?number=${numberId}`, say('hola'))
  await until(() => stage.received.length > 0)
  await stage.emulator.stop()
  stage.bot.respond = () => 200
  stage.received.length = 0
  const again = await startEmulator({ port: 0, stateFile })
  await until(() => stage.received.length === 1)
  expect(stage.messages()[0].text.body).toBe('hola')
  await until(async () => (await shown(again.url)).messages.data[0].status === 'delivered')
  await again.stop()
  const third = await startEmulator({ port: 0, stateFile })
  await Bun.sleep(50)
  expect(stage.received.length).toBe(1)
  await third.stop()
})

test('a torn last line is skipped, and the next sequence number is higher than all', async () => {
  const stateFile = join(folder, 'torn.jsonl')
  const stage = await setStage({ stateFile })
  const { body } = await stage.write(say('hola'))
  await stage.emulator.stop()
  appendFileSync(stateFile, '{"kind":"message","number":"1000')
  const again = await startEmulator({ port: 0, stateFile, rates: 'off' })
  const written = await fetch(`${again.url}/emulator/customers/${customer}/messages`, {
    method: 'POST',
    body: JSON.stringify(say('otra')),
  })
  expect((await written.json()).seq).toBe(body.seq + 1)
  await again.stop()
  await stage[Symbol.asyncDispose]()
})

test('the file is for its owner only, and is shortened when it grows', async () => {
  const stateFile = join(folder, 'short.jsonl')
  const stage = await setStage({ stateFile, limits: { stateLinesMax: 20, messagesPerChatMax: 2 } })
  for (let at = 0; at < 20; at++) {
    await stage.write(say(`${at}`))
    await Bun.sleep(25)
  }
  await stage[Symbol.asyncDispose]()
  expect(statSync(stateFile).mode & 0o777).toBe(0o600)
  const text = readFileSync(stateFile, 'utf8')
  expect(text).toContain(secrets.app_secret)
  expect(text.trim().split('\n').length).toBeLessThan(40)
})

test('a folder that is missing stops the start', async () => {
  await expect(startEmulator({ port: 0, stateFile: join(folder, 'missing', 'x.jsonl') })).rejects.toThrow(/ENOENT/)
})
