import type { Sealer } from '../../lib/crypto.ts'
import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { type Lease, underLease } from './leases.ts'

// The rows of a session: its credentials (type `creds`, id ''), the keys of each conversation, what was sent. Whatever is
// written checks the lease in the same transaction.

/** A value of one row, as text; null deletes it. */
export type RowChange = { readonly type: string; readonly id: string; readonly text: string | null }

const select = statement({
  name: 'baileys_keys_find',
  params: ['tenant_id', 'bot_id', 'type', 'ids'],
  row: { id: 'text', sealed: 'bytea' },
  sql: `select id, sealed from provider_session_keys
    where tenant_id = $1 and bot_id = $2 and type = $3 and id = any ($4::text[])`,
})

const upsert = statement({
  name: 'baileys_keys_save',
  params: ['tenant_id', 'bot_id', 'types', 'ids', 'sealed'],
  row: {},
  sql: `insert into provider_session_keys (tenant_id, bot_id, type, id, sealed)
    select $1::uuid, $2::uuid, type, id, decode(sealed, 'base64')
    from unnest($3::text[], $4::text[], $5::text[]) as g (type, id, sealed)
    on conflict (tenant_id, bot_id, type, id) do update set sealed = excluded.sealed, updated_at = now()`,
})

const remove = statement({
  name: 'baileys_keys_delete',
  params: ['tenant_id', 'bot_id', 'types', 'ids'],
  row: {},
  sql: `delete from provider_session_keys k using unnest($3::text[], $4::text[]) as g (type, id)
    where k.tenant_id = $1 and k.bot_id = $2 and k.type = g.type and k.id = g.id`,
})

const removeAll = statement({
  name: 'baileys_keys_forget',
  params: ['tenant_id', 'bot_id'],
  row: {},
  sql: 'delete from provider_session_keys where tenant_id = $1 and bot_id = $2',
})

const prune = statement({
  name: 'baileys_keys_prune',
  params: ['tenant_id', 'bot_id', 'type', 'kept'],
  row: {},
  sql: `delete from provider_session_keys where tenant_id = $1 and bot_id = $2 and type = $3 and id in (
      select id from provider_session_keys where tenant_id = $1 and bot_id = $2 and type = $3
      order by updated_at desc, id offset $4)`,
})

/** A value that was sealed under another ENCRYPTION_KEY, or changed. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow'
}

export type SessionRows = {
  /** Throws `UnreadableRow`. Those that are there, by id. Reading takes no lease: an owner that lost it writes nothing of what it read. */
  find(type: string, ids: readonly string[]): Promise<Map<string, string>>
  /** All changes, and what `more` does, in one transaction. Throws `LeaseLost`. */
  save(changes: readonly RowChange[], more?: (tx: Transaction) => Promise<void>): Promise<void>
  /** Keeps the newest of a type. */
  prune(type: string, kept: number): Promise<void>
  /** Deletes everything: the session is no more. */
  forget(): Promise<void>
}

export function makeSessionRows(database: Database, sealer: Sealer, lease: Lease): SessionRows {
  const bot = { tenant_id: lease.tenantId, bot_id: lease.botId }
  // A value cannot be moved to another row, or to another bot.
  const contextOf = (type: string, id: string) => `${lease.botId}/${type}/${id}`

  function open(sealed: Uint8Array, context: string): string {
    try {
      return sealer.open(sealed, context)
    } catch {
      throw new UnreadableRow(`A row of the session of bot ${lease.botId} cannot be opened`)
    }
  }

  async function write(tx: Transaction, changes: readonly RowChange[]): Promise<void> {
    const gone = changes.filter(change => change.text === null)
    const [types, ids, sealed]: [string[], string[], string[]] = [[], [], []]
    for (const { type, id, text } of changes) {
      if (text === null) continue
      types.push(type)
      ids.push(id)
      sealed.push(Buffer.from(sealer.seal(text, contextOf(type, id))).toString('base64'))
    }
    if (types.length > 0) await tx.run(upsert, { ...bot, types, ids, sealed })
    if (gone.length > 0)
      await tx.run(remove, { ...bot, types: gone.map(row => row.type), ids: gone.map(row => row.id) })
  }

  return {
    async find(type, ids) {
      if (ids.length === 0) return new Map()
      const rows = await database.read({ role: 'worker' }, tx => tx.run(select, { ...bot, type, ids }))
      return new Map(rows.map(({ id, sealed }) => [id, open(sealed, contextOf(type, id))]))
    },
    async save(changes, more) {
      await underLease(database, lease, async tx => {
        await write(tx, changes)
        await more?.(tx)
      })
    },
    async prune(type, kept) {
      await underLease(database, lease, tx => tx.run(prune, { ...bot, type, kept }))
    },
    async forget() {
      await underLease(database, lease, tx => tx.run(removeAll, bot))
    },
  }
}
