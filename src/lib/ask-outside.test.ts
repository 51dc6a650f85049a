import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { createServer, type Server } from 'node:net'
import { type Asked, askOutside, type OutsideRequest } from './ask-outside.ts'
import { type Fetch, makeGuardedFetch } from './guarded-fetch.ts'

// Real servers on this machine, asked as an address that a tenant wrote would be.

type Seen = { readonly path: string; readonly method: string; readonly headers: Headers; readonly body: string }

let server: ReturnType<typeof Bun.serve>
let other: ReturnType<typeof Bun.serve>
let dropping: Server
let seen: Seen[] = []
const never = new AbortController().signal
const open = makeGuardedFetch({ allowsPrivate: true })

beforeAll(async () => {
  const note = async (request: Request): Promise<URL> => {
    const url = new URL(request.url)
    const { method, headers } = request
    seen.push({ path: url.pathname, method, headers, body: await request.text() })
    return url
  }
  other = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async request => new Response((await note(request)).pathname),
  })
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: async request => answer(await note(request)) })
  dropping = createServer(socket => void socket.once('data', () => socket.destroy())).listen(0, '127.0.0.1')
  await new Promise(resolve => dropping.once('listening', resolve))
})
afterAll(async () => {
  await Promise.all([server.stop(true), other.stop(true)])
  dropping.close()
})
beforeEach(() => {
  seen = []
})

async function answer(url: URL): Promise<Response> {
  const to = url.searchParams.get('to')
  if (to !== null) return new Response(null, { status: Number(url.pathname.slice(1)), headers: { location: to } })
  const hops = Number(/^\/hops\/(\d+)/.exec(url.pathname)?.[1] ?? 0)
  if (hops > 0) return new Response(null, { status: 302, headers: { location: `/hops/${hops - 1}` } })
  switch (url.pathname) {
    case '/large':
      return new Response('x'.repeat(5_000))
    case '/endless':
      return new Response(new ReadableStream({ pull: controller => controller.enqueue(new Uint8Array(1_000)) }))
    case '/packed':
      return new Response(Bun.gzipSync(Buffer.from('unpacked')), { headers: { 'content-encoding': 'gzip' } })
    case '/bomb':
      return new Response(Bun.gzipSync(new Uint8Array(10_000_000)), { headers: { 'content-encoding': 'gzip' } })
    case '/odd':
      return new Response('x', { headers: { 'content-encoding': 'compress' } })
    case '/latin1':
      return new Response(Buffer.from('Bogotá', 'latin1'), {
        headers: { 'content-type': 'text/plain; charset=latin1' },
      })
    case '/slow':
      await Bun.sleep(3_000)
  }
  return new Response('here', { status: url.pathname === '/503' ? 503 : 200 })
}

function request(url: string, more: Partial<OutsideRequest> = {}): OutsideRequest {
  return {
    ...{ method: 'GET', url, headers: {}, secretHeaders: new Set(), body: null },
    ...{ timeoutMs: 2_000, redirectsMax: 3, answerBytesMax: 1_024 },
    ...more,
  }
}

const at = (path: string) => `http://127.0.0.1:${server.port}${path}`
const ask = (path: string, more: Partial<OutsideRequest> = {}, fetch: Fetch = open): Promise<Asked> =>
  askOutside(fetch, request(at(path), more), never)
const away = () => encodeURIComponent(`http://localhost:${other.port}/end`)

test('what is asked goes out as it is, and comes back with its status', async () => {
  const asked = await ask('/503', { method: 'POST', body: 'b', headers: { 'X-Own': '1' } })
  expect(asked).toMatchObject({ kind: 'answered', status: 503, text: 'here', wasTaken: false })
  expect(seen[0]).toMatchObject({ method: 'POST', body: 'b' })
  expect(seen[0]?.headers.get('x-own')).toBe('1')
})

test('an answer is read up to its bound, and no further', async () => {
  const tooLarge = { kind: 'failed', code: 'answer_too_large', wasTaken: true } as const
  for (const path of ['/large', '/endless']) expect(await ask(path)).toMatchObject(tooLarge)
  // Ten kilobytes as they come.
  expect(await ask('/bomb', { answerBytesMax: 100_000 })).toMatchObject(tooLarge)
  expect(await ask('/large', { answerBytesMax: 5_000 })).toMatchObject({ kind: 'answered' })
  for (const path of ['/large', '/endless', '/bomb'])
    expect(await ask(path, { cutsAnswer: true })).toMatchObject({ kind: 'answered', status: 200 })
  expect(await ask('/large', { cutsAnswer: true, answerBytesMax: 3 })).toMatchObject({ text: 'xxx' })
})

test('an answer is unpacked, and read in its own alphabet', async () => {
  expect(await ask('/packed')).toMatchObject({ text: 'unpacked' })
  expect(await ask('/latin1')).toMatchObject({ text: 'Bogotá' })
  expect(await ask('/odd')).toMatchObject({ kind: 'failed', code: 'unreadable_answer' })
})

test('it is told whether what was asked can have been done', async () => {
  const post = { method: 'POST', body: 'b' }
  expect(await askOutside(open, request('http://127.0.0.1:9/', post), never)).toEqual({
    ...{ kind: 'failed', code: 'no_connection', wasTaken: false },
    message: '127.0.0.1:9 cannot be reached (ECONNREFUSED).',
  })
  expect(await askOutside(open, request('http://nowhere.invalid/', post), never)).toMatchObject({
    code: 'no_connection',
    wasTaken: false,
  })
  expect(await askOutside(open, request(`https://127.0.0.1:${server.port}/`, post), never)).toMatchObject({
    code: 'bad_certificate',
    wasTaken: false,
  })
  const address = dropping.address()
  const port = typeof address === 'object' ? address?.port : 0
  expect(await askOutside(open, request(`http://127.0.0.1:${port}/`, post), never)).toMatchObject({
    code: 'connection_lost',
    wasTaken: true,
  })
  expect(await ask('/slow', { ...post, timeoutMs: 50 })).toMatchObject({ code: 'timeout', wasTaken: true })
})

test('a stop ends it', async () => {
  const stop = new AbortController()
  const asking = askOutside(open, request(at('/slow')), stop.signal)
  setTimeout(() => stop.abort(), 30)
  expect(await asking).toMatchObject({ kind: 'failed', code: 'stopped' })
  seen = []
  expect(await askOutside(open, request(at('/slow')), stop.signal)).toMatchObject({ code: 'stopped' })
  expect(seen).toEqual([])
})

test('a name that is never found ends with the time for it', async () => {
  const hangs: Fetch = () => new Promise(() => undefined)
  expect(await ask('/', { timeoutMs: 20 }, hangs)).toMatchObject({ code: 'timeout' })
})

test('a redirect to another origin takes no secrets there, and one to the same keeps them', async () => {
  const headers = { Authorization: 'Bearer 1', 'X-Key': '2', 'X-Own': '3' }
  const secretHeaders = new Set(['x-key'])
  expect(await ask(`/302?to=${away()}`, { headers, secretHeaders })).toMatchObject({ text: '/end' })
  expect(await ask('/302?to=/end', { headers, secretHeaders })).toMatchObject({ text: 'here' })
  const shown = seen.map(one => ['authorization', 'x-key', 'x-own'].map(name => one.headers.get(name)))
  const all = ['Bearer 1', '2', '3']
  expect(shown).toEqual([all, [null, null, '3'], all, all])
})

test('after a redirect a POST is a GET and counts as done, unless it is to be repeated', async () => {
  const post = { method: 'POST', body: 'b', headers: { 'content-type': 'text/plain' } }
  for (const status of [302, 303]) expect(await ask(`/${status}?to=/503`, post)).toMatchObject({ wasTaken: true })
  for (const status of [307, 308]) expect(await ask(`/${status}?to=/503`, post)).toMatchObject({ wasTaken: false })
  expect(await ask('/303?to=http://127.0.0.1:9/', post)).toMatchObject({ code: 'no_connection', wasTaken: true })
  const ends = seen.filter(one => one.path === '/503').map(({ method, body }) => `${method} ${body}`)
  expect(ends).toEqual(['GET ', 'GET ', 'POST b', 'POST b'])
})

test('redirects come to an end, and are not followed where none are wanted', async () => {
  expect(await ask('/hops/3')).toMatchObject({ text: 'here' })
  expect(await ask('/hops/4')).toMatchObject({ code: 'too_many_redirects' })
  expect(seen.map(one => one.path)).toEqual([3, 2, 1, 0, 4, 3, 2, 1].map(hops => `/hops/${hops}`))
  expect(await ask('/302?to=/end', { redirectsMax: 0 })).toMatchObject({ kind: 'answered', status: 302 })
})

test('what leads from a public address to a private one is refused before it is asked', async () => {
  const guarded = makeGuardedFetch({ allowsPrivate: false })
  // The first server stands for one of the internet: it alone is asked without the guard.
  const fetch: Fetch = (url, init) => (url.startsWith(at('/')) ? open(url, init) : guarded(url, init))
  for (const to of [away(), 'http://169.254.169.254/latest/meta-data', 'http://[::1]/', 'http://2130706433/'])
    expect(await ask(`/302?to=${to}`, {}, fetch)).toMatchObject({ code: 'address_refused', wasTaken: false })
  expect(seen.map(one => one.path)).toEqual(['/302', '/302', '/302', '/302'])
})
