import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { type Emulator, startEmulator } from '../../emulator/emulator.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { phoneOf, registerNumber, until } from '../support/installation.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { freePort, type Process, startProcess } from '../support/process.ts'
import { echoFlow, encryptionKey, type Shop, seedShop } from '../support/seed.ts'

const program = optionalProgram('redis-server', 'roles in processes of their own are not tried')

let created: Awaited<ReturnType<typeof createTestDatabase>>
let emulator: Emulator
let admin: SQL
let shop: Shop
let redis: ReturnType<typeof Bun.spawn>
let redisPort: number
let adapterPort: number
const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
const processes: Process[] = []

async function startRedis(): Promise<void> {
  redis = Bun.spawn(
    [program ?? '', '--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
    {
      stdout: 'ignore',
      stderr: 'ignore',
    },
  )
  await Bun.sleep(200)
}

beforeAll(async () => {
  if (program === undefined) return
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  shop = await seedShop(admin, { number: '100000000000010', flow: echoFlow })
  emulator = await startEmulator({ port: 0, rates: 'off' })
  redisPort = await freePort()
  adapterPort = await freePort()
  await startRedis()
  const environment = {
    DATABASE_URL: databaseUrl(created.connection),
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    DASHOFFICE_DATA_DIR: folder,
    ENCRYPTION_KEY: encryptionKey,
    META_BASE_URL: `${emulator.url}/v25.0`,
    RATE_LIMIT_MESSAGES_PER_MINUTE: '100000',
    LOG_LEVEL: 'error',
  }
  const healthUrl = `http://127.0.0.1:${adapterPort}/health`
  processes.push(await startProcess(['adapter'], { ...environment, ADAPTER_PORT: String(adapterPort) }, healthUrl))
  // Two of each that can be many.
  for (const role of ['adapter', 'orchestrator', 'orchestrator', 'gateway', 'analytics'])
    processes.push(await startProcess([role], environment))
  await registerNumber(emulator.url, shop, `http://127.0.0.1:${adapterPort}/webhooks/meta/${shop.botId}`)
}, 60_000)

afterAll(async () => {
  if (program === undefined) return
  await Promise.all(processes.map(running => running.stop()))
  redis.kill()
  await redis.exited
  await emulator.stop()
  await admin.close()
  await created.drop()
  rmSync(folder, { recursive: true, force: true })
})

test.skipIf(program === undefined)(
  'six processes answer 200 messages of 20 customers once each, in order',
  async () => {
    const phone = phoneOf(emulator.url, shop)
    const customers = Array.from({ length: 20 }, (_, index) => `34600001${String(index).padStart(3, '0')}`)
    for (let index = 0; index < 10; index++)
      await Promise.all(customers.map(customer => phone.say(customer, `m${index}`)))
    for (const customer of customers) {
      const replies = await phone.replies(customer, 10)
      expect(replies.map(reply => reply.content.text)).toEqual(Array.from({ length: 10 }, (_, i) => `You said: m${i}`))
    }
  },
  60_000,
)

test.skipIf(program === undefined)(
  'without Redis the work goes on, a moment later, and at once again when it is back',
  async () => {
    const phone = phoneOf(emulator.url, shop)
    redis.kill('SIGKILL')
    await redis.exited
    await phone.say('34600002001', 'without')
    expect((await phone.replies('34600002001', 1))[0]?.content.text).toBe('You said: without')
    expect((await fetch(`http://127.0.0.1:${adapterPort}/health`)).status).toBe(503)
    await startRedis()
    await until(async () => (await fetch(`http://127.0.0.1:${adapterPort}/health`)).status === 200)
    await phone.say('34600002001', 'with')
    expect((await phone.replies('34600002001', 2))[1]?.content.text).toBe('You said: with')
  },
  60_000,
)

test.skipIf(program === undefined)(
  'an orchestrator that is killed leaves its conversations to the other',
  async () => {
    const phone = phoneOf(emulator.url, shop)
    const customers = Array.from({ length: 20 }, (_, index) => `34600003${String(index).padStart(3, '0')}`)
    const writing = Promise.all(customers.map(customer => phone.say(customer, 'hello')))
    await processes[2]?.kill()
    await writing
    for (const customer of customers) expect((await phone.replies(customer, 1)).length).toBe(1)
  },
  60_000,
)
