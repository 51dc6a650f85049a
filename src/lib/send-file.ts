import { AppError } from './errors.ts'
import { essenceOf } from './file-types.ts'

/** A file to answer with. */
export type SentFile = {
  readonly blob: Blob
  readonly mimeType: string
  readonly filename: string | null
  /** Of its bytes, in its quotes. */
  readonly etag: string
}

/**
 * A file that somebody else made, as an answer that does no harm in a browser: it is shown only where it is a picture, a
 * sound, a video or a PDF, is taken for nothing but what its type says, and runs no script. Takes `Range`, `If-Range` and
 * `If-None-Match` (RFC 9110). Throws `range_not_satisfiable`.
 */
export function sendFile(request: Headers, file: SentFile, more: Readonly<Record<string, string>>): Response {
  const { blob, etag } = file
  const common = { ...more, ...headersOf(file) }
  if (isAmong(request.get('if-none-match'), etag)) return new Response(null, { status: 304, headers: common })
  const range = readRange(request, blob.size, etag)
  if (range === 'unsatisfiable')
    throw new AppError('range_not_satisfiable', `The file has ${blob.size} bytes: ask for some of these.`)
  if (range === null) return new Response(blob, { headers: { ...common, 'content-length': String(blob.size) } })
  const [first, last] = range
  const headers = {
    ...common,
    'content-range': `bytes ${first}-${last}/${blob.size}`,
    'content-length': String(last - first + 1),
  }
  return new Response(blob.slice(first, last + 1), { status: 206, headers })
}

function headersOf({ mimeType, filename, etag }: SentFile): Record<string, string> {
  return {
    'content-type': mimeType,
    'content-disposition': `${isShown(mimeType) ? 'inline' : 'attachment'}${filenameParameter(filename)}`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
    'accept-ranges': 'bytes',
    etag,
  }
}

/** An SVG is a picture that holds scripts. */
function isShown(mimeType: string): boolean {
  const essence = essenceOf(mimeType)
  return essence === 'application/pdf' || (/^(image|audio|video)\//.test(essence) && essence !== 'image/svg+xml')
}

/** RFC 6266 and RFC 8187: the name in ASCII for old programs, and as it is for all others. */
function filenameParameter(filename: string | null): string {
  if (filename === null) return ''
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(filename.toWellFormed()).replace(
    /['()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

function isAmong(header: string | null, etag: string): boolean {
  return header?.split(',').some(part => part.trim().replace(/^W\//, '') === etag || part.trim() === '*') ?? false
}

/** The first and the last byte; null for all: where no range is asked for, more than one, or one of another file. */
function readRange(request: Headers, size: number, etag: string): readonly [number, number] | null | 'unsatisfiable' {
  const ifRange = request.get('if-range')
  const [, first = '', last = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(request.get('range') ?? '') ?? []
  if (first + last === '' || (ifRange !== null && ifRange !== etag)) return null
  if (first === '')
    return Number(last) === 0 || size === 0 ? 'unsatisfiable' : [Math.max(0, size - Number(last)), size - 1]
  if (last !== '' && Number(last) < Number(first)) return null
  return Number(first) >= size
    ? 'unsatisfiable'
    : [Number(first), Math.min(last === '' ? size : Number(last), size - 1)]
}
