import type { InboundContent } from '../flow/content.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, nullableJson, statement } from '../stores/postgres/statement.ts'
import type { Claimed } from './claim-conversations.ts'

/** Rows of one conversation's mail that one turn takes. */
const mailPerTurnMax = 50

/** One row of a conversation's mailbox; `content` and `provider_at` where it is a customer's message. */
export type Mail = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  readonly kind: string
  readonly body: unknown
  readonly content: InboundContent | null
  readonly provider_at: Date | null
}

const mailRow = {
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  id: 'uuid',
  kind: 'text',
  body: 'jsonb',
  content: nullableJson<InboundContent>(),
  provider_at: nullable('timestamptz'),
} as const

const readMailWhere = (condition: string) => `
    select i.tenant_id, i.conversation_id, i.id, i.kind, i.body, m.content, m.provider_at
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)
    cross join lateral (
      select * from inbox
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id and failed_reason is null ${condition}
      order by id limit $3) i
    left join messages m on m.tenant_id = i.tenant_id and m.conversation_id = i.conversation_id and m.id = i.id`

const readMailRows = statement({
  name: 'turn_read_mail',
  params: ['tenant_ids', 'conversation_ids', 'limit'],
  row: mailRow,
  sql: readMailWhere(''),
})

// What a flow waits for comes after the messages that are held until it is there, of which there may be many.
const readNewRows = statement({
  name: 'turn_read_new_mail',
  params: ['tenant_ids', 'conversation_ids', 'limit'],
  row: mailRow,
  sql: readMailWhere('and not held'),
})

/**
 * The mail of locked conversations in order of arrival, by conversation id; at most `mailMax` rows of each. Of those that
 * wait for an answer from outside (`waiting`) only what is not held yet, and as much as a turn takes.
 */
export async function readMail(
  tx: Transaction,
  conversations: readonly Claimed[],
  {
    waiting,
    mailMax = mailPerTurnMax,
  }: { readonly waiting: ReadonlySet<Claimed>; readonly mailMax?: number | undefined },
): Promise<Map<string, Mail[]>> {
  const others = conversations.filter(conversation => !waiting.has(conversation))
  const [mail, behind] = await Promise.all([
    others.length === 0 ? [] : tx.run(readMailRows, { ...keysOf(others), limit: mailMax }),
    waiting.size === 0 ? [] : tx.run(readNewRows, { ...keysOf([...waiting]), limit: mailPerTurnMax }),
  ])
  return byConversation([...mail, ...behind])
}

function keysOf(conversations: readonly Claimed[]) {
  return {
    tenant_ids: conversations.map(conversation => conversation.tenant_id),
    conversation_ids: conversations.map(conversation => conversation.id),
  }
}

function byConversation(rows: readonly Mail[]): Map<string, Mail[]> {
  const mail = new Map<string, Mail[]>()
  for (const row of rows) {
    const known = mail.get(row.conversation_id)
    if (known === undefined) mail.set(row.conversation_id, [row])
    else known.push(row)
  }
  for (const list of mail.values()) list.sort((a, b) => (a.id < b.id ? -1 : 1))
  return mail
}
