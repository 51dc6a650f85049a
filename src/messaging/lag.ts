import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

const oldestMail = statement({
  name: 'lag_oldest_mail',
  params: [],
  row: { seconds: 'float8' },
  sql: `select extract(epoch from now() - received_at)::float8 as seconds from inbox
    where failed_reason is null and not held order by id limit 1`,
})

const oldestDue = statement({
  name: 'lag_oldest_due',
  params: [],
  row: { seconds: nullable('float8') },
  sql: `select extract(epoch from now() - min(due_at))::float8 as seconds from (
      (select due_at from outbox where state = 'queued' and urgency = 0 and due_at <= now() order by due_at, id limit 1)
      union all
      (select due_at from outbox where state = 'queued' and urgency = 1 and due_at <= now() order by due_at, id limit 1)
    ) as oldest`,
})

/** How long the oldest mail has waited for its turn, in seconds; 0 where none waits. */
export async function inboxLagSeconds(tx: Transaction): Promise<number> {
  return (await tx.run(oldestMail, {}))[0]?.seconds ?? 0
}

/** How long the message that is due longest has waited to be sent, in seconds; 0 where none is due. */
export async function outboxLagSeconds(tx: Transaction): Promise<number> {
  return (await tx.run(oldestDue, {}))[0]?.seconds ?? 0
}
