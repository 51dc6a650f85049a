import type { Context } from 'hono'
import { AppError, messageOf } from '../lib/errors.ts'
import { insertUploadedMedia, sizeText, uploadsBytesMax } from '../messaging/media.ts'
import type { FilePlace } from '../stores/files.ts'
import { answerChange } from './change.ts'
import type { Env } from './options.ts'
import type { Parts } from './parts.ts'
import type { UploadedFile } from './read-upload.ts'

/**
 * Notes an upload, and answers with what is known of it. The file is in its place before that, and leaves it where nothing
 * was noted: because it was refused, or because the same request was done before.
 */
export async function storeUpload(parts: Parts, context: Context<Env>, upload: UploadedFile): Promise<Response> {
  const { file, mimeType, filename } = upload
  const { bytes, sha256 } = file
  const place = { tenantId: context.get('caller').tenantId, id: parts.ids.next() }
  let isNoted = false
  // What an Idempotency-Key belongs to.
  context.set('given', { sha256, mime_type: mimeType, filename })
  try {
    await file.keep(place)
    return await answerChange(parts, context, 201, async (tx, caller, record) => {
      const row = { ...place, uploadedBy: caller.id, mimeType, filename, bytes, sha256 }
      const after = await insertUploadedMedia(tx, row)
      if (after === null) throw tooMuch()
      record({ action: 'media.uploaded', resource: 'conversations', id: after.id, before: null, after })
      isNoted = true
      return after
    })
  } catch (error) {
    // Where the database was lost, it may be noted all the same: a file without a row is swept later.
    if (!(error instanceof AppError && error.code === 'database_unavailable')) isNoted = false
    throw error
  } finally {
    await file.discard()
    if (!isNoted) await removeFile(parts, place)
  }
}

function tooMuch(): AppError {
  return new AppError('conflict', `More than ${sizeText(uploadsBytesMax)} would be uploaded: delete some files first.`)
}

/** What cannot be removed now is swept later. */
export async function removeFile({ files, log }: Pick<Parts, 'files' | 'log'>, place: FilePlace): Promise<void> {
  await files.remove(place).catch((error: unknown) => {
    log.warn({ media_id: place.id, error: messageOf(error) }, 'a file could not be removed')
  })
}
