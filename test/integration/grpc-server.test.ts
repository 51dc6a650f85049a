import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addApiKey, jwtSecret } from '../support/callers.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { type GrpcAnswer, type GrpcClient, type Metadata, startGrpcClient } from '../support/grpc.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { echoFlow } from '../support/seed.ts'

const root = join(import.meta.dirname, '../..')
const grpcurl = optionalProgram('grpcurl', 'gRPC is tried with one client only')

let shop: Installation
let client: GrpcClient
let key: Metadata

async function start(options: Parameters<typeof startInstallation>[0] = {}): Promise<void> {
  const environment = { ADAPTER_GRPC_PORT: '0', JWT_SECRET: jwtSecret, ...options.environment }
  shop = await startInstallation({ flow: echoFlow, ...options, environment })
  client = startGrpcClient(shop.app.grpcAddress ?? '')
  const { tenantId } = shop.shop
  key = { 'x-api-key': await addApiKey(shop.app.database, tenantId, ['conversations:write', 'bots:write']) }
}

afterEach(async () => {
  await client.stop()
  await shop.stop()
})

const template = { name: 'hello', language: 'es', parameters: [] }

function send(phone: string, deadlineMs?: number): Promise<GrpcAnswer> {
  const request = { bot_id: shop.shop.botId, phone, content: { template } }
  return client.call({ method: 'SendMessage', request, metadata: key, ...(deadlineMs && { deadlineMs }) })
}

async function messages(): Promise<number> {
  const [{ count }] = await shop.admin`select count(*)::int as count from messages`
  return count
}

/** Holds up whoever queues a message, until `release` is called. */
async function holdMessages(): Promise<{ release(): Promise<void> }> {
  const [isHeld, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = shop.admin.begin(async tx => {
    await tx`lock table messages in share mode`
    isHeld.resolve()
    await mayGoOn.promise
  })
  await isHeld.promise
  return {
    async release() {
      mayGoOn.resolve()
      await holding
    },
  }
}

const isHeldUp = async () => {
  const [{ count }] = await shop.admin`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  return count > 0
}

const counted = async (line: string) => (await (await fetch(`${shop.app.urls.adapter}/metrics`)).text()).includes(line)

test('what nobody waits for any more is not sent', async () => {
  await start()
  const held = await holdMessages()
  const call = send('+34600000001', 500)
  expect((await call).code).toBe('DEADLINE_EXCEEDED')
  await held.release()
  await until(() => counted('grpc_calls_total{method="SendMessage",code="DEADLINE_EXCEEDED"} 1'))
  expect(await messages()).toBe(0)
  // The next one is.
  expect((await send('+34600000001', 10_000)).code).toBe('OK')
  expect(await messages()).toBe(1)
})

test('a call that is under way at a stop is answered, and no other is taken', async () => {
  await start()
  const held = await holdMessages()
  const call = send('+34600000001')
  await until(isHeldUp)
  const stopped = shop.app.stop()
  const late = startGrpcClient(shop.app.grpcAddress ?? '')
  const request = { bot_id: shop.shop.botId }
  const refused = await late.call({ method: 'GetStatus', request, metadata: key, deadlineMs: 1_000 })
  expect(['UNAVAILABLE', 'DEADLINE_EXCEEDED']).toContain(refused.code)
  await late.stop()
  await held.release()
  expect((await call).code).toBe('OK')
  await stopped
  expect(await messages()).toBe(1)
})

test('while the database is away a call is told to come again, and the server says that it does not serve', async () => {
  let proxy: DatabaseProxy | undefined
  await start({
    async reach(connection) {
      proxy = await startDatabaseProxy(connection)
      return proxy.connection
    },
  })
  const check = async (service: string) =>
    (await client.call({ service: 'grpc.health.v1.Health', method: 'Check', request: { service } })).responses
  expect(await check('')).toEqual([{ status: 'SERVING' }])
  expect(await check('dashoffice.v1.WhatsApp')).toEqual([{ status: 'SERVING' }])
  await proxy?.cut()
  const { code, trailers, details } = await send('+34600000001')
  expect([code, trailers['error-code']]).toEqual(['UNAVAILABLE', 'database_unavailable'])
  expect(details).not.toContain('127.0.0.1')
  expect(await check('')).toEqual([{ status: 'NOT_SERVING' }])
  await proxy?.mend()
  await until(async () => (await send('+34600000001')).code === 'OK')
  expect(await check('')).toEqual([{ status: 'SERVING' }])
}, 40_000)

test('who watches hears how the server is at once, and that it stops', async () => {
  await start()
  const told: unknown[] = []
  const watch = (service: string) =>
    client.call({
      ...{ service: 'grpc.health.v1.Health', method: 'Watch', request: { service } },
      onMessage: ({ status }) => told.push(status),
    })
  const watching = watch('')
  await until(() => told.length === 1)
  const unknown = watch('somebody.else')
  await until(() => told.length === 2)
  await shop.app.stop()
  expect(told.slice(0, 2)).toEqual(['SERVING', 'SERVICE_UNKNOWN'])
  expect((await watching).responses.at(-1)).toEqual({ status: 'NOT_SERVING' })
  expect((await unknown).responses).toEqual([{ status: 'SERVICE_UNKNOWN' }])
})

test('a message of more than 4 MB is refused, and the connection goes on', async () => {
  await start()
  const request = { bot_id: shop.shop.botId, provider: 'meta', body: Buffer.alloc(4 * 1024 * 1024).toString('base64') }
  expect((await client.call({ method: 'HandleWebhook', request })).code).toBe('RESOURCE_EXHAUSTED')
  expect((await send('+34600000001')).code).toBe('OK')
})

test.each(['v1', 'v1alpha'])('reflection %s shows what there is', async version => {
  await start()
  const service = `grpc.reflection.${version}.ServerReflection`
  const ask = async (request: object) => {
    const { responses } = await client.call({ service, method: 'ServerReflectionInfo', request })
    return JSON.stringify(responses)
  }
  const list = await ask({ list_services: '' })
  for (const name of ['dashoffice.v1.WhatsApp', 'grpc.health.v1.Health']) expect(list).toContain(`"${name}"`)
  expect(await ask({ file_containing_symbol: 'dashoffice.v1.WhatsApp' })).toContain('file_descriptor_proto')
  expect(await ask({ file_containing_symbol: 'dashoffice.v1.Nothing' })).toContain('error_response')
})

/** What another implementation of gRPC makes of the service, which knows only what reflection tells it. */
async function curl(...words: readonly string[]): Promise<{ readonly out: string; readonly error: string }> {
  const child = Bun.spawn([grpcurl ?? '', '-plaintext', ...words], { stdout: 'pipe', stderr: 'pipe' })
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { out, error }
}

test.skipIf(grpcurl === undefined)('grpcurl finds the service by reflection, and sends', async () => {
  await start()
  const address = shop.app.grpcAddress ?? ''
  const described = await curl(address, 'describe', 'dashoffice.v1.WhatsApp')
  for (const method of ['SendMessage', 'GetQr', 'GetStatus', 'HandleWebhook'])
    expect(described.out).toContain(`rpc ${method} (`)
  const request = JSON.stringify({ bot_id: shop.shop.botId, phone: '+34600000001', content: { template } })
  const method = 'dashoffice.v1.WhatsApp/SendMessage'
  const sent = await curl('-H', `x-api-key: ${key['x-api-key']}`, '-d', request, address, method)
  expect([sent.error, Object.keys(JSON.parse(sent.out))]).toEqual(['', ['message_id', 'conversation_id']])
  const [reply] = await shop.replies('34600000001', 1)
  expect(reply?.content).toMatchObject({ type: 'template', name: 'hello' })
  expect((await curl('-d', request, address, method)).error).toContain('Code: Unauthenticated')
})

test('without ADAPTER_GRPC_PORT none of it is loaded', async () => {
  await start()
  const script = `
    const isLoaded = () => Object.keys(require.cache).some(path => path.includes('@grpc'))
    await import('./src/whatsapp/adapter.ts')
    const before = isLoaded()
    await import('./src/whatsapp/grpc/start-grpc.ts')
    console.log(before, isLoaded())`
  const child = Bun.spawn([process.execPath, '-e', script], { cwd: root, stdout: 'pipe' })
  expect((await new Response(child.stdout).text()).trim()).toBe('false true')
})

test('a port that is taken stops the start with one line', async () => {
  await start()
  const port = shop.app.grpcAddress?.split(':').at(-1) ?? ''
  const created = await createTestDatabase()
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  const ports = ['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS'].map(role => [`${role}_PORT`, '0'])
  const second = Bun.spawn([process.execPath, join(root, 'src/main.ts'), 'up'], {
    env: {
      ...Object.fromEntries(ports),
      ...{ DATABASE_URL: databaseUrl(created.connection), DASHOFFICE_DATA_DIR: dataDir, ADAPTER_GRPC_PORT: port },
    },
    ...{ stdout: 'ignore', stderr: 'pipe' },
  })
  const said = await new Response(second.stderr).text()
  expect(said).toBe(`dashoffice: ADAPTER_GRPC_PORT is ${port}, but another program listens on that port\n`)
  expect(await second.exited).toBe(1)
  await created.drop()
  rmSync(dataDir, { recursive: true, force: true })
}, 20_000)
