// What the first bytes of a file tell of its type.

/** As many of a file's first bytes as `looksLike` looks at. */
export const headBytes = 16

/** What nobody can say more of. */
export const anyType = 'application/octet-stream'

type Test = (head: Uint8Array) => boolean

const ascii = (text: string) => [...text].map(character => character.charCodeAt(0))
const at =
  (offset: number, bytes: readonly number[]): Test =>
  head =>
    bytes.every((byte, index) => head[offset + index] === byte)
const either =
  (...tests: readonly Test[]): Test =>
  head =>
    tests.some(test => test(head))
const riff =
  (form: string): Test =>
  head =>
    at(0, ascii('RIFF'))(head) && at(8, ascii(form))(head)
/** A frame of MPEG audio begins with eleven bits that are set (ISO/IEC 11172-3); ADTS with twelve (ISO/IEC 13818-7). */
const mpegFrame: Test = head => head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0
const adtsFrame: Test = head => head[0] === 0xff && ((head[1] ?? 0) & 0xf6) === 0xf0

// ISO/IEC 14496-12: the type of the first box.
const isoMedia = at(4, ascii('ftyp'))
const zip = at(0, [...ascii('PK'), 3, 4])
const compoundFile = at(0, [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
const ogg = at(0, ascii('OggS'))
const mp3 = either(at(0, ascii('ID3')), mpegFrame)
const aac = either(adtsFrame, at(0, ascii('ADIF')), isoMedia)
const webm = at(0, [0x1a, 0x45, 0xdf, 0xa3])
const wave = riff('WAVE')
const office = 'application/vnd.openxmlformats-officedocument'

/** The types that can be told by their first bytes: what WhatsApp takes, and what people send besides. */
const tests: ReadonlyMap<string, Test> = new Map([
  ['image/jpeg', at(0, [0xff, 0xd8, 0xff])],
  ['image/png', at(0, [0x89, ...ascii('PNG\r\n'), 0x1a, 0x0a])],
  ['image/gif', at(0, ascii('GIF8'))],
  ['image/webp', riff('WEBP')],
  ['audio/ogg', ogg],
  ['audio/opus', ogg],
  ['audio/mpeg', mp3],
  ['audio/mp3', mp3],
  ['audio/aac', aac],
  ['audio/amr', at(0, ascii('#!AMR'))],
  ['audio/mp4', isoMedia],
  ['audio/x-m4a', isoMedia],
  ['audio/wav', wave],
  ['audio/x-wav', wave],
  ['audio/webm', webm],
  ['video/mp4', isoMedia],
  ['video/3gpp', isoMedia],
  ['video/quicktime', isoMedia],
  ['video/webm', webm],
  ['application/pdf', at(0, ascii('%PDF-'))],
  ['application/zip', zip],
  ['application/msword', compoundFile],
  ['application/vnd.ms-excel', compoundFile],
  ['application/vnd.ms-powerpoint', compoundFile],
  [`${office}.wordprocessingml.document`, zip],
  [`${office}.spreadsheetml.sheet`, zip],
  [`${office}.presentationml.presentation`, zip],
])

/** `image/jpeg` of `Image/JPEG; q=1`. */
export function essenceOf(mimeType: string): string {
  return (mimeType.split(';')[0] ?? '').trim().toLowerCase()
}

/** Whether a file that begins like this may be of this type. Of a type that cannot be told so, yes. */
export function looksLike(head: Uint8Array, mimeType: string): boolean {
  return tests.get(essenceOf(mimeType))?.(head) ?? true
}

const shape = /^[a-z0-9][\w!#$&^.+-]{0,126}\/[a-z0-9][\w!#$&^.+-]{0,126}$/
const codecs = /;\s*codecs\s*=\s*"?([\w.,-]{1,64})"?/i

/**
 * A type that somebody outside wrote, as it may stand in a header: in lower case, with no parameter but `codecs`; null
 * where it is none (RFC 6838, section 4.2).
 */
export function readMimeType(text: string): string | null {
  const essence = essenceOf(text)
  if (!shape.test(essence)) return null
  const [, codec] = codecs.exec(text) ?? []
  if (codec === undefined) return essence
  return `${essence}; codecs=${codec.includes(',') ? `"${codec}"` : codec}`
}
