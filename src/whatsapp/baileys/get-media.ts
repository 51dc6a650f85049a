import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { type Download, downloadMedia } from './download-media.ts'
import type { MediaRequest } from './protocol.ts'
import type { Sending } from './send-message.ts'
import type { Session } from './session.ts'

/** For the sender's phone to put a file back. */
const restoreMs = 20_000

/**
 * A customer's file as the answer to a request: 200 with its bytes, opened; 410 where it is gone for good, 422 where the
 * message does not say where it is; 503 where it may be had later. A file that WhatsApp's host has dropped is asked for
 * at the phone, which puts it back at another place.
 */
export async function getMedia(
  { log, mediaOrigin }: { readonly log: Log; readonly mediaOrigin: string | null },
  session: Session | undefined,
  media: MediaRequest,
  signal: AbortSignal,
): Promise<Response> {
  try {
    const first = await downloadMedia(media, mediaOrigin, signal)
    if (first.kind !== 'gone') return answerOf(first)
    const sending = session?.sending()
    if (!sending)
      return problem(503, 'WhatsApp has dropped the file, and the phone can be asked only once it is connected.')
    const restored = await restore(sending, media)
    return restored === null ? gone() : answerOf(await downloadMedia(restored, mediaOrigin, signal))
  } catch (error) {
    log.debug({ error: messageOf(error) }, 'a file could not be got')
    return problem(503, "WhatsApp's media host cannot be reached.")
  }
}

function answerOf(download: Download): Response {
  switch (download.kind) {
    case 'found':
      return new Response(download.body, { headers: { 'content-type': 'application/octet-stream' } })
    case 'gone':
      return problem(410, 'WhatsApp does not have the file any more.')
    case 'failed':
      return problem(422, download.reason)
    case 'retry':
      return problem(503, download.reason)
  }
}

function problem(status: number, reason: string): Response {
  return Response.json({ reason }, { status })
}

function gone(): Response {
  return problem(410, 'WhatsApp does not have the file any more, and the phone neither.')
}

/** Where the file is now; null where the phone does not have it. */
async function restore({ library, socket }: Sending, media: MediaRequest): Promise<MediaRequest | null> {
  const { kind, message_id: id, remote_jid: remoteJid, from_me: fromMe = false } = media
  const message = library.proto.Message.fromObject({
    [`${kind}Message`]: { mediaKey: media.media_key, directPath: media.direct_path },
  })
  const asked = socket.updateMediaMessage({ key: { id, remoteJid, fromMe }, message })
  const answer = await Promise.race([asked.catch(() => null), Bun.sleep(restoreMs).then(() => null)])
  const path = answer?.message?.[`${kind}Message`]?.directPath
  return path ? { ...media, direct_path: path } : null
}
