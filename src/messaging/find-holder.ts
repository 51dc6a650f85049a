import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

/** A person who has a conversation, or is about to: `name` and `sellerId` are null of a program, or a user who is gone. */
export type Holder = { readonly agentId: string; readonly name: string | null; readonly sellerId: string | null }

// Two who take one conversation at the same moment take turns.
const lockConversation = statement({
  name: 'holder_lock',
  params: ['tenant_id', 'id'],
  row: { status: 'text' },
  sql: 'select status from conversations where tenant_id = $1 and id = $2 for no key update',
})

// What waits for the next turn says more than what the last one has left.
const selectHolder = statement({
  name: 'holder_find',
  params: ['tenant_id', 'conversation_id', 'status'],
  row: { agent_id: nullable('text'), name: nullable('text'), seller_id: nullable('uuid') },
  sql: `with waiting as (
      select kind, body->>'agent_id' as agent_id from inbox
      where tenant_id = $1 and conversation_id = $2 and failed_reason is null
        and (kind in ('handoff', 'resume', 'close') or kind = 'agent_message' and (body->>'takes_over')::bool)
      order by id desc limit 1
    ), taken as (
      select data->>'agent_id' as agent_id from conversation_events
      where tenant_id = $1 and conversation_id = $2 and type = 'handed_off' and $3 = 'agent'
      order by seq desc limit 1
    ), holder as (
      select agent_id from waiting where kind in ('handoff', 'agent_message')
      union all
      select agent_id from taken where not exists (select from waiting)
    )
    select h.agent_id, u.name, u.seller_id from holder h
    left join users u on u.tenant_id = $1 and u.id::text = h.agent_id`,
})

/**
 * Who has a conversation; undefined where nobody in particular does: the bot, whoever takes it first, or somebody on the
 * phone. It is held until the end of the transaction: nobody else takes it meanwhile.
 */
export async function lockHolder(
  tx: Transaction,
  { tenantId, id }: { readonly tenantId: string; readonly id: string },
): Promise<Holder | undefined> {
  const [conversation] = await tx.run(lockConversation, { tenant_id: tenantId, id })
  const status = conversation?.status ?? ''
  const [found] = await tx.run(selectHolder, { tenant_id: tenantId, conversation_id: id, status })
  if (found === undefined || found.agent_id === null) return undefined
  return { agentId: found.agent_id, name: found.name, sellerId: found.seller_id }
}
