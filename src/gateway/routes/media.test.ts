import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Answer,
  at,
  type Caller,
  openTestGateway,
  type TestGateway,
  textAt,
} from '../../../test/support/gateway.ts'
import { receiveWithMedia } from '../../messaging/receive-media.ts'
import { connect } from '../../stores/postgres/database.ts'

let gateway: TestGateway
let owner: Caller
let botId: string

beforeAll(async () => {
  gateway = await openTestGateway()
  owner = await gateway.addCaller()
  botId = await addBot(owner)
})
afterAll(() => gateway.close())

const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.from('a picture')])
const megabyte = 1_048_576
let numbers = 900_000_000_000
let phones = 573009000000

async function addBot(as: Caller): Promise<string> {
  const config = { phone_number_id: String(numbers++), access_token: 'a', app_secret: 'b', verify_token: 'c' }
  return textAt(await gateway.call('POST', '/api/bots', { as, body: { name: 'Bot', provider: 'meta', config } }), 'id')
}

type Upload = { readonly as?: Caller; readonly type?: string; readonly query?: string; readonly key?: string }

/** Any body, as it is. */
async function upload(body: BodyInit | null, { as = owner, type, query = '', key }: Upload = {}): Promise<Answer> {
  const response = await gateway.fetch(`/api/media${query}`, {
    ...{ method: 'POST', body },
    headers: {
      authorization: `Bearer ${as.token}`,
      ...(type !== undefined && { 'content-type': type }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) }
}

async function uploadPng(as: Caller = owner): Promise<string> {
  return textAt(await upload(png, { as, type: 'image/png', query: '?filename=a.png' }), 'id')
}

/** A customer of a bot of the tenant sends a file. Returns its id, and the conversation's. */
async function receiveFile(tenantId: string, kind: 'source' | 'bytes' = 'bytes') {
  const { stored } = await receiveWithMedia(gateway, [
    {
      ...{ tenantId, botId, providerMessageId: crypto.randomUUID(), at: new Date() },
      sender: { identities: [{ kind: 'phone', value: `+${phones++}` }], name: 'Ana' },
      content: { type: 'image', media_id: '1', mime_type: 'image/png' },
      media: kind === 'bytes' ? { kind, bytes: png } : { kind, source: { id: 'secret' } },
    },
  ])
  const [message] = stored
  return { id: String(message?.message.media?.id), conversationId: String(message?.conversationId) }
}

const filesOf = (tenantId: string) =>
  readdirSync(join(gateway.dataDir, 'media', tenantId), { recursive: true, encoding: 'utf8' }).filter(
    name => name.length > 30,
  ).length

const contentOf = (id: string, { as = owner, headers = {} }: { as?: Caller; headers?: Record<string, string> } = {}) =>
  gateway.fetch(`/api/media/${id}/content`, { headers: { authorization: `Bearer ${as.token}`, ...headers } })

const get = (id: string, as = owner) => gateway.call('GET', `/api/media/${id}`, { as })
const newId = () => gateway.ids.next()

test('who is not known, and who may not, reach no file', async () => {
  const [viewer, id] = [await gateway.addCaller('viewer', owner.tenantId), await uploadPng()]
  for (const [method, path] of [
    ['POST', '/api/media'],
    ['GET', `/api/media/${id}`],
    ['GET', `/api/media/${id}/content`],
    ['POST', `/api/media/${id}/link`],
    ['DELETE', `/api/media/${id}`],
  ] as const)
    expect([path, (await gateway.call(method, path)).status]).toEqual([path, 401])
  expect((await upload(png, { as: viewer, type: 'image/png' })).status).toBe(403)
  expect((await gateway.call('DELETE', `/api/media/${id}`, { as: viewer })).status).toBe(403)
  expect((await contentOf(id, { as: viewer })).status).toBe(200)
})

test('a form that cannot be read is 400', async () => {
  const boundary = 'multipart/form-data; boundary=b'
  expect((await upload('not a form', { type: boundary })).status).toBe(400)
  expect(
    (await upload('--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf', { type: boundary })).status,
  ).toBe(400)
  expect((await upload('--b--', { type: 'multipart/form-data' })).status).toBe(400)
})

test('what is no file of the tenant is 404, whatever its id looks like', async () => {
  const stranger = await gateway.addCaller()
  const id = await uploadPng()
  const others = [newId(), 'no-id', '..%2F..%2Fsecrets.json', '%2e%2e', id.toUpperCase(), `${id}%00`]
  for (const [as, other] of [[stranger, id], ...others.map(other => [owner, other] as const)] as const) {
    expect([other, (await get(other, as)).status]).toEqual([other, 404])
    expect([other, (await contentOf(other, { as })).status]).toEqual([other, 404])
    for (const [method, path] of [
      ['POST', `/api/media/${other}/link`],
      ['DELETE', `/api/media/${other}`],
    ] as const)
      expect([path, (await gateway.call(method, path, { as })).status]).toEqual([path, 404])
  }
  expect((await get(id)).status).toBe(200)
})

test('a file larger than WhatsApp takes of its type is 413, said or not said beforehand', async () => {
  const before = filesOf(owner.tenantId)
  const large = Buffer.concat([png, Buffer.alloc(5 * megabyte)])
  expect((await upload(large, { type: 'image/png' })).status).toBe(413)
  expect((await upload(new Blob([large]).stream(), { type: 'image/png' })).status).toBe(413)
  const form = new FormData()
  form.set('file', new File([large], 'a.png', { type: 'image/png' }))
  const refused = await upload(form)
  expect([refused.status, at(refused, 'detail')]).toEqual([413, 'WhatsApp takes 5 MB at most of image/png.'])
  expect(filesOf(owner.tenantId)).toBe(before)
  expect(readdirSync(join(gateway.dataDir, 'media/incoming'))).toEqual([])
  expect((await upload(large, { type: 'application/zip' })).status).toBe(415)
  expect((await upload(large, { type: 'application/x-any' })).status).toBe(201)
})

test('a file without a type, or of another one than it says, is 415', async () => {
  for (const type of ['nonsense', 'image/*', 'image/'])
    expect([type, (await upload(png, { type })).status]).toEqual([type, 415])
  expect((await upload(new Blob([png]).stream())).status).toBe(415)
  const wrong = await upload('<script>alert(1)</script>', { type: 'image/png' })
  expect([wrong.status, at(wrong, 'detail')]).toEqual([415, 'The bytes of the file are not image/png.'])
})

test('an empty file, another field, or a query that is not known is 422', async () => {
  expect((await upload(Buffer.alloc(0), { type: 'text/plain' })).status).toBe(422)
  const form = new FormData()
  form.set('picture', new File([png], 'a.png', { type: 'image/png' }))
  const refused = await upload(form)
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'picture'])
  expect((await upload(png, { type: 'image/png', query: '?name=a' })).status).toBe(422)
  expect((await upload(png, { type: 'image/png', query: `?filename=${'a'.repeat(241)}` })).status).toBe(422)
  expect(
    (await gateway.call('POST', `/api/media/${await uploadPng()}/link`, { as: owner, body: { x: 1 } })).status,
  ).toBe(422)
})

test('an upload is what was sent, as a body and in a form', async () => {
  const form = new FormData()
  form.set('file', new File([png], 'C:\\fotos\\Menú "1".png', { type: 'image/png' }))
  const [raw, inForm] = [await upload(png, { type: 'image/png', query: '?filename=a.png' }), await upload(form)]
  const sha256 = createHash('sha256').update(png).digest('hex')
  const common = { mime_type: 'image/png', declared_type: 'image/png', bytes: png.length, sha256, state: 'stored' }
  expect([raw.status, inForm.status]).toEqual([201, 201])
  expect(raw.json).toMatchObject({ ...common, filename: 'a.png', reason: null })
  expect(inForm.json).toMatchObject({ ...common, filename: 'Menú "1".png', reason: null })
  const id = textAt(raw, 'id')
  expect((await get(id)).json).toEqual(raw.json)
  const content = await contentOf(id)
  expect(Buffer.from(await content.arrayBuffer())).toEqual(png)
  const audit = await gateway.call('GET', `/api/audit?resource_id=${id}`, { as: owner })
  expect(at(audit, 'data.0.action')).toBe('media.uploaded')
})

test('the same request under the same key is done once', async () => {
  const [key, before] = [crypto.randomUUID(), filesOf(owner.tenantId)]
  const send = (body: Buffer<ArrayBuffer> = png) => upload(body, { type: 'image/png', key })
  const [first, again] = [await send(), await send()]
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect(filesOf(owner.tenantId)).toBe(before + 1)
  expect((await send(Buffer.concat([png, png]))).status).toBe(422)
  expect(filesOf(owner.tenantId)).toBe(before + 1)
})

test('bytes are answered so that they do no harm, whole and in ranges', async () => {
  const id = await uploadPng()
  const whole = await contentOf(id)
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    ...{ 'content-type': 'image/png', 'content-length': String(png.length), 'x-content-type-options': 'nosniff' },
    ...{ 'content-security-policy': 'sandbox', 'cache-control': 'private, no-cache', 'accept-ranges': 'bytes' },
    'content-disposition': `inline; filename="a.png"; filename*=UTF-8''a.png`,
  })
  const etag = whole.headers.get('etag') ?? ''
  const part = await contentOf(id, { headers: { range: 'bytes=8-', 'if-range': etag } })
  expect([part.status, await part.text(), part.headers.get('content-range')]).toEqual([
    206,
    'a picture',
    'bytes 8-16/17',
  ])
  expect((await contentOf(id, { headers: { 'if-none-match': etag } })).status).toBe(304)
  const refused = await gateway.call('GET', `/api/media/${id}/content`, { as: owner, headers: { range: 'bytes=17-' } })
  expect([refused.status, at(refused, 'detail')]).toEqual([416, 'The file has 17 bytes: ask for some of these.'])
})

test('what a browser could run is never shown, JSON is not taken for an answer of the API', async () => {
  const page = textAt(await upload('<script>1</script>', { type: 'text/html', query: '?filename=a.html' }), 'id')
  const json = textAt(await upload('{"a": 1}', { type: 'application/json' }), 'id')
  for (const [id, type, text] of [
    [page, 'text/html', '<script>1</script>'],
    [json, 'application/json', '{"a": 1}'],
  ] as const) {
    const answer = await contentOf(id)
    expect(answer.headers.get('content-type')).toBe(type)
    expect(answer.headers.get('content-disposition')).toStartWith('attachment')
    expect(answer.headers.get('content-security-policy')).toBe('sandbox')
    expect(await answer.text()).toBe(text)
  }
})

test('over a connection, a large file comes and goes whole, and HEAD tells its size', async () => {
  const server = gateway.listen()
  try {
    const large = Buffer.alloc(70 * megabyte, 'abc')
    const headers = { authorization: `Bearer ${owner.token}`, 'content-type': 'application/x-any' }
    const made = await fetch(`${server.url}/api/media`, { method: 'POST', body: large, headers })
    expect(made.status).toBe(201)
    const url = `${server.url}/api/media/${(await made.json()).id}/content`
    const head = await fetch(url, { method: 'HEAD', headers })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(large.length)])
    expect(Buffer.from(await (await fetch(url, { headers })).arrayBuffer()).equals(large)).toBeTrue()
    const part = await fetch(url, { headers: { ...headers, range: 'bytes=-5' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 73400315-73400319/73400320'])
    expect(await part.text()).toBe(large.toString('latin1', large.length - 5))
    const tooLarge = await fetch(`${server.url}/api/media`, {
      method: 'POST',
      body: Buffer.alloc(101 * megabyte),
      headers,
    })
    expect([tooLarge.status, (await tooLarge.json()).type]).toEqual([413, '/problems/too_large'])
  } finally {
    await server.stop()
  }
})

test('a file of a customer is answered once it is here', async () => {
  const [here, coming] = [await receiveFile(owner.tenantId), await receiveFile(owner.tenantId, 'source')]
  expect((await get(here.id)).json).toMatchObject({ state: 'stored', mime_type: 'image/png', bytes: png.length })
  expect(Buffer.from(await (await contentOf(here.id)).arrayBuffer())).toEqual(png)
  const known = await get(coming.id)
  expect(known.json).toMatchObject({ state: 'pending', bytes: null, sha256: null })
  expect(known.text).not.toContain('secret')
  expect((await contentOf(coming.id)).status).toBe(409)
  expect((await gateway.call('POST', `/api/media/${coming.id}/link`, { as: owner })).status).toBe(409)
  const path = `/api/conversations/${here.conversationId}/messages`
  expect(at(await gateway.call('GET', path, { as: owner }), 'data.0.content.media_id')).toBe(here.id)
})

test('who is tied to a seller reaches that seller’s files, and their own', async () => {
  const [mine, others] = [await receiveFile(owner.tenantId), await receiveFile(owner.tenantId)]
  const seller = await tiedToSeller()
  expect((await get(mine.id, seller.caller)).status).toBe(404)
  const handed = await gateway.call('POST', `/api/conversations/${mine.conversationId}/handoff`, {
    ...{ as: owner, body: { seller_id: seller.id } },
  })
  expect(handed.status).toBe(202)
  expect((await get(mine.id, seller.caller)).status).toBe(200)
  expect((await contentOf(mine.id, { as: seller.caller })).status).toBe(200)
  expect((await get(others.id, seller.caller)).status).toBe(404)
  const [own, foreign] = [await uploadPng(seller.caller), await uploadPng()]
  expect((await get(own, seller.caller)).status).toBe(200)
  expect((await get(foreign, seller.caller)).status).toBe(404)
  const colleague = await tiedToSeller(seller.id)
  expect((await get(own, colleague.caller)).status).toBe(404)
  // What was sent in a conversation of the seller is for all of the seller to see.
  expect((await sendImage(mine.conversationId, own, seller.caller)).status).toBe(202)
  expect((await get(own, colleague.caller)).status).toBe(200)
  expect((await sendImage(mine.conversationId, foreign, seller.caller)).status).toBe(422)
})

async function tiedToSeller(given?: string) {
  const body = { name: 'Seller' }
  const id = given ?? textAt(await gateway.call('POST', '/api/sellers', { as: owner, body }), 'id')
  const caller = await gateway.addCaller('agent', owner.tenantId)
  const tied = await gateway.call('PUT', `/api/users/${caller.userId}`, { as: owner, body: { seller_id: id } })
  expect(tied.status).toBe(200)
  return { id, caller }
}

const sendImage = (conversationId: string, media_id: string, as = owner, type = 'image') =>
  gateway.call('POST', `/api/conversations/${conversationId}/messages`, { as, body: { content: { type, media_id } } })

test('a message with a file that cannot be sent is refused, saying why', async () => {
  const { conversationId } = await receiveFile(owner.tenantId)
  const coming = await receiveFile(owner.tenantId, 'source')
  const stranger = await gateway.addCaller()
  const pdf = textAt(await upload('%PDF-1.7', { type: 'application/pdf' }), 'id')
  const refusals = [
    [newId(), 'There is no such file: upload it first.'],
    [await uploadPng(stranger), 'There is no such file: upload it first.'],
    [coming.id, 'The file has not come from its provider yet: try again in a moment.'],
    [pdf, 'The file is application/pdf: it is not sent as image.'],
  ]
  for (const [id = '', message] of refusals) {
    const refused = await sendImage(conversationId, id)
    expect([refused.status, at(refused, 'errors.0')]).toEqual([422, { path: 'content.media_id', message }])
    const content = { type: 'image', media_id: id }
    const body = { to: `+${phones++}`, content }
    expect((await gateway.call('POST', `/api/bots/${botId}/messages`, { as: owner, body })).status).toBe(422)
  }
  expect((await sendImage(conversationId, await uploadPng())).status).toBe(202)
  expect((await sendImage(conversationId, pdf, owner, 'document')).status).toBe(202)
  // An id that is none of ours is the provider's.
  expect((await sendImage(conversationId, '1234567890')).status).toBe(202)
})

test('a link is one that the adapter takes, for an hour', async () => {
  const id = await uploadPng()
  const answer = await gateway.call('POST', `/api/media/${id}/link`, { as: owner })
  const [url, expiresAt] = [new URL(textAt(answer, 'url')), new Date(textAt(answer, 'expires_at'))]
  expect(answer.status).toBe(200)
  expect(url.href).toStartWith(`http://adapter.test/media/${owner.tenantId}/${id}?`)
  const [expires = '', signature = ''] = [
    url.searchParams.get('expires') ?? '',
    url.searchParams.get('signature') ?? '',
  ]
  expect(Number(expires) * 1_000).toBe(expiresAt.getTime())
  expect(Math.abs(expiresAt.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000)
  const link = { tenantId: owner.tenantId, id, expires, signature }
  expect(gateway.links.verify(link, new Date())).toBe('valid')
})

test('what is deleted is gone, with its bytes', async () => {
  const [upload, { id: received }] = [await uploadPng(), await receiveFile(owner.tenantId)]
  const before = filesOf(owner.tenantId)
  for (const id of [upload, received]) {
    expect((await gateway.call('DELETE', `/api/media/${id}`, { as: owner })).status).toBe(204)
    expect((await get(id)).status).toBe(404)
    expect((await contentOf(id)).status).toBe(404)
    expect((await gateway.call('DELETE', `/api/media/${id}`, { as: owner })).status).toBe(404)
  }
  expect(filesOf(owner.tenantId)).toBe(before - 2)
})

test('a tenant’s uploads have an end', async () => {
  const as = await gateway.addCaller()
  const id = await uploadPng(as)
  const admin = connect(gateway.connection, 1)
  await admin`update media set bytes = ${10 * 1_024 * megabyte - 20} where id = ${id}`
  await admin.close()
  const refused = await upload(Buffer.alloc(21, 'a'), { as, type: 'text/plain' })
  expect([refused.status, at(refused, 'title')]).toEqual([409, 'This is in conflict with what exists'])
  expect(filesOf(as.tenantId)).toBe(1)
  expect((await upload(Buffer.alloc(20, 'a'), { as, type: 'text/plain' })).status).toBe(201)
})
