import { firstId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { type RowOf, statement } from '../stores/postgres/statement.ts'

/** Tries of one row of mail before it is given up. */
export const mailTriesMax = 5

const countFailure = statement({
  name: 'mail_count_failure',
  params: ['tenant_id', 'conversation_id', 'id', 'reason', 'tries_max'],
  row: { failed_reason: 'text' },
  sql: `with failed as (
      update inbox set attempts = attempts + 1, failed_reason = case when attempts + 1 >= $5 then $4 end
      where tenant_id = $1 and conversation_id = $2 and id = $3
      returning tenant_id, conversation_id, id, failed_reason
    ), told as (
      update messages m set status = 'failed', error = jsonb_build_object('code', 'turn_failed', 'message', $4::text)
      from failed f
      where m.tenant_id = f.tenant_id and m.conversation_id = f.conversation_id and m.id = f.id
        and f.failed_reason is not null
    )
    select failed_reason from failed where failed_reason is not null`,
})

/**
 * Counts a failed try of a row of mail. Returns whether it was the last: the row then stays in the inbox with its
 * reason, out of every later turn, and a customer's message shows it.
 */
export async function countMailFailure(
  tx: Transaction,
  row: { tenant_id: string; conversation_id: string; id: string },
  reason: string,
): Promise<boolean> {
  const { tenant_id, conversation_id, id } = row
  return (await tx.run(countFailure, { tenant_id, conversation_id, id, reason, tries_max: mailTriesMax })).length > 0
}

const problemRow = { id: 'uuid', kind: 'text', reason: 'text', attempts: 'int4', received_at: 'timestamptz' } as const

/** A row of mail that was given up. */
export type MailProblem = RowOf<typeof problemRow>

const selectProblems = statement({
  name: 'mail_list_problems',
  params: ['tenant_id', 'conversation_id', 'after_id', 'limit'],
  row: problemRow,
  sql: `select id, kind, failed_reason as reason, attempts, received_at from inbox
    where tenant_id = $1 and conversation_id = $2 and failed_reason is not null and id > $3::uuid order by id limit $4`,
})

const retryProblems = statement({
  name: 'mail_retry',
  params: ['tenant_id', 'conversation_id'],
  row: { id: 'uuid' },
  sql: `with again as (
      update inbox set attempts = 0, failed_reason = null
      where tenant_id = $1 and conversation_id = $2 and failed_reason is not null returning id
    ), told as (
      update messages m set status = 'received', error = null
      from again a where m.tenant_id = $1 and m.conversation_id = $2 and m.id = a.id and m.direction = 'inbound'
    )
    select id from again`,
})

/** What was given up of a conversation, oldest first, from after `afterId`. */
export async function listMailProblems(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly conversationId: string
    readonly afterId: string | null
    readonly limit: number
  },
): Promise<MailProblem[]> {
  return await tx.run(selectProblems, {
    tenant_id: page.tenantId,
    conversation_id: page.conversationId,
    after_id: page.afterId ?? firstId,
    limit: page.limit,
  })
}

/** Gives what was given up of a conversation its tries again, and says how many rows. Publish `inbox` after the commit. */
export async function retryMail(tx: Transaction, tenantId: string, conversationId: string): Promise<number> {
  return (await tx.run(retryProblems, { tenant_id: tenantId, conversation_id: conversationId })).length
}

const findOpen = statement({
  name: 'mail_find_open_conversation',
  params: ['tenant_id', 'closed_id'],
  row: { id: 'uuid' },
  sql: `select o.id from conversations c
    join conversations o on o.tenant_id = c.tenant_id and o.bot_id = c.bot_id and o.customer_id = c.customer_id
      and o.status <> 'closed'
    where c.tenant_id = $1 and c.id = $2`,
})

const openNext = statement({
  name: 'mail_open_conversation',
  params: ['tenant_id', 'closed_id', 'id'],
  row: { id: 'uuid' },
  sql: `insert into conversations (tenant_id, id, bot_id, customer_id, window_expires_at)
    select tenant_id, $3, bot_id, customer_id, window_expires_at from conversations where tenant_id = $1 and id = $2
    on conflict (tenant_id, bot_id, customer_id) where status <> 'closed' do nothing
    returning id`,
})

const moveMail = statement({
  name: 'mail_move',
  params: ['tenant_id', 'closed_id', 'ids', 'open_id'],
  row: {},
  sql: `with message as (
      update messages set conversation_id = $4, tx = default
      where tenant_id = $1 and conversation_id = $2 and id = any ($3::uuid[]))
    update inbox set conversation_id = $4, held = false where tenant_id = $1 and conversation_id = $2 and id = any ($3::uuid[])`,
})

/**
 * Moves messages that came to a conversation which has been closed since to the customer's open one, which is made
 * where there is none (its id is then `newId`).
 */
export async function moveToOpenConversation(
  tx: Transaction,
  closed: { tenantId: string; conversationId: string },
  messageIds: readonly string[],
  newId: string,
): Promise<void> {
  const closedKey = { tenant_id: closed.tenantId, closed_id: closed.conversationId }
  const [made] = await tx.run(openNext, { ...closedKey, id: newId })
  const [open] = made === undefined ? await tx.run(findOpen, closedKey) : [made]
  if (open === undefined) throw new Error(`conversation ${closed.conversationId} has no open one after it`)
  await tx.run(moveMail, { ...closedKey, ids: messageIds, open_id: open.id })
}
