import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { freePort, type Process, startProcess } from '../support/process.ts'
import { echoFlow, encryptionKey, seedShop } from '../support/seed.ts'
import { openSocket } from '../support/socket.ts'

// The program is told to stop while it is at work.

const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
const password = 'a password of the tests, 42'
let created: Awaited<ReturnType<typeof createTestDatabase>>
let url: string
let adapterUrl: string
let running: Process
/** A provider that takes every request, and answers none. */
let asked = 0
const silent = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    await request.text()
    asked++
    return await new Promise<Response>(() => undefined)
  },
})

beforeAll(async () => {
  created = await createTestDatabase()
})
beforeEach(async () => {
  const ports = { GATEWAY_PORT: String(await freePort()), ADAPTER_PORT: String(await freePort()) }
  url = `http://127.0.0.1:${ports.GATEWAY_PORT}`
  adapterUrl = `http://127.0.0.1:${ports.ADAPTER_PORT}`
  const environment = {
    ...ports,
    DATABASE_URL: databaseUrl(created.connection),
    DASHOFFICE_DATA_DIR: folder,
    ENCRYPTION_KEY: encryptionKey,
    META_BASE_URL: `http://127.0.0.1:${silent.port}`,
    RATE_LIMIT_AUTH_PER_5_MINUTES: '1000',
    LOG_LEVEL: 'error',
  }
  // The gateway listens before it.
  running = await startProcess(['up'], environment, `${adapterUrl}/health`)
})
afterEach(() => running.kill())
afterAll(async () => {
  await silent.stop(true)
  await created.drop()
  rmSync(folder, { recursive: true, force: true })
})

async function post(path: string, body: object, token?: string): Promise<Response> {
  return await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
}

async function register(): Promise<{ readonly email: string; readonly token: string }> {
  const email = `${crypto.randomUUID()}@example.com`
  const answer = await post('/api/auth/register', { tenant_name: 'Shop', name: 'Owner', email, password })
  const { access_token } = await answer.json()
  return { email, token: access_token }
}

/** A request that never comes to its end: its body is longer than what is sent of it. */
async function hangingRequest() {
  const socket = await Bun.connect({ hostname: '127.0.0.1', port: Number(new URL(url).port), socket: { data() {} } })
  socket.write(
    'POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{',
  )
  socket.flush()
  // Read before what comes after it, and given to its route: it is under way.
  await fetch(`${url}/health`)
  await Bun.sleep(200)
  await fetch(`${url}/health`)
}

test('what is under way is answered while nothing new comes in; sockets are told; the status is 0', async () => {
  const { email, token } = await register()
  const { ticket } = await (await post('/api/ws/ticket', {}, token)).json()
  const socket = await openSocket(`${url}/api/ws?ticket=${ticket}`)
  const answers: Response[] = []
  const logins = Array.from({ length: 5 }, async () => {
    answers.push(await post('/api/auth/login', { email, password }))
  })
  // Two at a time: when the first is answered, others are under way.
  await until(() => answers.length > 0)
  const before = answers.length
  const stopped = running.stop()
  const refused = () =>
    fetch(`${url}/health`).then(
      () => false,
      () => true,
    )
  await until(refused)
  const answeredBeforeRefusal = answers.length
  await Promise.all(logins)
  expect(answeredBeforeRefusal).toBeLessThan(5)
  expect(answers.map(answer => answer.status)).toEqual(Array.from({ length: 5 }, () => 200))
  expect(before).toBeLessThan(5)
  expect(answers.slice(answeredBeforeRefusal).map(answer => answer.headers.get('connection'))).toEqual(
    Array.from({ length: 5 - answeredBeforeRefusal }, () => 'close'),
  )
  await until(() => socket.closed() !== undefined)
  expect(socket.closed()).toBe(1012)
  expect(await stopped).toBe(0)
})

test('a request and a provider that hang hold the stop up, but not for longer than it may take', async () => {
  const admin = connect(created.connection, 1)
  const { botId, number } = await seedShop(admin, { number: '1', flow: echoFlow })
  await admin.close()
  const message = { from: '34600000001', id: 'wamid.1', timestamp: '1', type: 'text', text: { body: 'hi' } }
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: '1' },
    contacts: [{ profile: { name: 'Ada' }, wa_id: message.from }],
    messages: [{ ...message, timestamp: String(Math.floor(Date.now() / 1_000)) }],
  }
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ changes: [{ field: 'messages', value }] }],
  })
  const signature = createHmac('sha256', number.app_secret).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` }
  expect((await fetch(`${adapterUrl}/webhooks/meta/${botId}`, { method: 'POST', body, headers })).status).toBe(200)
  await until(() => asked > 0)
  await hangingRequest()
  // Had it taken longer than it may, the status were 1.
  expect(await running.stop()).toBe(0)
})

test('a second SIGTERM ends it at once', async () => {
  await hangingRequest()
  const stopped = running.stop()
  await until(() =>
    fetch(`${url}/health`).then(
      () => false,
      () => true,
    ),
  )
  // One that comes within half a second is taken for the same.
  const again = setInterval(() => Bun.spawn(['kill', '-TERM', String(running.pid)]), 100)
  const status = await stopped
  clearInterval(again)
  expect(status).toBe(143)
})
