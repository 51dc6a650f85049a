/** Not base64: neither of its letters, nor of what may stand between them. */
const foreign = /[^A-Za-z0-9+/_=\-\\\r\n]/

/**
 * Decodes base64 piece by piece, up to a quotation mark, after which nothing is read. Errors where what comes is not
 * base64, or ends without the mark: the file would be a part of itself.
 */
export function base64Decoder(): TransformStream<Uint8Array, Uint8Array> {
  let rest = ''
  let isOver = false
  return new TransformStream({
    transform(chunk, controller) {
      if (isOver) return
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      const end = text.indexOf('"')
      const given = end === -1 ? text : text.slice(0, end)
      if (foreign.test(given)) return controller.error(new Error('The file is not base64'))
      const letters = rest + given.replace(/[^A-Za-z0-9+/_-]/g, '')
      isOver = end !== -1
      const whole = isOver ? letters.length : letters.length - (letters.length % 4)
      rest = letters.slice(whole)
      if (whole > 0) controller.enqueue(Buffer.from(letters.slice(0, whole), 'base64'))
    },
    flush(controller) {
      if (!isOver) controller.error(new Error('The file ends too early'))
    },
  })
}
