import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { createServer } from 'node:net'
import type { SQL } from 'bun'
import { startDatabaseProxy } from '../../test/support/database-proxy.ts'
import { until } from '../../test/support/installation.ts'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { httpRequest } from '../commerce/actions/http-request.ts'
import { addSecret } from '../identity/tenant-secrets.ts'
import { systemClock } from '../lib/clock.ts'
import { makeSealer } from '../lib/crypto.ts'
import { makeGuardedFetch } from '../lib/guarded-fetch.ts'
import { uuids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { claimCalls, endCalls, enqueueCalls, newCallCursor, requeueCalls } from '../messaging/calls.ts'
import { makeMemoryBus } from '../stores/memory/bus.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { type CallLoopOptions, startCallLoop } from './perform-calls.ts'

// Calls wait in a real database, and are made at real servers on this machine.

const worker = { role: 'worker' } as const
const sealer = makeSealer('an-encryption-key-for-tests-of-32-bytes')
const secretValue = 'sk_live_7Qd0ab"\\t1'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let server: ReturnType<typeof Bun.serve>
let tenantId: string
let seen: { readonly path: string; readonly method: string; readonly key: string | null; readonly body: string }[] = []
let loops: { stop(): Promise<void> }[] = []
let answers: (path: string, request: Request, times: number) => Response | Promise<Response>
let underWay = 0
let underWayMost = 0
let release: () => void
let held: Promise<void>

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 60, fetch: answer })
})
afterAll(async () => {
  await server.stop(true)
  await database.close()
  await admin.close()
  await created.drop()
})
beforeEach(async () => {
  tenantId = await addTenant()
  ;[seen, underWay, underWayMost] = [[], 0, 0]
  answers = () => Response.json({ hello: 1 })
  held = new Promise(resolve => {
    release = resolve
  })
})
afterEach(async () => {
  release()
  await Promise.all(loops.map(loop => loop.stop()))
  loops = []
  await admin`delete from calls`
  await admin`delete from inbox`
})

async function answer(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname
  seen.push({ path, method: request.method, key: request.headers.get('idempotency-key'), body: await request.text() })
  underWayMost = Math.max(underWayMost, ++underWay)
  try {
    return await answers(path, request, seen.filter(one => one.path === path).length)
  } finally {
    underWay--
  }
}

async function addTenant(): Promise<string> {
  const id = uuids.next()
  await admin`insert into tenants (id, name) values (${id}, 'T')`
  return id
}

function start(changes: Partial<CallLoopOptions> = {}) {
  const loop = startCallLoop({
    ...{ database, bus: makeMemoryBus(), clock: systemClock, ids: uuids, log: makeTestLog(), metrics: makeMetrics() },
    ...{ sealer, fetch: makeGuardedFetch({ allowsPrivate: true }), isAlone: false, random: () => 0 },
    ...changes,
  })
  loops.push(loop)
  return loop
}

const at = (path: string) => `http://127.0.0.1:${server.port}${path}`

/** Queues a call as a turn does; its id. */
async function queue(input: Readonly<Record<string, unknown>>, tenant = tenantId): Promise<string> {
  const prepared = httpRequest.prepare(JSON.parse(JSON.stringify(input)))
  if (!prepared.ok) throw new Error(prepared.message)
  const id = uuids.next()
  const call = { id, callId: `a-${id}`, handler: 'http.request', request: prepared.request }
  await database.transaction(worker, tx =>
    enqueueCalls(tx, [{ ...call, tenantId: tenant, conversationId: uuids.next() }]),
  )
  return id
}

async function results(): Promise<Map<string, Json>> {
  const rows: { body: { call_id: string; result: Json } }[] = await admin`select body from inbox where kind = 'result'`
  return new Map(rows.map(({ body }) => [body.call_id.slice(2), body.result]))
}

async function resultOf(id: string): Promise<Json> {
  await until(async () => (await results()).has(id))
  return (await results()).get(id) ?? null
}

const waiting = async () =>
  (await admin`select state, attempts from calls order by created_at`).map((row: object) => ({ ...row }))

test('a call is made once, under its own key, and its answer comes into the mail of its conversation', async () => {
  const id = await queue({ method: 'POST', url: at('/things'), body: { a: 1 } })
  start()
  expect(await resultOf(id)).toMatchObject({ ok: true, value: { status: 200, ok: true, body: { hello: 1 } } })
  expect(seen).toEqual([{ path: '/things', method: 'POST', key: id, body: '{"a":1}' }])
  expect(await waiting()).toEqual([])
})

test('a secret goes out with the call, and stands nowhere else, whatever is answered', async () => {
  await database.transaction({ role: 'app', tenantId }, tx =>
    addSecret(tx, uuids, sealer, { tenantId, name: 'TOKEN', value: secretValue }),
  )
  let sent = ''
  answers = (path, request) => {
    sent = request.headers.get('authorization') ?? ''
    const said = { got: Object.fromEntries(request.headers) }
    return Response.json(said, { status: path === '/refuses' ? 403 : 200, headers: { etag: sent } })
  }
  const headers = { Authorization: { secret: 'TOKEN', prefix: 'Bearer ' }, 'X-Other': '1' }
  const ids = [
    await queue({ method: 'GET', url: at('/echoes'), headers }),
    await queue({ method: 'GET', url: at('/refuses'), headers }),
  ]
  start()
  const [echoed, refused] = [await resultOf(ids[0] ?? ''), await resultOf(ids[1] ?? '')]
  expect(sent).toBe(`Bearer ${secretValue}`)
  expect(JSON.stringify(echoed)).toContain('Bearer ••••')
  expect(echoed).toMatchObject({ value: { headers: { 'content-type': expect.any(String) } } })
  expect(refused).toMatchObject({ ok: false, code: 'http_403', message: expect.stringContaining('••••') })
  expect(await everything()).not.toContain(secretValue)
  expect(await everything()).not.toContain(Buffer.from(secretValue).toString('hex'))
  expect(await everything()).toContain('TOKEN')
})

/** All rows of all tables, as text. */
async function everything(): Promise<string> {
  const tables: { name: string }[] = await admin`select tablename as name from pg_tables where schemaname = 'public'`
  const rows = await Promise.all(tables.map(({ name }) => admin.unsafe(`select t::text as row from ${name} t`)))
  // Texts of JSON have their quotes and backslashes written twice.
  return rows
    .flat()
    .map((row: { row: string }) => row.row.replace(/\\(.)/g, '$1').replaceAll('""', '"'))
    .join('\n')
}

test('a secret that is not there, is of another tenant, or cannot be opened ends the call before it is made', async () => {
  const other = await addTenant()
  for (const [tenant, name, key] of [
    [other, 'THEIRS', sealer],
    [tenantId, 'OLD', makeSealer('another-encryption-key-of-32-bytes-or-more')],
  ] as const)
    await database.transaction({ role: 'app', tenantId: tenant }, tx =>
      addSecret(tx, uuids, key, { tenantId: tenant, name, value: secretValue }),
    )
  const ask = (secret: string) => queue({ method: 'GET', url: at('/'), headers: { a: { secret } } })
  const ids = [await ask('NONE'), await ask('THEIRS'), await ask('OLD')]
  start()
  const codes = await Promise.all(ids.map(async id => Reflect.get(Object(await resultOf(id)), 'code')))
  expect(codes).toEqual(['unknown_secret', 'unknown_secret', 'unreadable_secret'])
  expect(seen).toEqual([])
})

test('what was refused for now is asked again under the same key, as often as that is of use', async () => {
  answers = (path, _request, times) => {
    if (path === '/soon') return times === 1 ? new Response('', { status: 503 }) : new Response('done')
    return new Response('busy', { status: path === '/busy' ? 429 : 502, headers: { 'retry-after': '1' } })
  }
  const soon = await queue({ method: 'POST', url: at('/soon'), body: '1' })
  const busy = await queue({ method: 'POST', url: at('/busy'), body: '2' })
  const between = await queue({ method: 'POST', url: at('/between'), body: '3' })
  const away = await queue({ method: 'POST', url: 'http://127.0.0.1:9/', body: '4' })
  start()
  expect(await resultOf(soon)).toMatchObject({ ok: true, value: { body: 'done' } })
  expect(await resultOf(busy)).toMatchObject({ ok: false, code: 'http_429' })
  // Somebody in between got no answer: the thing may have been done.
  expect(await resultOf(between)).toMatchObject({ ok: false, code: 'http_502' })
  expect(await resultOf(away)).toMatchObject({ ok: false, code: 'no_connection' })
  const tries = (path: string) => seen.filter(one => one.path === path).map(one => one.key)
  expect([tries('/soon'), tries('/busy'), tries('/between')]).toEqual([[soon, soon], [busy, busy, busy], [between]])
}, 20_000)

test('a wait that is asked for is kept within bounds: one that is too long ends the call', async () => {
  answers = () => new Response('', { status: 503, headers: { 'retry-after': '86400' } })
  const id = await queue({ method: 'GET', url: at('/') })
  const late = await queue({ method: 'GET', url: at('/late') })
  await admin`update calls set started_at = now() - interval '100 seconds', attempts = 1 where id = ${late}`
  start()
  expect(await resultOf(late)).toMatchObject({ code: 'http_503' })
  await until(async () => seen.length === 2)
  const [row] = await admin`select state, due_at - now() as wait, due_at < now() + interval '61 seconds' as is_soon
    from calls where id = ${id}`
  expect(row).toMatchObject({ state: 'queued', is_soon: true })
})

test('a call whose answer never came is unknown, and not made again; one that only reads is', async () => {
  answers = () => held.then(() => new Response('late'))
  const asked: string[] = []
  const breaking = createServer(socket => {
    socket.once('data', data => {
      const path = String(data).split(' ')[1] ?? ''
      asked.push(path)
      if (asked.filter(other => other === path).length === 1) socket.destroy()
      else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone')
    })
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => breaking.once('listening', resolve))
  const address = breaking.address()
  const broken = (path: string) => `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}${path}`
  const post = await queue({ method: 'POST', url: broken('/post'), body: '1' })
  const put = await queue({ method: 'PUT', url: at('/slow'), body: '1', timeout: '1s' })
  const get = await queue({ method: 'GET', url: broken('/get') })
  start()
  expect(await resultOf(post)).toMatchObject({ ok: false, code: 'unknown' })
  expect(await resultOf(put)).toMatchObject({ ok: false, code: 'unknown' })
  expect(await resultOf(get)).toMatchObject({ ok: true, value: { body: 'done' } })
  expect(asked.sort()).toEqual(['/get', '/get', '/post'])
  expect(seen.length).toBe(1)
  breaking.close()
})

test('a private address is refused before anything is sent', async () => {
  const id = await queue({ method: 'GET', url: at('/') })
  start({ fetch: makeGuardedFetch({ allowsPrivate: false }) })
  expect(await resultOf(id)).toMatchObject({ ok: false, code: 'address_refused' })
  expect(seen).toEqual([])
})

test('what a process that died has left behind is made again where it only reads, and is unknown where it does not', async () => {
  const get = await queue({ method: 'GET', url: at('/get') })
  const post = await queue({ method: 'POST', url: at('/post'), body: '1' })
  // A process takes both, and is gone before it has said anything.
  const bounds = { limit: 10, perTenantMax: 10, leaseMs: 60_000 }
  expect((await database.transaction(worker, tx => claimCalls(tx, newCallCursor(), bounds))).calls.length).toBe(2)
  const early = start()
  await Bun.sleep(100)
  expect(await waiting()).toEqual([
    { state: 'running', attempts: 1 },
    { state: 'running', attempts: 1 },
  ])
  await early.stop()
  await admin`update calls set due_at = now()`
  start()
  expect(await resultOf(get)).toMatchObject({ ok: true })
  expect(await resultOf(post)).toMatchObject({ ok: false, code: 'unknown' })
  expect(seen.map(one => one.path)).toEqual(['/get'])
})

test('a process that is alone knows at its start that what is being made is left over', async () => {
  const get = await queue({ method: 'GET', url: at('/get') })
  await database.transaction(worker, tx =>
    claimCalls(tx, newCallCursor(), { limit: 10, perTenantMax: 10, leaseMs: 60_000 }),
  )
  start({ isAlone: true })
  expect(await resultOf(get)).toMatchObject({ ok: true })
})

test('a try that was taken for dead has no say any more', async () => {
  const id = await queue({ method: 'GET', url: at('/') })
  const claim = () =>
    database.transaction(worker, tx => claimCalls(tx, newCallCursor(), { limit: 1, perTenantMax: 1, leaseMs: 60_000 }))
  const end = (attempts: number) =>
    database.transaction(worker, tx => endCalls(tx, uuids, [{ id, attempts, result: { ok: true, value: attempts } }]))
  await claim()
  const again = (attempts: number) =>
    database.transaction(worker, tx => requeueCalls(tx, [{ id, attempts, waitMs: 0 }]))
  await again(1)
  await claim()
  await again(1)
  expect(await end(1)).toBe(0)
  expect(await waiting()).toEqual([{ state: 'running', attempts: 2 }])
  expect(await end(2)).toBe(1)
  expect(await end(2)).toBe(0)
  expect([...(await results()).values()]).toEqual([{ ok: true, value: 2 }])
})

test('a stop in the middle of calls loses none: what only reads waits for the next start, the others are unknown', async () => {
  answers = () => held.then(() => new Response('late'))
  const get = await queue({ method: 'GET', url: at('/get'), timeout: '30s' })
  const post = await queue({ method: 'POST', url: at('/post'), body: '1', timeout: '30s' })
  const loop = start()
  await until(async () => seen.length === 2)
  await loop.stop()
  expect(await resultOf(post)).toMatchObject({ ok: false, code: 'unknown' })
  expect((await waiting()).map((row: { state?: string }) => row.state)).toEqual(['queued'])
  answers = () => new Response('done')
  start()
  expect(await resultOf(get)).toMatchObject({ ok: true, value: { body: 'done' } })
}, 15_000)

test('an answer that comes while the database is away is kept until it is back', async () => {
  const proxy = await startDatabaseProxy(created.connection)
  const reached = openDatabase(proxy.connection, makeMetrics())
  answers = () => held.then(() => new Response('done'))
  const id = await queue({ method: 'POST', url: at('/'), body: '1', timeout: '30s' })
  const loop = start({ database: reached })
  await until(async () => seen.length === 1)
  await proxy.cut()
  release()
  await Bun.sleep(700)
  expect((await results()).size).toBe(0)
  await proxy.mend()
  expect(await resultOf(id)).toMatchObject({ ok: true, value: { body: 'done' } })
  await loop.stop()
  await reached.close()
  await proxy.cut()
  expect(seen.length).toBe(1)
}, 15_000)

test('several processes make each call once', async () => {
  answers = async () => {
    await Bun.sleep(2)
    return new Response('done')
  }
  const ids: string[] = []
  const tenants = [tenantId, await addTenant(), await addTenant()]
  for (let index = 0; index < 150; index++)
    ids.push(await queue({ method: 'POST', url: at(`/${index}`), body: '1' }, tenants[index % 3]))
  for (let index = 0; index < 3; index++) start()
  await until(async () => (await results()).size === ids.length)
  expect(seen.map(one => one.key).sort()).toEqual(ids.sort())
  expect((await admin`select count(*)::int as n from inbox`)[0].n).toBe(ids.length)
})

test("a tenant whose address hangs has a share, and delays nobody else's calls", async () => {
  answers = path => (path === '/hangs' ? held.then(() => new Response('late')) : new Response('done'))
  for (let index = 0; index < 40; index++) await queue({ method: 'GET', url: at('/hangs'), timeout: '30s' })
  const other = await addTenant()
  start()
  start()
  await until(async () => underWay === 10)
  const ids = await Promise.all(
    Array.from({ length: 30 }, (_, index) => queue({ method: 'GET', url: at(`/${index}`) }, other)),
  )
  for (const id of ids) expect(await resultOf(id)).toMatchObject({ ok: true })
  expect(seen.filter(one => one.path === '/hangs').length).toBe(10)
  release()
  await until(async () => (await results()).size === 70)
  expect(underWayMost).toBeLessThanOrEqual(20)
})

test('a call of a handler that this version does not know ends', async () => {
  const id = await queue({ method: 'GET', url: at('/') })
  await admin`update calls set handler = 'other.thing' where id = ${id}`
  start()
  expect(await resultOf(id)).toMatchObject({ ok: false, code: 'unexpected' })
})
