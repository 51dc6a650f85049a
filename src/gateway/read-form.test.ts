import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { AppError } from '../lib/errors.ts'
import { boundaryOf, readFormFile } from './read-form.ts'

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Reads a form that comes in chunks of some size, to its end. */
async function read(bytes: Uint8Array, boundary: string, size = 1_000) {
  const { filename, contentType, chunks, end } = await readFormFile(chunksOf(bytes, size), boundary)
  const pieces: Uint8Array[] = []
  for await (const piece of chunks) pieces.push(piece)
  await end()
  return { filename, contentType, content: Buffer.concat(pieces) }
}

/** A form as the runtime itself writes it. */
async function formOf(parts: Readonly<Record<string, Blob | string>>) {
  const form = new FormData()
  for (const [name, part] of Object.entries(parts)) form.append(name, part)
  const request = new Request('http://test', { method: 'POST', body: form })
  const boundary = boundaryOf(request.headers.get('content-type') ?? '') ?? ''
  return { boundary, bytes: await request.bytes() }
}

const partOf = (headers: string, content = 'x') => Buffer.from(`--b\r\n${headers}\r\n\r\n${content}\r\n--b--\r\n`)
const disposition = 'Content-Disposition: form-data; name="file"'

test('whatever a file holds, and however its form is cut, it is read as it was written', async () => {
  // What looks like a boundary, or like the beginning of one, is most of it.
  const content = fc.array(fc.constantFrom('\r', '\n', '-', '--', '\r\n--', 'b', 'form', '\0', 'ü'), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(content, fc.integer({ min: 1, max: 70 }), async (pieces, size) => {
      const file = new File([pieces.join('')], 'a "name".png', { type: 'image/png' })
      const { boundary, bytes } = await formOf({ file })
      const found = await read(bytes, boundary, size)
      expect(found.content.toString()).toBe(pieces.join(''))
      expect([found.filename, found.contentType]).toEqual(['a "name".png', 'image/png'])
    }),
    { numRuns: 300 },
  )
})

test('names are read as programs write them', async () => {
  const names = ['"a.png"', '"a \\"b\\".png"', '"a %22b%22.png"', 'a.png', '"C:\\dir\\a.png"', '"ñ.png"', '""']
  const found = await Promise.all(names.map(name => read(partOf(`${disposition}; filename=${name}`), 'b')))
  expect(found.map(one => one.filename)).toEqual([
    ...['a.png', 'a "b".png', 'a "b".png', 'a.png', 'C:\\dir\\a.png', 'ñ.png', ''],
  ])
  const other = await read(partOf(`content-type: Image/PNG\r\ncontent-disposition:form-data;name=file`), 'b')
  expect(other).toMatchObject({ filename: null, contentType: 'Image/PNG' })
})

test('a text before the first boundary, and after the last one, is passed over', async () => {
  const bytes = Buffer.concat([Buffer.from('hello\r\n'), partOf(disposition, 'abc'), Buffer.from('bye')])
  for (const size of [1, 3, 1_000]) expect((await read(bytes, 'b', size)).content.toString()).toBe('abc')
})

async function errorOf(bytes: Uint8Array, boundary = 'b') {
  const error = await read(bytes, boundary).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  return error instanceof AppError ? [error.code, ...error.errors.flatMap(one => [one.path, one.message])] : error
}

test('a form that has no file, or more than one, or something else, is refused', async () => {
  const [file, other] = [new File(['a'], 'a.png'), 'text']
  for (const [parts, ...expected] of [
    [{}, 'file', 'Is missing'],
    [{ other }, 'other', 'Is not known here'],
    [{ other, file }, 'other', 'Is not known here'],
    [{ file, other }, 'other', 'Is not known here'],
  ] as const) {
    const { boundary, bytes } = await formOf(parts)
    expect(await errorOf(bytes.length > 0 ? bytes : Buffer.from(`--${boundary}--`), boundary)).toEqual([
      ...['invalid', ...expected],
    ])
  }
  const twice = Buffer.from(`--b\r\n${disposition}\r\n\r\na\r\n--b\r\n${disposition}\r\n\r\na\r\n--b--`)
  expect(await errorOf(twice)).toEqual(['invalid', 'file', 'Must be one file'])
})

test('what is no form, or breaks off anywhere, is refused', async () => {
  const whole = partOf(disposition)
  for (let length = 0; length < whole.length - 2; length++)
    expect([length, await errorOf(whole.subarray(0, length))]).toEqual([length, ['bad_request']])
  const wrong = [
    Buffer.from('{"file": 1}'),
    Buffer.alloc(5_000, 'a'),
    partOf('Content-Type: image/png'),
    partOf('Content-Disposition: attachment; name="file"'),
    partOf('Content-Disposition: form-data'),
    partOf(`${disposition}\r\nX: ${'a'.repeat(9_000)}`),
  ]
  for (const bytes of wrong) expect(await errorOf(bytes)).toEqual(['bad_request'])
})

test('a boundary is found among the parameters', () => {
  expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"')).toBe('a b')
  expect(boundaryOf('multipart/form-data;BOUNDARY=----x')).toBe('----x')
  for (const none of ['multipart/form-data', 'multipart/form-data; boundary=', `a/b; boundary=${'x'.repeat(71)}`])
    expect(boundaryOf(none)).toBeNull()
})
