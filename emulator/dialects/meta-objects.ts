import { type Context, Hono } from 'hono'
import type { Media, MediaStore } from '../media-store.ts'
import { mediaUrl } from '../media-url.ts'
import type { BusinessNumber } from '../records.ts'
import { respond } from '../send-api.ts'
import type { World } from '../world.ts'
import { invalidParameter, type MetaError, tokenMissing, tokenWrong, unknownObject } from './meta-errors.ts'
import { bearerToken, errorAnswer } from './meta-send.ts'

type Parts = { readonly world: World; readonly media: MediaStore; readonly url: () => string }

/** What Meta's API knows besides messages: a number and its media, and requests that only have to succeed. */
export function graphObjects({ world, media, url }: Parts): Hono {
  const app = new Hono()
  app.get('/:id', context => {
    const id = context.req.param('id')
    const number = ownNumber(id)
    const error = refusal(context, number)
    if (error !== null) return refuse(error)
    if (number !== null) return context.json(numberObject(number))
    const file = media.get(id)
    return file === null ? refuse(unknownObject(id, 'GET')) : context.json(mediaObject(file, mediaUrl(url(), id)))
  })
  app.delete('/:id', context => {
    const id = context.req.param('id')
    const error = refusal(context, null)
    if (error !== null) return refuse(error)
    return media.remove(id) ? context.json({ success: true }) : refuse(unknownObject(id, 'DELETE'))
  })
  app.post('/:id/media', async context => {
    const number = ownNumber(context.req.param('id'))
    const error = number === null ? unknownObject(context.req.param('id'), 'POST') : refusal(context, number)
    if (error !== null) return refuse(error)
    const uploaded = await readUpload(context, media)
    return 'code' in uploaded ? refuse(uploaded) : context.json(uploaded)
  })
  for (const path of ['/:id/register', '/:id/subscribed_apps'] as const) {
    app.post(path, context => {
      const error = refusal(context, ownNumber(context.req.param('id')))
      return error === null ? context.json({ success: true }) : refuse(error)
    })
  }
  return app

  function ownNumber(id: string): BusinessNumber | null {
    const number = world.number(id)
    return number?.account.dialect === 'meta' ? number : null
  }

  /** A number takes its own token only; anything else, the token of any number. */
  function refusal(context: Context, number: BusinessNumber | null): MetaError | null {
    const token = bearerToken(context.req.raw)
    if (token === null) return tokenMissing
    const allowed = number === null ? world.numbers() : [number]
    return allowed.some(number => hasToken(number, token)) ? null : tokenWrong
  }
}

/** Keeps the file of an upload: multipart with `messaging_product`, `type` and `file`. */
export async function readUpload(context: Context, media: MediaStore): Promise<{ id: string } | MetaError> {
  const form: Record<string, unknown> = await context.req.parseBody().catch(() => ({}))
  const { file, messaging_product, type } = form
  if (messaging_product !== 'whatsapp') return invalidParameter('The parameter messaging_product is required.')
  if (!(file instanceof File)) return invalidParameter('The parameter file is required.')
  const mimeType = file.type === '' && typeof type === 'string' ? type : file.type
  return { id: media.add(mimeType, new Uint8Array(await file.arrayBuffer()), newMediaId()).id }
}

function hasToken({ account }: BusinessNumber, token: string | null): boolean {
  return account.dialect === 'meta' && account.access_token === token
}

/** The bytes under the address that a media object names: with a token, as Meta wants it. */
export function mediaFile({ world, media }: Pick<Parts, 'world' | 'media'>, context: Context): Response {
  const token = bearerToken(context.req.raw)
  const file = media.get(context.req.param('id') ?? '')
  if (!world.numbers().some(number => hasToken(number, token))) return new Response(null, { status: 401 })
  if (file === null) return new Response(null, { status: 404 })
  return new Response(file.bytes, { headers: { 'content-type': file.mimeType } })
}

/** What the Cloud API says of a file. */
export function mediaObject({ id, mimeType, bytes }: Media, url: string): unknown {
  return {
    messaging_product: 'whatsapp',
    url,
    mime_type: mimeType,
    sha256: new Bun.CryptoHasher('sha256').update(bytes).digest('hex'),
    file_size: bytes.length,
    id,
  }
}

function numberObject({ id, name, display_phone_number }: BusinessNumber): unknown {
  return {
    ...{ id, verified_name: name, display_phone_number },
    ...{ quality_rating: 'GREEN', status: 'CONNECTED', throughput: { level: 'STANDARD' } },
  }
}

export function newMediaId(): string {
  return String(Math.floor(1e14 + Math.random() * 9e14))
}

function refuse(error: MetaError): Response {
  return respond(errorAnswer(error))
}
