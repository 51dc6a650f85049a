import { type Context, Hono } from 'hono'
import {
  errorBody,
  invalidParameter,
  type MetaError,
  tokenMissing,
  tokenWrong,
  unknownObject,
} from './dialects/meta-errors.ts'
import type { Media, MediaStore } from './media-store.ts'
import type { BusinessNumber } from './records.ts'
import { bearerToken } from './send-api.ts'
import type { World } from './world.ts'

const mediaUrlMs = 300_000

type Parts = { readonly world: World; readonly media: MediaStore; readonly url: () => string }

/** What Meta's API knows besides messages: a number and its media, and requests that only have to succeed. */
export function graphObjects({ world, media, url }: Parts): Hono {
  const app = new Hono()
  app.get('/:id', context => {
    const id = context.req.param('id')
    const number = world.number(id)
    const error = refusal(context, number)
    if (error !== null) return refuse(error)
    if (number !== null) return context.json(numberObject(number))
    const file = media.get(id)
    return file === null ? refuse(unknownObject(id, 'GET')) : context.json(mediaObject(file, url()))
  })
  app.delete('/:id', context => {
    const id = context.req.param('id')
    const error = refusal(context, null)
    if (error !== null) return refuse(error)
    return media.remove(id) ? context.json({ success: true }) : refuse(unknownObject(id, 'DELETE'))
  })
  app.post('/:id/media', async context => {
    const number = world.number(context.req.param('id'))
    const error = number === null ? unknownObject(context.req.param('id'), 'POST') : refusal(context, number)
    if (error !== null) return refuse(error)
    const { file, messaging_product } = await context.req.parseBody().catch(() => ({}) as Record<string, unknown>)
    if (messaging_product !== 'whatsapp')
      return refuse(invalidParameter('The parameter messaging_product is required.'))
    if (!(file instanceof File)) return refuse(invalidParameter('The parameter file is required.'))
    return context.json({ id: media.add(file.type, new Uint8Array(await file.arrayBuffer())).id })
  })
  for (const path of ['/:id/register', '/:id/subscribed_apps'] as const) {
    app.post(path, context => {
      const error = refusal(context, world.number(context.req.param('id')))
      return error === null ? context.json({ success: true }) : refuse(error)
    })
  }
  return app

  /** A number takes its own token only; anything else, the token of any number. */
  function refusal(context: Context, number: BusinessNumber | null): MetaError | null {
    const token = bearerToken(context.req.raw)
    if (token === null) return tokenMissing
    const allowed = number === null ? world.numbers() : [number]
    return allowed.some(({ account }) => account.access_token === token) ? null : tokenWrong
  }
}

/** The bytes under the address that a media object names: with a token, as Meta wants it. */
export function mediaFile({ world, media }: Pick<Parts, 'world' | 'media'>, context: Context): Response {
  const token = bearerToken(context.req.raw)
  const file = media.get(context.req.param('id') ?? '')
  if (!world.numbers().some(({ account }) => account.access_token === token)) return new Response(null, { status: 401 })
  if (file === null) return new Response(null, { status: 404 })
  return new Response(file.bytes, { headers: { 'content-type': file.mimeType } })
}

/** Where a media object's bytes are. */
export function mediaUrl(url: string, id: string): string {
  return `${url}/media/${encodeURIComponent(id)}?ext=${Math.floor((Date.now() + mediaUrlMs) / 1_000)}`
}

function mediaObject({ id, mimeType, bytes }: Media, url: string): unknown {
  return {
    messaging_product: 'whatsapp',
    url: mediaUrl(url, id),
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

function refuse(error: MetaError): Response {
  return Response.json(errorBody(error), { status: error.status })
}
