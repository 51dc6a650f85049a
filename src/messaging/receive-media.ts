import type { InboundContent } from '../flow/content.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import { anyType, looksLike } from '../lib/file-types.ts'
import type { Ids } from '../lib/ids.ts'
import { type Json, storableText } from '../lib/json.ts'
import type { FilePlace, Files } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { InboundMedia } from './insert-media.ts'
import { declaredTypeOf, mediaBytesMax, sizeText } from './media.ts'
import { type InboundMessage, type Received, receiveMessages } from './receive-messages.ts'

/** A file in a webhook: what its provider needs to hand it over, or its very bytes. */
export type ReceivedMedia =
  | { readonly kind: 'source'; readonly source: { readonly [key: string]: Json } }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** A message as a provider reads it: its file, if any, is not kept yet. */
export type MessageWithMedia = Omit<InboundMessage, 'media'> & { readonly media?: ReceivedMedia | undefined }

type Parts = {
  readonly database: Database
  readonly ids: Ids
  readonly sealer: Sealer
  readonly files: Files
}
type MediaContent = Extract<InboundContent, { media_id: string }>

/**
 * `receiveMessages`, for messages that may bring files: each that is stored has a file of ours with it, and names that in
 * its content. What came as bytes is in its place before the message is stored, and leaves it where the message is not.
 */
export async function receiveWithMedia(parts: Parts, given: readonly MessageWithMedia[]): Promise<Received> {
  const written: FilePlace[] = []
  try {
    const messages: InboundMessage[] = []
    for (const message of given) messages.push(await withFile(parts, message, written))
    const received = await receiveMessages(parts.database, parts.ids, messages)
    const stored = new Set(received.stored.map(({ message }) => message.media?.id))
    await removeAll(
      parts.files,
      written.filter(({ id }) => !stored.has(id)),
    )
    return received
  } catch (error) {
    // Where the database was lost, the messages may be stored all the same: a file without a row is swept later.
    if (!(error instanceof AppError && error.code === 'database_unavailable')) await removeAll(parts.files, written)
    throw error
  }
}

async function removeAll(files: Files, places: readonly FilePlace[]): Promise<void> {
  for (const place of places) await files.remove(place)
}

async function withFile(parts: Parts, message: MessageWithMedia, written: FilePlace[]): Promise<InboundMessage> {
  const { media: given, ...rest } = message
  const { content } = rest
  if (given === undefined || !('media_id' in content)) return rest
  const place = { tenantId: rest.tenantId, id: parts.ids.next() }
  const media =
    given.kind === 'source'
      ? pending(parts.sealer, place, content, given.source)
      : await storeBytes(parts.files, place, content, given.bytes, written)
  return { ...rest, content: { ...content, media_id: place.id }, media }
}

function describe({ tenantId, id }: FilePlace, content: MediaContent) {
  const declaredType = declaredTypeOf(content.mime_type)
  const filename = content.filename === undefined ? null : storableText(content.filename)
  return {
    ...{ tenantId, id, kind: content.type, declaredType, mimeType: declaredType, filename },
    ...{ bytes: null, sha256: null, reason: null, source: null, keyId: null },
  }
}

function pending(sealer: Sealer, place: FilePlace, content: MediaContent, source: object): InboundMedia {
  const sealed = sealer.seal(JSON.stringify(source), sourceContext(place))
  return { ...describe(place, content), state: 'pending', source: sealed, keyId: sealer.keyId }
}

/** Whose the sealed source of a file is. */
export function sourceContext({ tenantId, id }: FilePlace): string {
  return `media:${tenantId}:${id}`
}

async function storeBytes(
  files: Files,
  place: FilePlace,
  content: MediaContent,
  bytes: Uint8Array,
  written: FilePlace[],
): Promise<InboundMedia> {
  const described = describe(place, content)
  const bytesMax = mediaBytesMax[content.type]
  const received = await files.receive(once(bytes), bytesMax)
  if (received === null) return { ...described, state: 'failed', reason: tooLarge(bytesMax) }
  written.push(place)
  await received.keep(place)
  const mimeType = looksLike(received.head, described.declaredType) ? described.declaredType : anyType
  return { ...described, state: 'stored', mimeType, bytes: received.bytes, sha256: received.sha256 }
}

export function tooLarge(bytesMax: number): string {
  return `The file is larger than ${sizeText(bytesMax)}, which is the most that is kept of its kind.`
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
