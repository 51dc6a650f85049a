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
import type { PhoneMessage } from './phone-message.ts'
import { type InboundMessage, type Received, receiveMessages } from './receive-messages.ts'
import { type PhoneReceived, receivePhoneMessages } from './receive-phone-messages.ts'

/** A file in a webhook: what its provider needs to hand it over, or its very bytes. */
export type ReceivedMedia =
  | { readonly kind: 'source'; readonly source: { readonly [key: string]: Json } }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** A message as a provider reads it: its file, if any, is not kept yet. */
type WithMedia<T> = Omit<T, 'media'> & { readonly media?: ReceivedMedia | undefined }
export type MessageWithMedia = WithMedia<InboundMessage>
export type PhoneMessageWithMedia = WithMedia<PhoneMessage>

type Parts = {
  readonly database: Database
  readonly ids: Ids
  readonly sealer: Sealer
  readonly files: Files
}
type MediaContent = Extract<InboundContent, { media_id: string }>

/** `receiveMessages`, for messages that may bring files: each that is stored has a file of ours with it (`keepFiles`). */
export async function receiveWithMedia(parts: Parts, given: readonly MessageWithMedia[]): Promise<Received> {
  const put = (message: MessageWithMedia, file: FileOfMessage): InboundMessage => ({ ...message, ...file })
  return await keepFiles(parts, given, put, async messages => {
    const received = await receiveMessages(parts.database, parts.ids, messages, parts.sealer)
    return { result: received, kept: received.stored.map(({ message }) => message) }
  })
}

/** The same for messages that were written on the business's own phone. */
export async function receivePhoneWithMedia(
  parts: Parts,
  given: readonly PhoneMessageWithMedia[],
): Promise<PhoneReceived> {
  const put = (message: PhoneMessageWithMedia, file: FileOfMessage): PhoneMessage => ({ ...message, ...file })
  return await keepFiles(parts, given, put, async messages => {
    const received = await receivePhoneMessages(parts.database, parts.ids, messages, parts.sealer)
    return { result: received, kept: messages.filter((_, index) => received.receipts[index] !== 'duplicate') }
  })
}

type Bringing = {
  readonly tenantId: string
  readonly content: InboundContent
  readonly media?: ReceivedMedia | undefined
}
/** The content, which names the file as it is called here. */
type FileOfMessage = { readonly content: InboundContent; readonly media: InboundMedia | undefined }

/**
 * Gives each message that brings a file one of ours, and names that in its content. What came as bytes is in its place
 * before `work` stores the message, and leaves it where the message is not among those that it has `kept`.
 */
async function keepFiles<G extends Bringing, T extends { readonly media?: InboundMedia | undefined }, R>(
  parts: Parts,
  given: readonly G[],
  put: (message: G, file: FileOfMessage) => T,
  work: (messages: readonly T[]) => Promise<{ readonly result: R; readonly kept: readonly T[] }>,
): Promise<R> {
  const written: FilePlace[] = []
  try {
    const messages: T[] = []
    for (const message of given) messages.push(put(message, await fileOf(parts, message, written)))
    const { result, kept } = await work(messages)
    const ids = new Set(kept.map(({ media }) => media?.id))
    await removeAll(
      parts.files,
      written.filter(({ id }) => !ids.has(id)),
    )
    return result
  } catch (error) {
    // Where the database was lost, the messages may be stored all the same: a file without a row is swept later.
    if (!(error instanceof AppError && error.code === 'database_unavailable')) await removeAll(parts.files, written)
    throw error
  }
}

async function removeAll(files: Files, places: readonly FilePlace[]): Promise<void> {
  for (const place of places) await files.remove(place)
}

async function fileOf(
  parts: Parts,
  { tenantId, content, media: given }: Bringing,
  written: FilePlace[],
): Promise<FileOfMessage> {
  if (given === undefined || !('media_id' in content)) return { content, media: undefined }
  const place = { tenantId, id: parts.ids.next() }
  const media =
    given.kind === 'source'
      ? pending(parts.sealer, place, content, given.source)
      : await storeBytes(parts.files, place, content, given.bytes, written)
  return { content: { ...content, media_id: place.id }, media }
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
