import type { Sealer } from '../../lib/crypto.ts'
import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { type Lease, underLease } from './leases.ts'

// What came through a session and was not handed over yet, in the order in which it came.

/** A message of a customer, or what became of one of ours. `data`: JSON. */
export type SessionEvent = {
  readonly kind: 'message' | 'status'
  /** Written twice, it is one event. */
  readonly id: string
  readonly data: string
  /** Not handed over before: it may become more than it is. */
  readonly waitMs: number
}

/** An event that is to be handed over. `data`: null where it cannot be opened, under another ENCRYPTION_KEY. */
export type WaitingEvent = { readonly seq: number; readonly kind: SessionEvent['kind']; readonly data: string | null }

// One that waits takes the place of what was known before; one that is complete is not undone by what waits.
const insert = statement({
  name: 'baileys_event_save',
  params: ['tenant_id', 'bot_id', 'kind', 'id', 'sealed', 'wait_ms'],
  row: {},
  sql: `insert into provider_session_events as e (tenant_id, bot_id, kind, id, sealed, due_at)
    values ($1, $2, $3, $4, decode($5::text, 'base64'), now() + $6::int * interval '1 millisecond')
    on conflict (tenant_id, bot_id, kind, id) do update set sealed = excluded.sealed, due_at = excluded.due_at
    where e.due_at > excluded.due_at`,
})

const select = statement({
  name: 'baileys_events_due',
  params: ['tenant_id', 'bot_id', 'limit'],
  row: { seq: 'int8', kind: 'text', id: 'text', sealed: 'bytea' },
  sql: `select seq, kind, id, sealed from provider_session_events
    where tenant_id = $1 and bot_id = $2 and due_at <= now() order by seq limit $3`,
})

const remove = statement({
  name: 'baileys_events_delete',
  params: ['tenant_id', 'bot_id', 'seqs'],
  row: {},
  sql: `delete from provider_session_events where tenant_id = $1 and bot_id = $2 and seq = any ($3::bigint[])`,
})

const count = statement({
  name: 'baileys_events_count',
  params: ['tenant_id', 'bot_id'],
  row: { waiting: 'int4' },
  sql: `select count(*)::int as waiting from provider_session_events where tenant_id = $1 and bot_id = $2`,
})

export type SessionEvents = {
  /** Writes one on a transaction that holds the lease. */
  write(tx: Transaction, event: SessionEvent): Promise<void>
  /** Writes one by itself. Throws `LeaseLost`. */
  save(event: SessionEvent): Promise<void>
  /** The oldest that are due. */
  due(limit: number): Promise<WaitingEvent[]>
  delete(seqs: readonly number[]): Promise<void>
  count(): Promise<number>
}

export function makeSessionEvents(database: Database, sealer: Sealer, lease: Lease): SessionEvents {
  const bot = { tenant_id: lease.tenantId, bot_id: lease.botId }
  const contextOf = (kind: string, id: string) => `${lease.botId}/event/${kind}/${id}`

  function open(sealed: Uint8Array, context: string): string | null {
    try {
      return sealer.open(sealed, context)
    } catch {
      return null
    }
  }

  async function write(tx: Transaction, { kind, id, data, waitMs }: SessionEvent): Promise<void> {
    const sealed = Buffer.from(sealer.seal(data, contextOf(kind, id))).toString('base64')
    await tx.run(insert, { ...bot, kind, id, sealed, wait_ms: waitMs })
  }

  return {
    write,
    save: event => underLease(database, lease, tx => write(tx, event)),
    async due(limit) {
      const rows = await database.read({ role: 'worker' }, tx => tx.run(select, { ...bot, limit }))
      return rows.map(({ seq, kind, id, sealed }) => ({
        seq,
        kind: kind === 'message' ? 'message' : 'status',
        data: open(sealed, contextOf(kind, id)),
      }))
    },
    async delete(seqs) {
      if (seqs.length === 0) return
      await database.transaction({ role: 'worker' }, tx => tx.run(remove, { ...bot, seqs }))
    },
    async count() {
      const [row] = await database.read({ role: 'worker' }, tx => tx.run(count, bot))
      return row?.waiting ?? 0
    },
  }
}
