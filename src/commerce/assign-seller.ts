import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// Conversations that go to sellers by turns. Who chooses holds the sellers there are to choose from until the end of the
// transaction: two that choose at the same moment come one after the other, and each sees what the other has decided.

export const assignStrategies = ['round_robin', 'least_loaded'] as const
export type AssignStrategy = (typeof assignStrategies)[number]

/** As many sellers as are chosen from; those made first. */
const candidatesMax = 1_000

/** `turn` grows each time a conversation is given to them in turn; 0 is never. */
export type Candidate = {
  readonly id: string
  readonly name: string
  readonly turn: number
  readonly openConversations: number
}

/** A conversation that is to be given to somebody. */
export type Assigned = { readonly tenantId: string; readonly conversationId: string }

const lockCandidates = statement({
  name: 'seller_lock_candidates',
  params: ['tenant_id', 'only'],
  row: { id: 'uuid', name: 'text', turn: 'int8' },
  sql: `select id, name, assigned_turn as turn from sellers
    where tenant_id = $1 and active and ($2::uuid[] is null or id = any ($2::uuid[]))
    order by id limit ${candidatesMax} for no key update`,
})

// The statuses one by one, as they stand in the index conversations_seller: it has many more closed ones.
const countOpen = statement({
  name: 'seller_count_open',
  params: ['tenant_id', 'ids', 'conversation_id'],
  row: { id: 'uuid', open: 'int8' },
  sql: `select g.id, (select count(*) from conversations c
      where c.tenant_id = $1 and c.seller_id = g.id and c.status in ('bot', 'waiting', 'agent') and c.id <> $3) as open
    from unnest($2::uuid[]) as g (id)`,
})

const takeTurn = statement({
  name: 'seller_take_turn',
  params: ['tenant_id', 'id'],
  row: {},
  sql: `update sellers set assigned_turn = nextval('seller_turns') where tenant_id = $1 and id = $2`,
})

const giveConversation = statement({
  name: 'seller_give_conversation',
  params: ['tenant_id', 'conversation_id', 'seller_id'],
  row: { bot_id: 'uuid', customer_id: 'uuid' },
  sql: `update conversations set seller_id = $3 where tenant_id = $1 and id = $2 returning bot_id, customer_id`,
})

const selectSeller = statement({
  name: 'seller_of_conversation',
  params: ['tenant_id', 'conversation_id'],
  row: { id: 'uuid', name: 'text' },
  sql: `select s.id, s.name from conversations c join sellers s on s.tenant_id = c.tenant_id and s.id = c.seller_id
    where c.tenant_id = $1 and c.id = $2 and s.active`,
})

/** Who is next; null of nobody. Of those who are equally near, who has waited longest. */
export function chooseSeller(candidates: readonly Candidate[], strategy: AssignStrategy): Candidate | null {
  const rank = ({ turn, openConversations }: Candidate) => (strategy === 'least_loaded' ? openConversations : turn)
  const before = (a: Candidate, b: Candidate) => rank(a) - rank(b) || a.turn - b.turn || (a.id < b.id ? -1 : 1)
  return candidates.toSorted(before)[0] ?? null
}

/** The active sellers, or those of `only`, held until the end of the transaction. Open conversations leave this one out. */
export async function lockCandidatesFor(
  tx: Transaction,
  { tenantId, conversationId }: Assigned,
  only: readonly string[] | null,
): Promise<readonly Candidate[]> {
  const sellers = await tx.run(lockCandidates, { tenant_id: tenantId, only })
  // Counted by a statement after the lock: it sees what was committed while this one waited.
  const ids = sellers.map(seller => seller.id)
  const counted = await tx.run(countOpen, { tenant_id: tenantId, ids, conversation_id: conversationId })
  const open = new Map(counted.map(row => [row.id, row.open]))
  return sellers.map(seller => ({ ...seller, openConversations: open.get(seller.id) ?? 0 }))
}

/** The active seller whose the conversation is; undefined where it is nobody's. */
export async function sellerOfConversation(
  tx: Transaction,
  { tenantId, conversationId }: Assigned,
): Promise<{ readonly id: string; readonly name: string } | undefined> {
  const [seller] = await tx.run(selectSeller, { tenant_id: tenantId, conversation_id: conversationId })
  return seller
}

/** Gives the conversation to a seller; `inTurn` counts it as their turn. Returns whose conversation it is. */
export async function giveToSeller(
  tx: Transaction,
  { tenantId, conversationId }: Assigned,
  sellerId: string,
  inTurn: boolean,
): Promise<{ readonly bot_id: string; readonly customer_id: string }> {
  if (inTurn) await tx.run(takeTurn, { tenant_id: tenantId, id: sellerId })
  const given = { tenant_id: tenantId, conversation_id: conversationId, seller_id: sellerId }
  const [conversation] = await tx.run(giveConversation, given)
  if (conversation === undefined) throw new Error('A conversation that does not exist was given to a seller')
  return conversation
}
