import { type Context, Hono } from 'hono'
import type { Content } from '../records.ts'
import { respond } from '../send-api.ts'
import type { Stage } from './dialect.ts'
import { mediaSid, signedIn } from './twilio-account.ts'
import { notFound, unauthorized } from './twilio-errors.ts'

const urlMs = 14_400_000

type File = { readonly mimeType: string; readonly bytes: Uint8Array<ArrayBuffer> }

/**
 * Files that customers sent: at Twilio with the account's credentials, which redirects to a signed address of another
 * host. That one refuses credentials, as object stores do that find two proofs in one request.
 */
export function twilioMedia(stage: Stage): Hono {
  const { world, media, now } = stage
  const secret = crypto.randomUUID()
  const app = new Hono()
  const path = '/2010-04-01/Accounts/:account/Messages/:message/Media/:media'
  app.get(path, context => {
    const { account, message, media: id } = context.req.param()
    if (signedIn(world, context.req.raw, account) === null) return respond(unauthorized())
    if (fileOf(message, id) === null) return respond(notFound(context.req.path))
    const expires = String(Math.floor((now() + urlMs) / 1_000))
    const address = `${otherHost(context)}/twilio/cdn/${message}/${id}`
    return context.redirect(
      `${address}?${new URLSearchParams({ expires, signature: sign(message, id, expires) })}`,
      302,
    )
  })
  app.delete(path, context => {
    const { account, message, media: sid } = context.req.param()
    if (signedIn(world, context.req.raw, account) === null) return respond(unauthorized())
    const id = mediaIdOf(message, sid)
    return id !== null && media.remove(id) ? context.body(null, 204) : respond(notFound(context.req.path))
  })
  app.get('/cdn/:message/:media', context => {
    const { message, media: id } = context.req.param()
    const { expires = '', signature } = context.req.query()
    if (context.req.header('authorization') !== undefined) return new Response(onlyOneProof, { status: 400 })
    const isSigned = signature === sign(message, id, expires) && Number(expires) * 1_000 > now()
    const file = isSigned ? fileOf(message, id) : null
    if (file === null) return new Response(null, { status: isSigned ? 404 : 403 })
    return new Response(file.bytes, { headers: { 'content-type': file.mimeType } })
  })
  return app

  function sign(message: string, id: string, expires: string): string {
    return new Bun.CryptoHasher('sha256', secret).update(`${message} ${id} ${expires}`).digest('hex')
  }

  function fileOf(messageId: string, sid: string): File | null {
    const content = world.message(messageId)?.message.content
    if (content?.type === 'contacts') return vcards(content)
    return media.get(mediaIdOf(messageId, sid) ?? '')
  }

  function mediaIdOf(messageId: string, sid: string): string | null {
    const content = world.message(messageId)?.message.content
    const id = content !== undefined && 'media_id' in content ? (content.media_id ?? '') : ''
    return id !== '' && mediaSid(id) === sid ? id : null
  }
}

const onlyOneProof = 'Only one auth mechanism allowed; only the signature or the Authorization header should be given'

/** The same machine under its other name, where there is one: another origin for whoever follows the redirect. */
function otherHost(context: Context): string {
  const url = new URL(context.req.url)
  if (url.hostname === '127.0.0.1') url.hostname = 'localhost'
  else if (url.hostname === 'localhost') url.hostname = '127.0.0.1'
  return url.origin
}

function vcards({ contacts }: Extract<Content, { type: 'contacts' }>): File {
  const cards = contacts.map(({ name, phones }) => {
    const lines = phones.map(phone => `TEL;type=CELL;waid=${phone.replace(/\D/g, '')}:${phone}`)
    return ['BEGIN:VCARD', 'VERSION:3.0', `N:;${name};;;`, `FN:${name}`, ...lines, 'END:VCARD'].join('\r\n')
  })
  return { mimeType: 'text/vcard', bytes: new TextEncoder().encode(`${cards.join('\r\n')}\r\n`) }
}
