import type { proto } from '@whiskeysockets/baileys'
import * as v from 'valibot'
import { Lru } from '../../lib/lru.ts'
import type { Library } from './library.ts'
import type { SessionRows } from './session-rows.ts'

// What was sent, kept for two things: a phone that cannot decrypt it asks for it again, and a status of it is told with
// the reference that its send came with. Written before it is sent, so that a status finds it whatever happens after.

/** Kept of one session. */
const keptMax = 1_000
/** Sends after which the oldest are deleted. */
const pruneEvery = 100
/** Of those, the references that are at hand. */
const referencesMax = 1_000

export type SentMessages = {
  save(id: string, reference: string, message: proto.IMessage): Promise<void>
  /** What was sent under an id; undefined where it is unknown, or too long ago. */
  find(id: string): Promise<proto.IMessage | undefined>
  /** Null where it is unknown, or too long ago. */
  reference(id: string): Promise<string | null>
}

const rowSchema = v.object({ reference: v.string(), message: v.string() })
type Row = v.InferOutput<typeof rowSchema>

export function makeSentMessages({ proto }: Library, rows: SessionRows): SentMessages {
  const references = new Lru<string, string>(referencesMax)
  let sinceFirst = 0

  async function findRow(id: string): Promise<Row | null> {
    const text = (await rows.find('sent', [id])).get(id)
    return text === undefined ? null : v.parse(rowSchema, JSON.parse(text))
  }

  return {
    async save(id, reference, message) {
      const bytes = Buffer.from(proto.Message.encode(message).finish()).toString('base64')
      await rows.save([{ type: 'sent', id, text: JSON.stringify({ reference, message: bytes } satisfies Row) }])
      references.set(id, reference)
      if (++sinceFirst % pruneEvery === 0) await rows.prune('sent', keptMax)
    },
    async find(id) {
      const row = await findRow(id)
      return row === null ? undefined : proto.Message.decode(Buffer.from(row.message, 'base64'))
    },
    async reference(id) {
      return references.get(id) ?? (await findRow(id))?.reference ?? null
    },
  }
}
