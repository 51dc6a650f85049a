import { expect, test } from 'bun:test'
import { AppError } from './errors.ts'
import { type SentFile, sendFile } from './send-file.ts'

const file: SentFile = {
  ...{ blob: new Blob(['0123456789']), mimeType: 'image/png', filename: null, etag: '"abc"' },
}

const ask = (headers: Readonly<Record<string, string>>, changes: Partial<SentFile> = {}) =>
  sendFile(new Headers(headers), { ...file, ...changes }, { 'cache-control': 'private' })

async function read(headers: Readonly<Record<string, string>>) {
  const answer = ask(headers)
  return [answer.status, answer.headers.get('content-range'), await answer.text()]
}

test('without a range all bytes are answered, with headers that do no harm', async () => {
  const answer = ask({})
  expect([answer.status, await answer.text()]).toEqual([200, '0123456789'])
  expect(Object.fromEntries(answer.headers)).toEqual({
    ...{ 'cache-control': 'private', 'content-type': 'image/png', 'content-length': '10', etag: '"abc"' },
    ...{ 'content-disposition': 'inline', 'accept-ranges': 'bytes', 'x-content-type-options': 'nosniff' },
    'content-security-policy': 'sandbox',
  })
})

test('a range is answered with its bytes', async () => {
  expect(await read({ range: 'bytes=2-4' })).toEqual([206, 'bytes 2-4/10', '234'])
  expect(await read({ range: 'bytes=0-0' })).toEqual([206, 'bytes 0-0/10', '0'])
  expect(await read({ range: 'bytes=7-' })).toEqual([206, 'bytes 7-9/10', '789'])
  expect(await read({ range: 'bytes=7-999' })).toEqual([206, 'bytes 7-9/10', '789'])
  expect(await read({ range: 'bytes=-3' })).toEqual([206, 'bytes 7-9/10', '789'])
  expect(await read({ range: 'bytes=-999' })).toEqual([206, 'bytes 0-9/10', '0123456789'])
  expect(ask({ range: 'bytes=2-4' }).headers.get('content-length')).toBe('3')
})

test('what is no range, or several, is answered with all bytes', async () => {
  for (const range of ['bytes=-', 'bytes=4-2', 'bytes=0-1,3-4', 'bits=0-1', 'bytes', 'bytes=a-b', ''])
    expect(await read({ range })).toEqual([200, null, '0123456789'])
})

test('a range that the file does not have is refused', () => {
  for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
    const refuse = () => ask({ range })
    expect(refuse).toThrow(new AppError('range_not_satisfiable', 'The file has 10 bytes: ask for some of these.'))
  }
  expect(() => ask({ range: 'bytes=-5' }, { blob: new Blob([]) })).toThrow(AppError)
})

test('a range of another file than this is answered with all of this', async () => {
  expect(await read({ range: 'bytes=2-4', 'if-range': '"abc"' })).toEqual([206, 'bytes 2-4/10', '234'])
  expect(await read({ range: 'bytes=2-4', 'if-range': '"abd"' })).toEqual([200, null, '0123456789'])
  expect(await read({ range: 'bytes=2-4', 'if-range': 'W/"abc"' })).toEqual([200, null, '0123456789'])
})

test('who has the file is told so', async () => {
  for (const known of ['"abc"', 'W/"abc"', '"x", "abc"', '*'])
    expect(await read({ 'if-none-match': known })).toEqual([304, null, ''])
  expect((await read({ 'if-none-match': '"abd"' }))[0]).toBe(200)
})

test('only what a browser shows without running it is shown', () => {
  const placeOf = (mimeType: string) => ask({}, { mimeType }).headers.get('content-disposition')
  for (const shown of ['image/jpeg', 'audio/ogg; codecs=opus', 'video/mp4', 'application/pdf'])
    expect([shown, placeOf(shown)]).toEqual([shown, 'inline'])
  for (const kept of ['image/svg+xml', 'text/html', 'application/octet-stream', 'application/json', 'text/plain'])
    expect([kept, placeOf(kept)]).toEqual([kept, 'attachment'])
})

test('a name is given as it is, and in ASCII, and ends no header', () => {
  const named = (filename: string) => ask({}, { filename }).headers.get('content-disposition')
  expect(named('menú (1)’s.pdf')).toBe(
    `inline; filename="men_ (1)_s.pdf"; filename*=UTF-8''men%C3%BA%20%281%29%E2%80%99s.pdf`,
  )
  expect(named('a"\r\nx: y\\.pdf')).toBe(`inline; filename="a___x: y_.pdf"; filename*=UTF-8''a%22%0D%0Ax%3A%20y%5C.pdf`)
  expect(named('\ud800')).toBe(`inline; filename="_"; filename*=UTF-8''%EF%BF%BD`)
})
