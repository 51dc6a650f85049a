import { invalid } from '../lib/check-fields.ts'
import { AppError } from '../lib/errors.ts'

// A form with one file in it (RFC 7578), read as it comes: a file of 100 MB is never in memory.

const headerBytesMax = 8_192
/** Around the parts there may be a text for programs that know no forms. */
const textBytesMax = 1_024

/** What a form may have around its file. */
export const formBytesMax = headerBytesMax + 2 * textBytesMax

/** The file of a form: what its headers say, and its bytes. */
export type FormFile = {
  readonly filename: string | null
  readonly contentType: string | null
  readonly chunks: AsyncIterable<Uint8Array>
  /** To be called after the last chunk: throws where the form has more than the file, or is not whole. */
  end(): Promise<void>
}

/** The boundary of a form's `Content-Type`; null where it has none. */
export function boundaryOf(contentType: string): string | null {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?=[\s;]|$))/i.exec(contentType) ?? []
  return quoted ?? plain ?? null
}

/** Reads a form as far as its file, which is called `file`. Throws `bad_request` where it is no form, or `invalid`. */
export async function readFormFile(body: AsyncIterable<Uint8Array>, boundary: string): Promise<FormFile> {
  const source = makeSource(body)
  await source.readPast(`--${boundary}`, textBytesMax)
  if (await isLast(source)) throw invalid([{ path: 'file', message: 'Is missing' }])
  const { name, filename, contentType } = await readHeaders(source)
  if (name !== 'file') throw invalid([{ path: name, message: 'Is not known here' }])
  return {
    filename,
    contentType,
    chunks: source.piecesUntil(`\r\n--${boundary}`),
    async end() {
      if (!(await isLast(source))) {
        const next = await readHeaders(source)
        throw invalid([{ path: next.name, message: next.name === 'file' ? 'Must be one file' : 'Is not known here' }])
      }
      await source.skipRest(textBytesMax)
    },
  }
}

type Source = ReturnType<typeof makeSource>

/** After a boundary there are two hyphens where the form ends, else the end of the line. */
async function isLast(source: Source): Promise<boolean> {
  const mark = await source.take(2)
  if (mark !== '--' && mark !== '\r\n') throw notAForm()
  return mark === '--'
}

async function readHeaders(source: Source) {
  const lines = (await source.readPast('\r\n\r\n', headerBytesMax)).toString('utf8').split('\r\n')
  const headerOf = (name: string) =>
    lines
      .find(line => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim()
  const disposition = headerOf('content-disposition') ?? ''
  const name = parameterOf(disposition, 'name')
  if (!/^form-data\b/i.test(disposition) || name === null) throw notAForm()
  return { name, filename: parameterOf(disposition, 'filename'), contentType: headerOf('content-type') ?? null }
}

/** Browsers write a quote in a name as %22 (WHATWG, HTML, "Multipart form data"), other programs as \". */
function parameterOf(disposition: string, name: string): string | null {
  const shape = new RegExp(`;\\s*${name}=(?:"((?:\\\\["\\\\]|[^"])*)"|([^\\s;"]+))`, 'i')
  const [, quoted, plain] = shape.exec(disposition) ?? []
  if (quoted === undefined) return plain ?? null
  return quoted.replace(/\\(["\\])/g, '$1').replace(/%(22|0D|0A)/gi, code => decodeURIComponent(code))
}

/** A stream of bytes, read up to marks in it. Each throws `bad_request` where the stream ends before. */
function makeSource(chunks: AsyncIterable<Uint8Array>) {
  const iterator = chunks[Symbol.asyncIterator]()
  let buffer = Buffer.alloc(0)

  async function more(): Promise<void> {
    const next = await iterator.next()
    if (next.done) throw notAForm()
    buffer = Buffer.concat([buffer, next.value])
  }

  function cut(count: number): Buffer {
    const before = buffer.subarray(0, count)
    buffer = buffer.subarray(count)
    return before
  }

  return {
    async take(count: number): Promise<string> {
      while (buffer.length < count) await more()
      return cut(count).toString('latin1')
    },
    /** What comes before a mark, which is passed too. */
    async readPast(mark: string, bytesMax: number): Promise<Buffer> {
      for (;;) {
        const at = buffer.indexOf(mark)
        if (at >= 0 && at <= bytesMax) return cut(at + mark.length).subarray(0, at)
        if (buffer.length > bytesMax + mark.length) throw notAForm()
        await more()
      }
    },
    /** The same, however much it is, piece by piece. */
    async *piecesUntil(mark: string): AsyncGenerator<Uint8Array> {
      for (;;) {
        const at = buffer.indexOf(mark)
        // The end of what is there may be the beginning of the mark.
        const piece = cut(at >= 0 ? at : Math.max(0, buffer.length - mark.length + 1))
        if (piece.length > 0) yield piece
        if (at >= 0) return void cut(mark.length)
        await more()
      }
    },
    /** What is left is read, so that the connection can be used again; where it is too much, it is not. */
    async skipRest(bytesMax: number): Promise<void> {
      for (let bytes = buffer.length; bytes <= bytesMax; ) {
        const next = await iterator.next()
        if (next.done) return
        bytes += next.value.byteLength
      }
    },
  }
}

function notAForm(): AppError {
  return new AppError('bad_request', 'The form cannot be read: it is not whole, or no multipart/form-data.')
}
