import { FILENAME_LENGTH_MAX } from '../flow/limits.ts'
import { invalid } from '../lib/check-fields.ts'
import { AppError } from '../lib/errors.ts'
import { anyType, looksLike, readMimeType } from '../lib/file-types.ts'
import { kindOf, mediaBytesMax, sizeText } from '../messaging/media.ts'
import type { Files, ReceivedFile } from '../stores/files.ts'
import { boundaryOf, formBytesMax, readFormFile } from './read-form.ts'

/** A file that was uploaded: on the disk, and not in its place yet. */
export type UploadedFile = {
  readonly file: ReceivedFile
  readonly mimeType: string
  readonly filename: string | null
}

type FileBody = {
  readonly mimeType: string
  readonly filename: string | null
  readonly chunks: AsyncIterable<Uint8Array>
  /** Throws where something else comes after the file. */
  readonly end: () => Promise<void>
}

/**
 * Writes the file of a request to the disk as it comes: the body is the file itself, or a form with the file in it. Throws
 * `unknown_file_type`, `bad_request`, `too_large` or `invalid`, and leaves nothing then.
 */
export async function readUpload(files: Files, request: Request, filename: string | null): Promise<UploadedFile> {
  const body = await openBody(request, filename)
  const bytesMax = mediaBytesMax[kindOf(body.mimeType)]
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax + formBytesMax) throw tooLarge(body, bytesMax)
  const file = await files.receive(body.chunks, bytesMax)
  if (file === null) throw tooLarge(body, bytesMax)
  try {
    await body.end()
    refuseWrong(file, body.mimeType)
  } catch (error) {
    await file.discard()
    throw error
  }
  return { file, mimeType: body.mimeType, filename: body.filename }
}

async function openBody(request: Request, filename: string | null): Promise<FileBody> {
  const type = request.headers.get('content-type') ?? ''
  const chunks = request.body ?? new Blob([]).stream()
  if (!/^multipart\/form-data\b/i.test(type))
    return { mimeType: typeOf(type), filename: filename && cleanName(filename), chunks, end: async () => undefined }
  const boundary = boundaryOf(type)
  if (boundary === null) throw new AppError('bad_request', 'The Content-Type of the form has no boundary.')
  const form = await readFormFile(chunks, boundary)
  const name = filename ?? form.filename
  return { ...form, mimeType: typeOf(form.contentType ?? anyType), filename: name && cleanName(name) }
}

function typeOf(contentType: string): string {
  const mimeType = readMimeType(contentType)
  if (mimeType !== null) return mimeType
  throw new AppError('unknown_file_type', 'The file has no Content-Type, or one that is none.')
}

/** Without the folders that some programs write before it; null where nothing is left. */
function cleanName(filename: string): string | null {
  const name = filename
    .toWellFormed()
    .replace(/^.*[/\\]/s, '')
    .replace(/\p{Cc}/gu, '')
    .trim()
  return name === '' ? null : name.slice(0, FILENAME_LENGTH_MAX).toWellFormed()
}

function refuseWrong({ bytes, head }: ReceivedFile, mimeType: string): void {
  if (bytes === 0) throw invalid([{ path: 'file', message: 'Must not be empty' }])
  if (!looksLike(head, mimeType)) throw new AppError('unknown_file_type', `The bytes of the file are not ${mimeType}.`)
}

function tooLarge({ mimeType }: FileBody, bytesMax: number): AppError {
  return new AppError('too_large', `WhatsApp takes ${sizeText(bytesMax)} at most of ${mimeType}.`)
}
