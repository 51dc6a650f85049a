import { afterAll, beforeAll, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isPublicAddress, makeGuardedFetch, UnsafeAddress } from './guarded-fetch.ts'

const guarded = makeGuardedFetch({ allowsPrivate: false })
const open = makeGuardedFetch({ allowsPrivate: true })

let server: ReturnType<typeof Bun.serve>
let other: ReturnType<typeof Bun.serve>
let asked: { path: string; method: string; authorization: string | null; body: string }[] = []

beforeAll(() => {
  const note = async (request: Request) => {
    const { pathname } = new URL(request.url)
    const { method, headers } = request
    asked.push({ path: pathname, method, authorization: headers.get('authorization'), body: await request.text() })
    return pathname
  }
  other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: async request => new Response(await note(request)) })
  server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    async fetch(request) {
      const path = await note(request)
      const [, status, where] = path.split('/')
      if (where === undefined) return new Response('here')
      const location = where === 'away' ? `http://localhost:${other.port}/end` : where === 'loop' ? path : '/end'
      return new Response(null, { status: Number(status), headers: { location } })
    },
  })
})
afterAll(() => Promise.all([server.stop(true), other.stop(true)]))

test('private, loopback, link-local, documentation and multicast addresses are not public', () => {
  for (const address of [
    ...['127.0.0.1', '10.1.2.3', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
    ...['224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fc00::1', 'fd12::1', '::ffff:127.0.0.1'],
    ...['::ffff:7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1', 'ff02::1', 'localhost', ''],
  ])
    expect([address, isPublicAddress(address)]).toEqual([address, false])
  for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111'])
    expect([address, isPublicAddress(address)]).toEqual([address, true])
})

test('no text is taken for a public address that is no address', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      fc.pre(!/^[\da-f.:]+$/i.test(text))
      expect(isPublicAddress(text)).toBe(false)
    }),
  )
})

test('a private address is refused before it is asked, in every way of writing it', async () => {
  asked = []
  const { port } = server
  for (const host of [
    '127.0.0.1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0',
  ])
    await expect(guarded(`http://${host}:${port}/`, {})).rejects.toBeInstanceOf(UnsafeAddress)
  for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'nonsense'])
    await expect(guarded(url, {})).rejects.toBeInstanceOf(UnsafeAddress)
  expect(asked).toEqual([])
})

test('a redirect to another host takes no credentials there, and to the same one keeps them', async () => {
  asked = []
  const headers = { authorization: 'Basic secret' }
  expect(await (await open(`http://127.0.0.1:${server.port}/302/away`, { headers })).text()).toBe('/end')
  expect(await (await open(`http://127.0.0.1:${server.port}/307/end`, { headers })).text()).toBe('here')
  expect(asked.map(one => one.authorization)).toEqual(['Basic secret', null, 'Basic secret', 'Basic secret'])
})

test('a POST that is redirected is repeated where the redirect says so, and else becomes a GET', async () => {
  asked = []
  for (const status of [303, 307])
    await open(`http://127.0.0.1:${server.port}/${status}/end`, { method: 'POST', body: 'b' })
  expect(asked.map(({ method, body }) => `${method} ${body}`)).toEqual(['POST b', 'GET ', 'POST b', 'POST b'])
})

test('redirects come to an end', async () => {
  await expect(open(`http://127.0.0.1:${server.port}/302/loop`, {})).rejects.toBeInstanceOf(UnsafeAddress)
})

test('a name is looked up once, and where it leads then is asked: it cannot lead elsewhere a moment later', async () => {
  asked = []
  let looks = 0
  const rebinding = async () => [looks++ === 0 ? '1.1.1.1' : '127.0.0.1']
  const fetch = makeGuardedFetch({ allowsPrivate: false, resolve: rebinding })
  // The public address is not ours: whatever becomes of asking it, this machine is not asked.
  const asking = fetch(`http://rebinds.test:${server.port}/`, { signal: AbortSignal.timeout(300) })
  await expect(asking).rejects.not.toBeInstanceOf(UnsafeAddress)
  expect(looks).toBe(1)
  await expect(fetch(`http://rebinds.test:${server.port}/`, {})).rejects.toBeInstanceOf(UnsafeAddress)
  expect(asked).toEqual([])
})

test('a name that has a private address among others is refused', async () => {
  const resolve = async () => ['1.1.1.1', '10.0.0.1']
  const fetch = makeGuardedFetch({ allowsPrivate: false, resolve })
  await expect(fetch('http://both.test/', {})).rejects.toBeInstanceOf(UnsafeAddress)
})
