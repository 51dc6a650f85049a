import * as v from 'valibot'

/** A file in a message: how it is to be fetched, as plain JSON. Whoever has it can read the file. */
export type WebFile = {
  readonly type: 'image' | 'audio' | 'video' | 'document' | 'sticker'
  readonly mimeType: string
  readonly filename: string | null
  readonly caption: string | null
  /** Where WhatsApp keeps it, sealed. */
  readonly url: string | null
  readonly directPath: string | null
  /** What opens it, and what it and the sealed file hash to: bytes, as base64. */
  readonly mediaKey: string | null
  readonly fileSha256: string | null
  readonly fileEncSha256: string | null
  readonly bytes: number | null
}

/** The fields of files (WhatsApp Web's `Message`); `ptvMessage` is a video that was recorded in the chat. */
const types: ReadonlyMap<string, WebFile['type']> = new Map([
  ['imageMessage', 'image'],
  ['audioMessage', 'audio'],
  ['videoMessage', 'video'],
  ['ptvMessage', 'video'],
  ['documentMessage', 'document'],
  ['stickerMessage', 'sticker'],
])

const text = v.nullish(v.string(), null)

const fileSchema = v.object({
  mimetype: v.nullish(v.string(), ''),
  fileName: text,
  title: text,
  caption: text,
  url: text,
  directPath: text,
  mediaKey: v.optional(v.unknown()),
  fileSha256: v.optional(v.unknown()),
  fileEncSha256: v.optional(v.unknown()),
  fileLength: v.optional(v.unknown()),
})

/** The file in the field `name` of a message; null where the field is of no file, or cannot be read. */
export function readWebFile(name: string, value: unknown): WebFile | null {
  const type = types.get(name)
  const parsed = v.safeParse(fileSchema, value)
  if (type === undefined || !parsed.success) return null
  const { mimetype, fileName, title, caption, url, directPath, ...file } = parsed.output
  return {
    type,
    mimeType: mimetype === '' ? 'application/octet-stream' : mimetype,
    filename: type === 'document' ? (fileName ?? title) : null,
    caption,
    url,
    directPath,
    mediaKey: readBytes(file.mediaKey),
    fileSha256: readBytes(file.fileSha256),
    fileEncSha256: readBytes(file.fileEncSha256),
    bytes: readInteger(file.fileLength),
  }
}

/** What bytes are in JSON: base64, an object from index to byte, what `JSON.stringify` makes of a Buffer, or themselves. */
const bytesSchema = v.union([
  v.instance(Uint8Array),
  v.pipe(
    v.string(),
    v.check(isBase64),
    v.transform(base64 => Buffer.from(base64, 'base64')),
  ),
  v.pipe(
    v.object({ type: v.literal('Buffer'), data: v.union([v.string(), v.array(v.number())]) }),
    v.transform(({ data }) => (typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.from(data))),
  ),
  v.pipe(
    v.record(v.pipe(v.string(), v.digits()), v.number()),
    v.transform(byIndex => Buffer.from(Object.values(byIndex))),
  ),
])

/** Whether a text is base64, of any length: one pattern for the whole fails on files of some megabytes. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, ''))
}

/** Bytes in any of the forms that they have in JSON, as base64; null where they are none. */
export function readBytes(value: unknown): string | null {
  const parsed = v.safeParse(bytesSchema, value)
  return parsed.success && parsed.output.length > 0 ? Buffer.from(parsed.output).toString('base64') : null
}

const integerSchema = v.pipe(
  v.union([
    v.number(),
    v.pipe(v.string(), v.regex(/^-?\d{1,16}$/), v.transform(Number)),
    v.pipe(
      v.object({ low: v.number(), high: v.number() }),
      v.transform(({ low, high }) => high * 2 ** 32 + (low >>> 0)),
    ),
  ]),
  v.safeInteger(),
)

/** An integer of 64 bits: a number, a text, or its two halves. Null where it is none, or too large to count with. */
export function readInteger(value: unknown): number | null {
  const parsed = v.safeParse(integerSchema, value)
  return parsed.success ? parsed.output : null
}

/** Seconds since 1970 in any of those forms, as a date; null where they are none. */
export function readSeconds(value: unknown): Date | null {
  const seconds = readInteger(value)
  const date = new Date((seconds ?? Number.NaN) * 1_000)
  return seconds === null || seconds <= 0 || Number.isNaN(date.getTime()) ? null : date
}
