import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

const oldestMail = statement({
  name: 'lag_oldest_mail',
  params: [],
  row: { seconds: 'float8' },
  sql: `select extract(epoch from now() - received_at)::float8 as seconds from inbox
    where failed_reason is null order by id limit 1`,
})

const oldestDue = statement({
  name: 'lag_oldest_due',
  params: [],
  row: { seconds: 'float8' },
  sql: `select extract(epoch from now() - due_at)::float8 as seconds from outbox
    where state = 'queued' and due_at <= now() order by due_at, id limit 1`,
})

/** How long the oldest mail has waited for its turn, in seconds; 0 where none waits. */
export async function inboxLagSeconds(tx: Transaction): Promise<number> {
  return (await tx.run(oldestMail, {}))[0]?.seconds ?? 0
}

/** How long the message that is due longest has waited to be sent, in seconds; 0 where none is due. */
export async function outboxLagSeconds(tx: Transaction): Promise<number> {
  return (await tx.run(oldestDue, {}))[0]?.seconds ?? 0
}
