import { type Context, Hono } from 'hono'
import type { BusinessNumber } from '../records.ts'
import { respond } from '../send-api.ts'
import { accountOf } from './accounts.ts'
import { invalidKey, mediaBlocked } from './d360-errors.ts'
import { numberOfKey } from './d360-key.ts'
import type { Stage } from './dialect.ts'
import { type MetaError, unknownObject } from './meta-errors.ts'
import { mediaObject, readUpload } from './meta-objects.ts'
import { errorAnswer } from './meta-send.ts'

const urlMs = 300_000
const failedGetsMax = 20
const failedGetsWindowMs = 3_600_000
const blockedMs = 1_800_000

const lookaside = 'https://lookaside.fbsbx.com'
const attachments = '/whatsapp_business/attachments/'

/** Uploads and downloads as 360dialog passes them on, and its limit of downloads that fail. */
export function d360Media(stage: Stage): { api: Hono; clear: () => void } {
  const { world, media, now } = stage
  const failedGets = new FailedGets(now)
  const api = new Hono()
  api.post('/media', async context => {
    if (numberOfKey(world, context.req.raw, 'd360') === null) return respond(invalidKey())
    const uploaded = await readUpload(context, media)
    return 'code' in uploaded ? refuse(uploaded) : context.json(uploaded)
  })
  for (const path of [attachments, attachments.slice(0, -1)]) api.get(path, context => download(context))
  api.get('/:id', context => describe(context, context.req.param('id')))
  api.delete('/:id', context => {
    const id = context.req.param('id')
    if (numberOfKey(world, context.req.raw, 'd360') === null) return respond(invalidKey())
    return media.remove(id) ? context.json({ success: true }) : refuse(unknownObject(id, 'DELETE'))
  })
  return { api, clear: () => failedGets.clear() }

  function describe(context: Context, id: string): Response {
    const number = numberOfKey(world, context.req.raw, 'd360')
    if (number === null) return respond(invalidKey())
    if (failedGets.isBlocked(number.id)) return respond(mediaBlocked())
    const file = media.get(id)
    if (file !== null) return context.json(mediaObject(file, attachmentUrl(number, id, now(), 'getMedia')))
    failedGets.count(number.id)
    return refuse(unknownObject(id, 'GET'))
  }

  function download(context: Context): Response {
    const number = numberOfKey(world, context.req.raw, 'd360')
    if (number === null) return respond(invalidKey())
    if (failedGets.isBlocked(number.id)) return respond(mediaBlocked())
    const { mid = '', ext = '', hash } = context.req.query()
    const file = hash === hashOf(number, mid, ext) && Number(ext) * 1_000 > now() ? media.get(mid) : null
    if (file !== null) return new Response(file.bytes, { headers: { 'content-type': file.mimeType } })
    failedGets.count(number.id)
    return new Response(null, { status: 404 })
  }
}

/** The address of a file at Meta. Its host refuses the bots of 360dialog, who put their base address in its place. */
export function attachmentUrl(
  number: BusinessNumber,
  id: string,
  atMs: number,
  source: 'getMedia' | 'webhook',
): string {
  const ext = String(Math.floor((atMs + urlMs) / 1_000))
  return `${lookaside}${attachments}?${new URLSearchParams({ mid: id, source, ext, hash: hashOf(number, id, ext) })}`
}

function hashOf(number: BusinessNumber, id: string, ext: string): string {
  return new Bun.CryptoHasher('sha256', accountOf(number, 'd360').api_key).update(`${id} ${ext}`).digest('base64url')
}

function refuse(error: MetaError): Response {
  return respond(errorAnswer(error))
}

/** Downloads that failed, of each number: 20 within an hour close the endpoint for half an hour. */
class FailedGets {
  readonly #now: () => number
  readonly #failed = new Map<string, number[]>()

  constructor(now: () => number) {
    this.#now = now
  }

  count(number: string): void {
    const recent = (this.#failed.get(number) ?? []).filter(at => at > this.#now() - failedGetsWindowMs)
    this.#failed.set(number, [...recent, this.#now()].slice(-failedGetsMax))
  }

  isBlocked(number: string): boolean {
    const failed = this.#failed.get(number) ?? []
    return failed.length === failedGetsMax && (failed.at(-1) ?? 0) > this.#now() - blockedMs
  }

  clear(): void {
    this.#failed.clear()
  }
}
