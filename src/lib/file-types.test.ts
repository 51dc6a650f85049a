import { expect, test } from 'bun:test'
import { essenceOf, looksLike, readMimeType } from './file-types.ts'

const bytes = (...parts: readonly (string | number)[]) =>
  Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))))

/** The beginning of a file of each type, as the format's document has it. */
const heads: Readonly<Record<string, Uint8Array>> = {
  'image/jpeg': bytes(0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 'JFIF'),
  'image/png': bytes(0x89, 'PNG\r\n', 0x1a, '\n'),
  'image/gif': bytes('GIF89a'),
  'image/webp': bytes('RIFF', 1, 2, 3, 4, 'WEBPVP8 '),
  'audio/ogg': bytes('OggS', 0, 2),
  'audio/mpeg': bytes('ID3', 4, 0),
  'audio/aac': bytes(0xff, 0xf1, 0x50),
  'audio/amr': bytes('#!AMR\n'),
  'audio/wav': bytes('RIFF', 1, 2, 3, 4, 'WAVE'),
  'video/mp4': bytes(0, 0, 0, 0x20, 'ftypisom'),
  'video/webm': bytes(0x1a, 0x45, 0xdf, 0xa3),
  'application/pdf': bytes('%PDF-1.7'),
  'application/zip': bytes('PK', 3, 4),
  'application/msword': bytes(0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1),
}

test('each file is taken for its own type, and for no other that can be told', () => {
  const containers = new Set(['audio/aac video/mp4', 'audio/mpeg audio/aac', 'audio/aac audio/mpeg'])
  for (const [type, head] of Object.entries(heads))
    for (const other of Object.keys(heads))
      if (!containers.has(`${other} ${type}`))
        expect([type, other, looksLike(head, other)]).toEqual([type, other, type === other])
})

test('frames of MPEG audio need no tag before them', () => {
  expect(looksLike(bytes(0xff, 0xfb, 0x90, 0x64), 'audio/mpeg')).toBeTrue()
  expect(looksLike(bytes(0xff, 0x1b), 'audio/mpeg')).toBeFalse()
})

test('a file that ends before its type can be told is not of the type', () => {
  for (const [type, head] of Object.entries(heads))
    expect([type, looksLike(head.subarray(0, 1), type)]).toEqual([type, false])
})

test('a type that bytes tell nothing of is believed', () => {
  expect(looksLike(bytes('<html>'), 'text/html')).toBeTrue()
  expect(looksLike(bytes('a,b'), 'text/csv')).toBeTrue()
})

test('parameters do not hide a type', () => {
  expect(looksLike(bytes('%PDF-'), 'audio/ogg; codecs=opus')).toBeFalse()
  expect(essenceOf(' Audio/OGG ;codecs=opus')).toBe('audio/ogg')
})

test('a type is read as it may stand in a header', () => {
  expect(readMimeType('Image/JPEG')).toBe('image/jpeg')
  expect(readMimeType('audio/ogg; codecs=opus')).toBe('audio/ogg; codecs=opus')
  expect(readMimeType('video/mp4; a=b; codecs="avc1.42E01E,mp4a.40.2"')).toBe(
    'video/mp4; codecs="avc1.42E01E,mp4a.40.2"',
  )
  expect(readMimeType('text/html\r\nset-cookie: a=b')).toBeNull()
  for (const wrong of ['', 'jpeg', 'image/', '/png', 'image/*', 'a b/c', `x/${'y'.repeat(200)}`])
    expect([wrong, readMimeType(wrong)]).toEqual([wrong, null])
})
