import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { equalTexts } from '../../lib/crypto.ts'
import { AppError } from '../../lib/errors.ts'
import { answerError, readBody, readJson, requestIdOf } from '../../lib/http.ts'
import type { Log } from '../../lib/log.ts'
import type { Metrics } from '../../lib/metrics.ts'
import { opsRoutes } from '../../lib/ops.ts'
import { jidOf } from '../providers/web-content/read-jid.ts'
import type { BridgeFiles } from './bridge-files.ts'
import { getMedia } from './get-media.ts'
import type { SessionRow } from './leases.ts'
import {
  connectionJson,
  mediaSchema,
  type ReadRequest,
  readSchema,
  type SendError,
  type SendRequest,
  type SessionConnection,
  sendSchema,
} from './protocol.ts'
import { type Sending, sendMessage } from './send-message.ts'
import type { Session } from './session.ts'
import { connectionOf, type Sessions } from './sessions.ts'

const bodyBytesMax = 256 * 1024
/** A part of a file. */
const partBytesMax = 16 * 1024 * 1024
/** For a session that was just opened to show a code, or to be connected. */
const connectWaitMs = 5_000

const connectSchema = v.strictObject({ phone: v.nullable(v.pipe(v.string(), v.regex(/^\+[1-9]\d{6,14}$/))) })
const disconnectSchema = v.strictObject({ logout: v.boolean() })

type Options = {
  readonly sessions: Sessions
  readonly files: BridgeFiles
  readonly token: string
  readonly health: () => Promise<{ readonly status: 'ok' | 'degraded' }>
  readonly metrics: Metrics
  readonly log: Log
  /** Another host for files, for tests; null: WhatsApp's own. */
  readonly mediaOrigin: string | null
}

/**
 * What the adapter asks of a bridge. A session that another bridge has is answered with 421 and where that listens; one
 * that nobody has, with what is known of it.
 */
export function bridgeRoutes(options: Options): Hono {
  const { sessions, files, token, health, metrics, log } = options
  const app = new Hono()
  app.onError((error, context) => answerError(error, requestIdOf(context.req.raw), log))
  for (const path of ['/sessions/*', '/files/*'])
    app.use(path, async (context, next) => {
      if (!equalTexts(context.req.header('authorization') ?? '', `Bearer ${token}`))
        throw new AppError('unauthenticated', 'The token is not that of this installation.')
      await next()
    })

  app.get('/sessions/:id', async context => {
    const found = await lookUp(context)
    return found instanceof Response ? found : context.json(connectionJson(standing(found)))
  })
  app.post('/sessions/:id/connect', async context => {
    const { phone } = await bodyOf(context, connectSchema)
    const found = await lookUp(context)
    if (found instanceof Response) return found
    const session = await sessions.connect(idOf(context), phone)
    if (session === undefined) return context.json(connectionJson(nobodyYet))
    await settled(session, connectWaitMs)
    return context.json(connectionJson(session.connection()))
  })
  app.post('/sessions/:id/disconnect', async context => {
    const { logout } = await bodyOf(context, disconnectSchema)
    const found = await lookUp(context)
    if (found instanceof Response) return found
    await sessions.disconnect(idOf(context), logout)
    return context.body(null, 204)
  })
  app.post('/sessions/:id/messages', async context => {
    const request = await bodyOf(context, sendSchema)
    const found = await lookUp(context)
    return found instanceof Response ? found : context.json(await send(found, request))
  })
  app.post('/sessions/:id/read', async context => {
    const request = await bodyOf(context, readSchema)
    const found = await lookUp(context)
    if (found instanceof Response) return found
    const sending = found.session?.sending()
    if (sending) await showRead(sending, request)
    return context.body(null, 204)
  })
  app.post('/sessions/:id/media', async context => {
    const request = await bodyOf(context, mediaSchema)
    const found = await lookUp(context)
    return found instanceof Response ? found : await getMedia(options, found.session, request, context.req.raw.signal)
  })
  app.put('/files/:name', async context => {
    const offset = Number(context.req.query('offset'))
    if (!Number.isSafeInteger(offset) || offset < 0) throw new AppError('bad_request', 'An offset is a whole number.')
    files.append(context.req.param('name'), offset, await readBody(context.req.raw, partBytesMax))
    return context.body(null, 204)
  })
  app.route('/', opsRoutes({ health, metrics }))
  return app

  async function lookUp(context: Context): Promise<Found | Response> {
    const session = sessions.get(idOf(context))
    if (session !== undefined) return { session, row: null }
    const row = await sessions.find(idOf(context))
    if (row === null) throw new AppError('not_found', 'There is no such bot of the provider baileys.')
    return row.url === null ? { session: undefined, row } : context.json({ url: row.url }, 421)
  }

  async function send(found: Found, request: SendRequest) {
    const sending = found.session?.sending()
    if (!sending) return { error: cannotSend(standing(found), found.row) }
    if (request.file === null) return await sendMessage(sending, request, null)
    const { name, mime_type: mimeType, filename } = request.file
    const path = files.find(name)
    if (path === null) return { error: fileGone }
    return await sendMessage(sending, request, { path, mimeType, filename })
  }
}

type Found = { readonly session: Session | undefined; readonly row: SessionRow | null }

const nobodyYet: SessionConnection = { kind: 'connecting', reason: 'The bot is about to connect to WhatsApp.' }

function standing({ session, row }: Found): SessionConnection {
  const standstill = row?.standstill ?? null
  return session?.connection() ?? (standstill === null ? null : connectionOf(standstill)) ?? nobodyYet
}

/** Why nothing can be sent now. */
function cannotSend(connection: SessionConnection, row: SessionRow | null): SendError {
  switch (connection.kind) {
    case 'logged_out':
      return { kind: 'logged_out', code: 'logged_out', message: connection.reason }
    case 'refused':
      return { kind: 'account', code: 'refused', message: connection.reason }
    case 'pairing':
      return { kind: 'not_ready', code: 'not_paired', message: 'The bot waits to be paired with its phone.' }
    default:
      return row?.standstill?.state === 'ended'
        ? { kind: 'not_ready', code: 'ended', message: row.standstill.reason }
        : { kind: 'not_ready', code: 'not_open', message: 'The connection to WhatsApp is down just now.' }
  }
}

const fileGone: SendError = {
  kind: 'retry',
  code: 'file_gone',
  message: 'The file of the message is not at hand any more: it is given again.',
}

async function settled(session: Session, ms: number): Promise<void> {
  const end = performance.now() + ms
  while (session.connection().kind === 'connecting' && performance.now() < end) await session.changed(500)
}

/** What fails is nobody's loss. */
async function showRead({ socket }: Sending, { message_id: id, from, is_typing }: ReadRequest): Promise<void> {
  const remoteJid = jidOf(from)
  if (remoteJid === null) return
  await socket.readMessages([{ remoteJid, id, fromMe: false }])
  if (is_typing) await socket.sendPresenceUpdate('composing', remoteJid)
}

function idOf(context: Context): string {
  const id = context.req.param('id') ?? ''
  if (!v.is(v.pipe(v.string(), v.uuid()), id)) throw new AppError('not_found', 'A bot is named by its id.')
  return id
}

async function bodyOf<T>(context: Context, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const parsed = v.safeParse(schema, await readJson(context.req.raw, bodyBytesMax))
  if (parsed.success) return parsed.output
  throw new AppError('invalid', `The body is not as it is to be: ${v.getDotPath(parsed.issues[0]) ?? ''}`)
}
