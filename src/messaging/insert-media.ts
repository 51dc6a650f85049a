import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import type { MediaKind } from './media.ts'

/** A file that came with a customer's message: in its place already, with its provider still, or of no use. */
export type InboundMedia = {
  readonly tenantId: string
  readonly id: string
  readonly kind: MediaKind
  readonly declaredType: string
  readonly mimeType: string
  readonly filename: string | null
  readonly state: 'pending' | 'stored' | 'failed'
  /** Of one that failed. */
  readonly reason: string | null
  /** Of one that is stored. */
  readonly bytes: number | null
  readonly sha256: string | null
  /** Of one that is pending: how its provider hands it over, sealed under the key `keyId`. */
  readonly source: Uint8Array | null
  readonly keyId: string | null
}

/** A file with the message that brought it. */
export type MediaOfMessage = {
  readonly media: InboundMedia
  readonly botId: string
  readonly conversationId: string
  readonly messageId: string
}

const insertAll = statement({
  name: 'media_insert_inbound',
  params: [
    'tenant_ids',
    'ids',
    'bot_ids',
    'conversation_ids',
    'message_ids',
    'kinds',
    'declared_types',
    'mime_types',
    'filenames',
    'states',
    'reasons',
    'bytes',
    'sha256s',
    'sources',
    'key_ids',
  ],
  row: {},
  sql: `insert into media (tenant_id, id, origin, bot_id, conversation_id, message_id, kind, declared_type, mime_type, filename,
      state, reason, bytes, sha256, source, key_id)
    select tenant_id, id, 'inbound', bot_id, conversation_id, message_id, kind, declared_type, mime_type, filename, state,
      reason, bytes, sha256, decode(source, 'base64'), key_id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::text[])
      as g (tenant_id, id, bot_id, conversation_id, message_id, kind, declared_type, mime_type, filename, state, reason,
        bytes, sha256, source, key_id)`,
})

/** Notes files in the transaction that stores their messages. */
export async function insertInboundMedia(tx: Transaction, rows: readonly MediaOfMessage[]): Promise<void> {
  if (rows.length === 0) return
  const each = <K extends keyof InboundMedia>(key: K): InboundMedia[K][] => rows.map(({ media }) => media[key])
  await tx.run(insertAll, {
    ...{ tenant_ids: each('tenantId'), ids: each('id'), bot_ids: rows.map(row => row.botId) },
    ...{ conversation_ids: rows.map(row => row.conversationId), message_ids: rows.map(row => row.messageId) },
    ...{ kinds: each('kind'), declared_types: each('declaredType'), mime_types: each('mimeType') },
    ...{ filenames: each('filename'), states: each('state'), reasons: each('reason') },
    ...{ bytes: each('bytes'), sha256s: each('sha256'), key_ids: each('keyId') },
    sources: each('source').map(source => source && Buffer.from(source).toString('base64')),
  })
}
