import { afterAll, beforeAll, expect, test } from 'bun:test'
import pino from 'pino'
import { at, openTestGateway, type TestGateway, textAt } from '../../test/support/gateway.ts'
import { readSettings } from '../config.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { openDatabase } from '../stores/postgres/database.ts'
import { makeGateway } from './gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

test('an address that is not there is a 404, with and without a token', async () => {
  const owner = await gateway.addCaller()
  for (const path of ['/', '/api', '/api/nothing', '/api/products/1/2/3']) {
    expect((await gateway.call('GET', path)).status).toBe(404)
    const answer = await gateway.call('GET', path, { as: owner })
    expect(answer.json).toMatchObject({ type: '/problems/not_found', status: 404, detail: expect.any(String) })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
  }
})

test('a method that an address does not take is a 405 that names those it takes', async () => {
  const answer = await gateway.call('PATCH', '/api/products')
  expect(answer.status).toBe(405)
  expect(answer.headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'HEAD', 'POST'])
  expect(at(answer, 'request_id')).toBe(answer.headers.get('x-request-id'))
})

test('a request id is taken where it is a sane one, and comes back on every answer', async () => {
  const given = await gateway.call('GET', '/health', { headers: { 'x-request-id': 'abc-123' } })
  expect(given.headers.get('x-request-id')).toBe('abc-123')
  const refused = await gateway.call('GET', '/api/me', { headers: { 'x-request-id': 'abc-124' } })
  expect(at(refused, 'request_id')).toBe('abc-124')
  for (const insane of ['<script>', 'x'.repeat(500), 'a b']) {
    const answer = await gateway.call('GET', '/health', { headers: { 'x-request-id': insane } })
    expect(answer.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
  }
})

test('every answer forbids sniffing, framing and scripts', async () => {
  for (const path of ['/health', '/api/me', '/nothing', '/docs', '/openapi.json']) {
    const { headers } = await gateway.call('GET', path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  }
})

test('what is no token of ours lets nobody in', async () => {
  const { token } = await gateway.addCaller()
  const [head, body, signature] = token.split('.')
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
  const tokens = ['', 'x', `${head}.${body}.`, `${none}.${body}.`, `${none}.${body}.${signature}`, `${token}x.y`]
  for (const wrong of tokens) {
    const answer = await gateway.call('GET', '/api/me', { headers: { authorization: `Bearer ${wrong}` } })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  }
  expect((await gateway.call('GET', '/api/me', { headers: { authorization: token } })).status).toBe(401)
})

test('a body that is too large is refused, said in advance or not', async () => {
  const owner = await gateway.addCaller()
  const large = JSON.stringify({ name: 'x'.repeat(1024 * 1024) })
  expect((await gateway.call('POST', '/api/flows', { as: owner, body: large })).status).toBe(413)
  const chunk = new TextEncoder().encode(' '.repeat(64 * 1024))
  let sent = 0
  const stream = new ReadableStream({
    pull(controller) {
      sent += chunk.length
      controller.enqueue(chunk)
    },
  })
  const headers = { authorization: `Bearer ${owner.token}`, 'content-type': 'application/json' }
  const answer = await gateway.fetch('/api/flows', { method: 'POST', headers, body: stream })
  expect(answer.status).toBe(413)
  expect(sent).toBeLessThan(2 * 1024 * 1024)
})

test('a body of another type is a 415, one that is not JSON or nested without end a 400', async () => {
  const as = await gateway.addCaller()
  const post = (body: string, type: string) =>
    gateway.call('POST', '/api/flows', { as, body, headers: { 'content-type': type } })
  expect((await post('name=x', 'application/x-www-form-urlencoded')).status).toBe(415)
  expect((await post('{"name":', 'application/json')).status).toBe(400)
  expect((await post('', 'application/json')).status).toBe(400)
  expect((await post('['.repeat(300_000), 'application/json')).status).toBe(400)
  expect(
    (await post(`{"name":"x","deep":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'application/json')).status,
  ).toBe(400)
  expect((await post('{"name":"x","number":1e999}', 'application/json')).status).toBe(400)
  expect((await post('[]', 'application/json; charset=utf-8')).status).toBe(422)
})

test('a list is no body, wherever one is taken', async () => {
  const as = await gateway.addCaller()
  const paths = Object.entries(gateway.api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody }]) =>
      JSON.stringify(requestBody ?? null).includes('application/json') ? [{ method, path }] : [],
    ),
  )
  expect(paths.length).toBeGreaterThan(20)
  for (const { method, path } of paths) {
    const address = path.replace('{id}', crypto.randomUUID())
    const answer = await gateway.call(method.toUpperCase(), address, { as, body: [] })
    expect([address, answer.status]).toEqual([address, 422])
  }
})

test('texts that PostgreSQL cannot hold are stored all the same', async () => {
  const as = await gateway.addCaller()
  const body = '{"name":"a\\u0000b","steps":{"\\ud800":"\\udfff"}}'
  const made = await gateway.call('POST', '/api/flows', { as, body })
  expect(made.status).toBe(201)
  expect(at(made, 'document')).toEqual({ name: 'a\ufffdb', steps: { '\ufffd': '\ufffd' } })
})

test('a character is a code point: an emoji counts once', async () => {
  const as = await gateway.addCaller()
  const add = (name: string) => gateway.call('POST', '/api/sellers', { as, body: { name } })
  const made = await add('🙂'.repeat(200))
  expect([made.status, at(made, 'name')]).toEqual([201, '🙂'.repeat(200)])
  expect((await add('🙂'.repeat(201))).status).toBe(422)
  expect((await add('x'.repeat(201))).status).toBe(422)
})

test('a limit or a cursor that is none is refused by name', async () => {
  const as = await gateway.addCaller()
  const wrong = {
    limit: ['0', '101', '-1', '1.5', 'x', ''],
    cursor: ['x', 'e30', Buffer.from('["x"]').toString('base64url')],
  }
  for (const [name, values] of Object.entries(wrong))
    for (const value of values)
      for (const list of ['products', 'customers', 'orders', 'bots', 'flows', 'conversations']) {
        const answer = await gateway.call('GET', `/api/${list}?${name}=${value}`, { as })
        expect(answer.status).toBe(422)
        expect(at(answer, 'errors.0.path')).toBe(name)
      }
})

test('the health is answered at both addresses, 503 while degraded', async () => {
  for (const path of ['/health', '/api/health']) {
    const answer = await gateway.call('GET', path)
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ status: 'ok', database: 'embedded' })
  }
  const degraded = makeGateway({
    ...gateway,
    health: async () => ({ ...(await gateway.health()), status: 'degraded', database: 'disconnected' }),
  })
  expect((await degraded.fetch(new Request('http://gateway.test/health'))).status).toBe(503)
})

test('requests are counted under the pattern of their route, never under what was written', async () => {
  const as = await gateway.addCaller()
  await gateway.call('GET', `/api/products/${crypto.randomUUID()}`, { as })
  await gateway.call('GET', '/api/secret-address-1')
  await gateway.call('GET', '/api/products/secret-address-2', { as })
  const { text } = await gateway.call('GET', '/metrics')
  expect(text).toContain('http_requests_total{method="GET",status="404",endpoint="/api/products/:id"}')
  expect(text).toContain('endpoint="unmatched"')
  expect(text).not.toContain('secret-address')
})

test('a database that is away is a 503, and a defect a 500 that tells nothing of the inside', async () => {
  const as = await gateway.addCaller()
  const database = openDatabase({ ...gateway.connection, host: '/nowhere' }, makeMetrics())
  const refuse = () => Promise.reject(new Error('secret of the inside'))
  const broken = {
    away: makeGateway({ ...gateway, database, log: gateway.log.child({}, { level: 'silent' }) }),
    defect: makeGateway({
      ...gateway,
      database: { ...gateway.database, transaction: refuse, read: refuse },
      log: gateway.log.child({}, { level: 'silent' }),
    }),
  }
  const ask = (which: keyof typeof broken) =>
    broken[which].fetch(new Request('http://gateway.test/api/me', { headers: { authorization: `Bearer ${as.token}` } }))
  const away = await ask('away')
  expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1'])
  const defect = await ask('defect')
  expect(defect.status).toBe(500)
  expect(await defect.text()).not.toContain('secret')
})

test('the API document is OpenAPI 3.1, and each of its references leads somewhere', async () => {
  expect(gateway.api.openapi).toStartWith('3.1')
  const text = JSON.stringify(gateway.api)
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(match => match[1] ?? '')
  expect(references.length).toBeGreaterThan(50)
  expect(references.filter(name => !(name in gateway.api.components.schemas))).toEqual([])
  const operations = Object.values(gateway.api.paths).flatMap(methods => Object.values(methods))
  for (const { responses } of operations) expect(Object.keys(responses).length).toBeGreaterThan(0)
})

test('each operation has a name of its own, for clients that are made from the document', () => {
  const operations = Object.values(gateway.api.paths).flatMap(methods => Object.values(methods))
  const names = operations.map(operation => operation.operationId)
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^[a-z]+([A-Z][a-z]+)*$/)
})

test('every answer has the headers that the document promises, a refused one too', async () => {
  const as = await gateway.addCaller()
  const { headers } = gateway.api.paths['/api/products']?.get?.responses['200'] ?? {}
  expect(Object.keys(headers ?? {})).toEqual([
    'X-Request-Id',
    'RateLimit-Limit',
    'RateLimit-Remaining',
    'RateLimit-Reset',
    'ETag',
  ])
  // `call` holds what it gets against the document.
  const answers = [
    await gateway.call('GET', '/api/products', { as }),
    await gateway.call('GET', '/api/products?limit=0', { as }),
    await gateway.call('GET', '/api/products'),
    await gateway.call('POST', '/api/products', { as, body: {} }),
    await gateway.call('GET', '/health'),
  ]
  expect(answers.map(answer => answer.status)).toEqual([200, 422, 401, 422, 200])
})

test('the page that shows it asks nobody else, and runs nothing but its own script', async () => {
  const { text, headers } = await gateway.call('GET', '/docs')
  expect(text).not.toMatch(/(src|href)="?(https?:)?\/\//)
  const script = /<script>([\s\S]*)<\/script>/.exec(text)?.[1] ?? ''
  const hash = new Bun.CryptoHasher('sha256').update(script).digest('base64')
  expect(headers.get('content-security-policy')).toContain(`script-src 'sha256-${hash}'`)
  expect(() => new Function(script)).not.toThrow()
})

test('a POST without a body is taken where the body may be left out', async () => {
  const as = await gateway.addCaller()
  const path = `/api/conversations/${crypto.randomUUID()}/close`
  expect(textAt(await gateway.call('POST', path, { as }), 'type')).toBe('/problems/not_found')
  expect((await gateway.call('POST', path, { as, body: { reason: 1 } })).status).toBe(422)
})

test('pages of the origins that are set may call the API, and no others', async () => {
  const config = {
    ...readSettings({ CORS_ORIGINS: 'https://shop.example' }),
    JWT_SECRET: 'of-this-test-alone-32-bytes-long',
  }
  const { fetch } = makeGateway({ ...gateway, config })
  const ask = async (method: string, origin: string) => {
    const asked = { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'if-match' }
    const { status, headers } = await fetch(new Request('http://gateway.test/api/products', { method, headers: asked }))
    return { status, origin: headers.get('access-control-allow-origin'), headers }
  }
  const preflight = await ask('OPTIONS', 'https://shop.example')
  expect([preflight.status, preflight.origin]).toEqual([204, 'https://shop.example'])
  expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT')
  expect(preflight.headers.get('access-control-allow-headers')).toContain('if-match')
  const call = await ask('GET', 'https://shop.example')
  expect([call.status, call.origin]).toEqual([401, 'https://shop.example'])
  expect(call.headers.get('access-control-expose-headers')).toContain('etag')
  expect((await ask('GET', 'https://other.example')).origin).toBeNull()
  const unset = await gateway.fetch('/api/products', { headers: { origin: 'https://shop.example' } })
  expect(unset.headers.get('access-control-allow-origin')).toBeNull()
})

test('a request that is slow is logged by its route, without what was asked', async () => {
  const lines: string[] = []
  const log = pino({}, { write: line => void lines.push(line) })
  const config = { ...readSettings({ SLOW_REQUEST_MS: '30' }), JWT_SECRET: 'of-this-test-alone-32-bytes-long' }
  const health = () => Bun.sleep(60).then(gateway.health)
  const { fetch } = makeGateway({ ...gateway, config, log, health })
  await fetch(new Request('http://gateway.test/docs?q=secret-words'))
  expect(lines).toEqual([])
  await fetch(new Request('http://gateway.test/api/health?q=secret-words'))
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    method: 'GET',
    endpoint: '/api/health',
    msg: 'a request was slow',
  })
  expect(lines[0]).not.toContain('secret-words')
})

test('a query is refused where none is taken, after it is known who asks', async () => {
  const as = await gateway.addCaller()
  const path = `/api/products/${crypto.randomUUID()}?colour=red`
  expect((await gateway.call('GET', path)).status).toBe(401)
  for (const [method, address, body] of [
    ['GET', path, undefined],
    ['GET', '/api/me?colour=red', undefined],
    ['DELETE', path, undefined],
    ['POST', '/api/products?colour=red', { sku: 'a', name: 'A', price_minor: 1, currency: 'EUR' }],
  ] as const) {
    const refused = await gateway.call(method, address, { as, ...(body && { body }) })
    expect([address, refused.status, at(refused, 'errors.0.path')]).toEqual([address, 422, 'colour'])
  }
  const login = await gateway.call('POST', '/api/auth/login?colour=red', {
    body: { email: 'a@b.example', password: 'x' },
  })
  expect([login.status, at(login, 'errors.0.path')]).toEqual([422, 'colour'])
})
