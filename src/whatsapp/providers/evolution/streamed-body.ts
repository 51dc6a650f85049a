import { randomToken } from '../../../lib/crypto.ts'
import type { OutboundFile } from '../../provider.ts'
import type { StreamedBody } from '../post.ts'

/** A body whose file is read from the disk as it leaves. */
export type FileBody = { readonly contentType: string; readonly body: StreamedBody }

/**
 * A form with a file in it (RFC 7578). A third smaller than the same in base64, and as Evolution takes it apart itself:
 * neither side holds both forms of it.
 */
export function formOf(fields: Readonly<Record<string, string>>, filename: string, file: OutboundFile): FileBody {
  const boundary = `dashoffice-${randomToken(18)}`
  const part = (name: string, more = '') => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n`
  const texts = Object.entries(fields).map(([name, value]) => `${part(name)}\r\n${value}\r\n`)
  const type = `Content-Type: ${file.mimeType.replace(/[\r\n]/g, '')}`
  const head = `${texts.join('')}${part('file', `; filename="${quoted(filename)}"`)}${type}\r\n\r\n`
  const body = around(head, { bytes: file.bytes, open: () => file.blob.stream() }, `\r\n--${boundary}--\r\n`)
  return { contentType: `multipart/form-data; boundary=${boundary}`, body }
}

/** As browsers write it (HTML, "Multipart form data"). */
function quoted(filename: string): string {
  return filename.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22')
}

/** A JSON object of these fields and the file, as base64, in the field `name`. */
export function jsonWithFile(fields: object, name: string, file: OutboundFile): FileBody {
  const head = `${JSON.stringify(fields).slice(0, -1)},${JSON.stringify(name)}:"`
  const base64: StreamedBody = {
    bytes: Math.ceil(file.bytes / 3) * 4,
    open: () => file.blob.stream().pipeThrough(base64Encoder()),
  }
  return { contentType: 'application/json', body: around(head, base64, '"}') }
}

function around(head: string, inner: StreamedBody, tail: string): StreamedBody {
  const [first, last] = [Buffer.from(head), Buffer.from(tail)]
  const framed = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      start: controller => controller.enqueue(first),
      flush: controller => controller.enqueue(last),
    })
  return {
    bytes: first.length + inner.bytes + last.length,
    open: () => inner.open().pipeThrough(framed()),
  }
}

/** Three bytes are four letters: what is left of a piece waits for the next. */
function base64Encoder(): TransformStream<Uint8Array, Uint8Array> {
  let rest = Buffer.alloc(0)
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = Buffer.concat([rest, chunk])
      const whole = bytes.length - (bytes.length % 3)
      rest = bytes.subarray(whole)
      if (whole > 0) controller.enqueue(Buffer.from(bytes.toString('base64', 0, whole)))
    },
    flush(controller) {
      if (rest.length > 0) controller.enqueue(Buffer.from(rest.toString('base64')))
    },
  })
}
