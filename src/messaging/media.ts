import type { OutboundContent } from '../flow/content.ts'
import { anyType, essenceOf, readMimeType } from '../lib/file-types.ts'
import { isUuid } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

// Files of customers, and files to send. The bytes are in `stores/files.ts`; here is what is known of them.

export const mediaKinds = ['image', 'audio', 'video', 'document', 'sticker'] as const
export type MediaKind = (typeof mediaKinds)[number]

const kilobyte = 1_024
const megabyte = 1_024 * kilobyte

/** What WhatsApp takes at most (Meta, Cloud API reference, "Media": supported media types). */
export const mediaBytesMax: Readonly<Record<MediaKind, number>> = {
  image: 5 * megabyte,
  audio: 16 * megabyte,
  video: 16 * megabyte,
  document: 100 * megabyte,
  sticker: 500 * kilobyte,
}

/** The files that one tenant may have uploaded, in all. */
export const uploadsBytesMax = 10 * 1_024 * megabyte

/** What a file of this type is sent as: WhatsApp takes a WebP as a sticker only. */
export function kindOf(mimeType: string): MediaKind {
  const essence = essenceOf(mimeType)
  if (essence === 'image/webp') return 'sticker'
  const kind = mediaKinds.find(name => essence.startsWith(`${name}/`))
  return kind ?? 'document'
}

/** A size for people to read: `16 MB`. */
export function sizeText(bytes: number): string {
  return bytes >= megabyte ? `${bytes / megabyte} MB` : `${bytes / kilobyte} KB`
}

const row = {
  id: 'uuid',
  mime_type: 'text',
  declared_type: 'text',
  filename: nullable('text'),
  bytes: nullable('int8'),
  sha256: nullable('text'),
  state: 'text',
  reason: nullable('text'),
  created_at: 'timestamptz',
} as const
const columns = `d.id, d.mime_type, d.declared_type, d.filename, d.bytes, d.sha256, d.state, d.reason, d.created_at`

/**
 * A file as it is shown. `mime_type` is what its bytes are taken for, `declared_type` what it came as. `state` is `pending`
 * (its provider still has it), `stored`, or `failed`; `reason` why it failed, or what holds it up. Stored ones have `bytes`
 * and `sha256`.
 */
export type Media = RowOf<typeof row>

const selectOne = statement({
  name: 'media_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from media d where d.tenant_id = $1 and d.id = $2`,
})

// Who sees a message sees the file in it.
const selectSeen = statement({
  name: 'media_find_seen',
  params: ['tenant_id', 'id', 'caller_id', 'seller_id'],
  row,
  sql: `select ${columns} from media d where d.tenant_id = $1 and d.id = $2 and (d.uploaded_by = $3::uuid or exists (
      select from messages m join conversations c on c.tenant_id = m.tenant_id and c.id = m.conversation_id
      where m.tenant_id = $1 and m.media_id = $2::uuid::text and c.seller_id = $4::uuid))`,
})

const insertUpload = statement({
  name: 'media_insert_upload',
  params: ['tenant_id', 'id', 'uploaded_by', 'kind', 'mime_type', 'filename', 'bytes', 'sha256'],
  row,
  sql: `insert into media as d
      (tenant_id, id, origin, uploaded_by, kind, declared_type, mime_type, filename, bytes, sha256, state)
    values ($1, $2, 'upload', $3, $4, $5, $5, $6, $7, $8, 'stored')
    returning ${columns}`,
})

const sumUploads = statement({
  name: 'media_sum_uploads',
  params: ['tenant_id'],
  row: { bytes: 'int8' },
  sql: `select coalesce(sum(bytes), 0)::bigint as bytes from media where tenant_id = $1 and origin = 'upload'`,
})

const deleteOne = statement({
  name: 'media_delete',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from media where tenant_id = $1 and id = $2',
})

/** Who looks: `sellerId` is null where they see everything of their tenant. */
export type MediaViewer = { readonly tenantId: string; readonly id: string; readonly sellerId: string | null }

/** Undefined where there is no such file, or it is none of theirs: who is tied to a seller sees that seller's and their own. */
export async function findSeenMedia(tx: Transaction, viewer: MediaViewer, id: string): Promise<Media | undefined> {
  if (viewer.sellerId === null) return await findMedia(tx, viewer.tenantId, id)
  const asked = { tenant_id: viewer.tenantId, id, caller_id: viewer.id, seller_id: viewer.sellerId }
  return (await tx.run(selectSeen, asked))[0]
}

/** Undefined where the tenant has no such file. */
export async function findMedia(tx: Transaction, tenantId: string, id: string): Promise<Media | undefined> {
  return (await tx.run(selectOne, { tenant_id: tenantId, id }))[0]
}

/** A file that was uploaded, and is in its place. */
export type Upload = {
  readonly tenantId: string
  readonly id: string
  /** The user, or the API key. */
  readonly uploadedBy: string
  readonly mimeType: string
  readonly filename: string | null
  readonly bytes: number
  readonly sha256: string
}

/** Notes an upload. Null where the tenant's uploads would be too large with it: the transaction is to roll back. */
export async function insertUploadedMedia(tx: Transaction, upload: Upload): Promise<Media | null> {
  const [all] = await tx.run(sumUploads, { tenant_id: upload.tenantId })
  if ((all?.bytes ?? 0) + upload.bytes > uploadsBytesMax) return null
  const [inserted] = await tx.run(insertUpload, {
    ...{ tenant_id: upload.tenantId, id: upload.id, uploaded_by: upload.uploadedBy },
    ...{ kind: kindOf(upload.mimeType), mime_type: upload.mimeType, filename: upload.filename },
    ...{ bytes: upload.bytes, sha256: upload.sha256 },
  })
  if (inserted === undefined) throw new Error('A row that was inserted was not returned')
  return inserted
}

/** Forgets a file: its bytes are to be removed once this is committed. */
export async function deleteMedia(tx: Transaction, tenantId: string, id: string): Promise<void> {
  await tx.run(deleteOne, { tenant_id: tenantId, id })
}

/** The id of the file of ours that a content names; null where it names none, or one that its provider keeps. */
export function mediaIdOf(content: OutboundContent): string | null {
  const id = 'media_id' in content ? content.media_id : undefined
  return id !== undefined && isUuid(id) ? id : null
}

/** Why a file cannot be sent, in a sentence; null where it can. `undefined`: there is no such file. */
export function unsendableMedia(media: Media | undefined): string | null {
  if (media === undefined) return 'There is no such file: upload it first.'
  if (media.state === 'pending') return 'The file has not come from its provider yet: try again in a moment.'
  return media.state === 'failed' ? `The file could not be got from its provider. ${media.reason ?? ''}`.trim() : null
}

/** Why WhatsApp would not take a file as what a content says that it is, in a sentence; null where it would. */
export function misfitOf({ type }: OutboundContent, { mime_type, bytes }: Media): string | null {
  const kind = mediaKinds.find(name => name === type)
  if (kind === undefined) return null
  if (kind !== 'document' && kindOf(mime_type) !== kind) return `The file is ${mime_type}: it is not sent as ${kind}.`
  const bytesMax = mediaBytesMax[kind]
  return (bytes ?? 0) > bytesMax ? `As ${kind}, WhatsApp takes ${sizeText(bytesMax)} at most.` : null
}

/** A type as a webhook gave it, as it is kept. */
export function declaredTypeOf(text: string): string {
  return readMimeType(text) ?? anyType
}
