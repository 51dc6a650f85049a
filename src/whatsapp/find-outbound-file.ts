import type { OutboundContent } from '../flow/content.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { findMedia, type Media, mediaIdOf, unsendableMedia } from '../messaging/media.ts'
import { type MediaLinks, mediaLinkMs } from '../messaging/media-links.ts'
import type { Files } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { OutboundFile, SendResult } from './provider.ts'

type Parts = {
  readonly database: Database
  readonly files: Files
  readonly links: MediaLinks
  readonly clock: Clock
  readonly log: Log
}

/**
 * The file of a content whose `media_id` names one that is kept here; null where it names none: an id that is no UUID is the
 * provider's own. Or what becomes of a send without it. Never throws.
 */
export async function findOutboundFile(
  parts: Parts,
  tenantId: string,
  content: OutboundContent,
): Promise<{ readonly file: OutboundFile | null } | SendResult> {
  const id = mediaIdOf(content)
  if (id === null) return { file: null }
  try {
    const media = await parts.database.read({ role: 'app', tenantId }, tx => findMedia(tx, tenantId, id))
    const fault = unsendableMedia(media)
    if (media === undefined || fault !== null) return noFile(fault ?? gone)
    const blob = await parts.files.find({ tenantId, id }, media.mime_type)
    return blob === null ? noFile(gone) : { file: fileOf(parts, tenantId, media, blob) }
  } catch (error) {
    parts.log.warn({ media_id: id, error: messageOf(error) }, 'a file to send could not be read, trying again')
    return {
      kind: 'retry',
      pace: 'later',
      error: { code: 'file_unread', message: 'The file could not be read just now.' },
    }
  }
}

const gone = 'The file is not there any more: upload it again.'

function noFile(message: string): SendResult {
  return { kind: 'failed', error: { code: 'no_file', message } }
}

function fileOf({ links, clock }: Parts, tenantId: string, media: Media, blob: Blob): OutboundFile {
  const { id, mime_type, filename } = media
  const link = links.linkTo({ tenantId, id }, new Date(clock.now() + mediaLinkMs))
  return { mimeType: mime_type, filename, bytes: blob.size, blob, link, key: id }
}
