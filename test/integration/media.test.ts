import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createHash, createHmac } from 'node:crypto'
import { signAccessToken } from '../../src/identity/access-token.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMediaLinks } from '../../src/messaging/media-links.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

// Files of customers from Meta to the disk, and from the disk to Meta. What is asked of Meta goes to a server of this test;
// messages go on to the emulator.

const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.from('a picture')])
const sha256 = createHash('sha256').update(png).digest('hex')
const megabyte = 1_048_576

/** What the file of each id is answered with, one answer after the other; the last one again and again. */
const files = new Map<string, (() => Response)[]>()
const asked: { readonly path: string; readonly authorization: string | null }[] = []
const uploads: { readonly type: string; readonly name: string; readonly bytes: Buffer }[] = []

let meta: Bun.Server<undefined>
let shop: Installation
let token: string

beforeAll(async () => {
  meta = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  const jwtSecret = 'a-secret-for-tests-of-32-bytes-or-more'
  shop = await startInstallation({
    flow: echoFlow,
    environment: {
      META_BASE_URL: `${meta.url.origin}/v25.0`,
      JWT_SECRET: jwtSecret,
      PUBLIC_URL: 'http://adapter.test',
      RATE_LIMIT_API_PER_MINUTE: '1000000',
    },
  })
  const [userId, loginId] = [uuids.next(), uuids.next()]
  const { tenantId } = shop.shop
  await shop.admin`insert into users (tenant_id, id, name, email, password_hash, role)
    values (${tenantId}, ${userId}, 'Owner', 'owner@example.com', 'none', 'owner')`
  await shop.admin`insert into refresh_tokens (tenant_id, id, user_id, family_id, token_hash, expires_at)
    values (${tenantId}, ${uuids.next()}, ${userId}, ${loginId}, 'hash', now() + interval '1 day')`
  token = signAccessToken({ tenantId, userId, loginId }, jwtSecret, Date.now())
})
afterAll(async () => {
  await shop.stop()
  await meta.stop(true)
})

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  const [, place = '', id = '', last = ''] = pathname.split('/')
  asked.push({ path: pathname, authorization: request.headers.get('authorization') })
  if (place === 'file') return nextAnswer(id)
  if (last === 'media') return await takeUpload(request)
  if (files.has(id)) return Response.json({ id, url: `${meta.url.origin}/file/${id}`, mime_type: 'image/png' })
  return await fetch(request.url.replace(meta.url.origin, shop.emulator.url), request)
}

function nextAnswer(id: string): Response {
  const answers = files.get(id) ?? []
  const next = answers.length > 1 ? answers.shift() : answers[0]
  return next?.() ?? new Response(null, { status: 404 })
}

async function takeUpload(request: Request): Promise<Response> {
  const file = (await request.formData()).get('file')
  if (!(file instanceof File)) return new Response(null, { status: 400 })
  uploads.push({ type: file.type, name: file.name, bytes: Buffer.from(await file.arrayBuffer()) })
  return Response.json({ id: `uploaded-${uploads.length}` })
}

let wamid = 0
/** A customer sends a picture that Meta has under this id. Returns the webhook's body. */
function picture(id: string, ...answers: readonly (() => Response)[]): string {
  files.set(id, [...answers])
  const image = { id, mime_type: 'image/png', caption: 'mira', sha256: 'abc' }
  const messages = [{ id: `wamid.${wamid++}`, from: '34600000001', timestamp: '1767225600', type: 'image', image }]
  const value = { metadata: { phone_number_id: shop.shop.number.phone_number_id }, messages }
  return JSON.stringify({ object: 'whatsapp_business_account', entry: [{ changes: [{ field: 'messages', value }] }] })
}

async function hand(body: string): Promise<void> {
  const signature = createHmac('sha256', shop.shop.number.app_secret).update(body).digest('hex')
  const headers = { 'x-hub-signature-256': `sha256=${signature}` }
  expect((await fetch(shop.webhookUrl, { method: 'POST', body, headers })).status).toBe(200)
}

async function rows() {
  return await shop.admin`select m.id, m.state, m.reason, m.mime_type, m.bytes::int as bytes, m.sha256, m.source,
      s.content from media m join messages s on s.tenant_id = m.tenant_id and s.id = m.message_id
      where m.origin = 'inbound' order by m.id`
}

async function lastRow() {
  return (await rows()).at(-1)
}

const api = (path: string, init: RequestInit = {}) =>
  fetch(`${shop.app.urls.gateway}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  })

test('the picture of a customer comes from Meta, and the API shows it with the message', async () => {
  await hand(picture('111', () => new Response(png)))
  await until(async () => (await lastRow())?.state === 'stored')
  const row = await lastRow()
  expect(row).toMatchObject({ mime_type: 'image/png', bytes: png.length, sha256, source: null, reason: null })
  expect(row.content).toEqual({ type: 'image', media_id: row.id, mime_type: 'image/png', caption: 'mira' })
  const content = await api(`/api/media/${row.id}/content`)
  expect([content.headers.get('content-type'), Buffer.from(await content.arrayBuffer()).equals(png)]).toEqual([
    ...['image/png', true],
  ])
  expect(asked.filter(({ path }) => path.startsWith('/file/')).map(one => one.authorization)).toEqual([
    `Bearer ${shop.shop.number.access_token}`,
  ])
})

test('a webhook that comes fifty times leaves one file', async () => {
  const before = (await rows()).length
  const body = picture('222', () => new Response(png))
  await Promise.all(Array.from({ length: 50 }, () => hand(body)))
  await until(async () => (await lastRow())?.state === 'stored')
  expect((await rows()).length).toBe(before + 1)
  expect(asked.filter(({ path }) => path === '/file/222').length).toBe(1)
})

test('Meta says that it is too much, and gives the file later', async () => {
  await hand(
    picture(
      '333',
      () => new Response(null, { status: 429 }),
      () => new Response(png),
    ),
  )
  await until(async () => (await lastRow())?.reason !== null)
  expect(await lastRow()).toMatchObject({ state: 'pending', reason: 'Meta did not hand the file over (HTTP 429).' })
  await shop.admin`update media set due_at = now() where state = 'pending'`
  await until(async () => (await lastRow())?.state === 'stored')
})

test('a file that is too large, and one that is gone, are failed with the reason', async () => {
  await hand(picture('444', () => new Response(Buffer.alloc(6 * megabyte))))
  await until(async () => (await lastRow())?.state === 'failed')
  expect((await lastRow()).reason).toBe('The file is larger than 5 MB, which is the most that is kept of its kind.')
  await hand(picture('555', () => new Response(null, { status: 404 })))
  await until(async () => (await lastRow())?.state === 'failed')
  const { id, reason } = await lastRow()
  expect(reason).toBe('Meta has the file no more (HTTP 404).')
  const shown = await (await api(`/api/media/${id}`)).json()
  expect(shown).toMatchObject({ id, state: 'failed', reason, bytes: null })
})

async function upload(): Promise<{ readonly id: string }> {
  const made = await api('/api/media?filename=menu.png', {
    ...{ method: 'POST', body: png, headers: { 'content-type': 'image/png' } },
  })
  expect(made.status).toBe(201)
  return await made.json()
}

test('what was uploaded is sent to the customer, and handed to Meta once', async () => {
  await shop.say('34600000009', 'hola')
  const { data } = await (await api('/api/conversations?limit=1')).json()
  const { id } = await upload()
  for (let count = 0; count < 2; count++) {
    const body = JSON.stringify({ content: { type: 'image', media_id: id, caption: 'menú' } })
    const headers = { 'content-type': 'application/json' }
    const sent = await api(`/api/conversations/${data[0].id}/messages`, { method: 'POST', body, headers })
    expect(sent.status).toBe(202)
    await shop.settled()
  }
  expect(uploads).toEqual([{ type: 'image/png', name: 'menu.png', bytes: png }])
  const images = (await shop.sends()).filter(({ body }) => body.type === 'image').map(({ body }) => body.image)
  expect(images).toEqual(Array.from({ length: 2 }, () => ({ id: 'uploaded-1', caption: 'menú' })))
})

test('a message whose file was deleted meanwhile is failed with the reason', async () => {
  const { data } = await (await api('/api/conversations?limit=1')).json()
  const { id } = await upload()
  await shop.admin`update bots set status = 'disconnected'`
  const body = JSON.stringify({ content: { type: 'image', media_id: id } })
  const headers = { 'content-type': 'application/json' }
  expect((await api(`/api/conversations/${data[0].id}/messages`, { method: 'POST', body, headers })).status).toBe(202)
  expect((await api(`/api/media/${id}`, { method: 'DELETE' })).status).toBe(204)
  await shop.admin`update bots set status = 'connected'`
  await shop.admin`update outbox set due_at = now()`
  await until(async () => {
    const [row] = await shop.admin`select status, error from messages where content->>'media_id' = ${id}`
    return row.status === 'failed' && row.error.code === 'no_file'
  })
})

test('a link is read by anybody, until it expires, and by nobody who changes it', async () => {
  const { id } = await upload()
  const { url } = await (await api(`/api/media/${id}/link`, { method: 'POST' })).json()
  const here: string = url.replace('http://adapter.test', shop.app.urls.adapter ?? '')
  const whole = await fetch(here)
  expect([whole.status, Buffer.from(await whole.arrayBuffer()).equals(png)]).toEqual([200, true])
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    ...{ 'content-type': 'image/png', 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' },
    ...{ 'cross-origin-resource-policy': 'cross-origin', etag: `"${sha256}"` },
  })
  const head = await fetch(here, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, String(png.length), ''])
  const part = await fetch(here, { headers: { range: 'bytes=8-' } })
  expect([part.status, await part.text()]).toEqual([206, 'a picture'])
  expect((await fetch(here, { method: 'POST' })).status).toBe(405)
  const other = (await upload()).id
  for (const forged of [
    here.replace(id, other),
    here.replace(shop.shop.tenantId, uuids.next()),
    here.replace(/signature=./, first => (first.endsWith('A') ? 'signature=B' : 'signature=A')),
    here.replace(/expires=\d+/, 'expires=9999999999'),
    here.replace(/\?.*/, ''),
    here.replace(`${shop.shop.tenantId}/${id}`, '..%2F..%2Fsecrets.json/x'),
  ])
    expect([forged, (await fetch(forged)).status]).toEqual([forged, 404])
})

test('a link that has expired is 410', async () => {
  const { id } = await upload()
  const links = makeMediaLinks({ encryptionKey, publicUrl: shop.app.urls.adapter ?? '' })
  const place = { tenantId: shop.shop.tenantId, id }
  const answer = await fetch(links.linkTo(place, new Date(Date.now() - 1_000)))
  expect([answer.status, (await answer.json()).type]).toEqual([410, '/problems/link_expired'])
  expect((await fetch(links.linkTo(place, new Date(Date.now() + 60_000)))).status).toBe(200)
})
