import type { JsonObject } from '../flow/json.ts'
import type { ConversationState } from '../flow/state.ts'
import { firstId, idAt, lastId, timeOf } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, nullableJson, statement } from '../stores/postgres/statement.ts'
import type { ConversationKey } from './save-turns.ts'

/** Bots whose mail one claim looks at; the next goes on with the bots after them. */
const botsMax = 64
/** Rows of one bot's mail that one claim looks at, and how many it looks at whatever the number of bots. */
const mailPerBotMax = 100
const mailPerBotMin = 8
/** Candidates for each place, so that several claims at the same time all find conversations that are free. */
const candidatesPerPlace = 4

/** Looks of one claim that finds nothing free: the next goes on from there. */
const looksMax = 100

/** From making an id until its row is committed: usually milliseconds, and clocks may differ. */
const lateMs = 500
/** Between two looks at all mail, however old. */
const allAgainMs = 1_000

/** A conversation locked for its turn, with what a turn reads. */
export type Claimed = {
  readonly tenant_id: string
  readonly id: string
  readonly bot_id: string
  readonly via_bot_id: string | null
  readonly customer_id: string
  /** What the row holds; where that is behind, see `withStates`. */
  readonly state: ConversationState | null
  readonly seq: number
  readonly unfolded: number
  readonly provider: string | null
  readonly flow_id: string | null
  readonly published_version: number | null
  /** The published flows whose triggers are tried after the main one's, in order; null: there are none. */
  readonly other_flows: readonly FlowRef[] | null
  readonly window_expires_at: Date | null
  readonly last_message_at: Date
  readonly customer_name: string
  readonly customer_phone: string | null
  readonly customer_email: string | null
  readonly customer_variables: JsonObject
  readonly customer_tags: readonly string[]
  readonly customer_opted_out: boolean
}

type FlowRef = { readonly flow_id: string; readonly version: number }

const claimedRow = {
  tenant_id: 'uuid',
  id: 'uuid',
  bot_id: 'uuid',
  via_bot_id: nullable('uuid'),
  customer_id: 'uuid',
  state: nullableJson<ConversationState>(),
  seq: 'int8',
  unfolded: 'int4',
  provider: nullable('text'),
  flow_id: nullable('uuid'),
  published_version: nullable('int4'),
  other_flows: nullableJson<readonly FlowRef[]>(),
  window_expires_at: nullable('timestamptz'),
  last_message_at: 'timestamptz',
  customer_name: 'text',
  customer_phone: nullable('text'),
  customer_email: nullable('text'),
  customer_variables: json<JsonObject>(),
  customer_tags: json<readonly string[]>(),
  customer_opted_out: 'bool',
} as const

const claimedColumns = `c.tenant_id, c.id, c.bot_id, c.via_bot_id, c.customer_id,
      case when c.unfolded = 0 then c.state end as state, c.seq, c.unfolded, b.provider, b.flow_id, f.published_version, b.other_flows,
      c.window_expires_at, c.last_message_at,
      k.name as customer_name, k.phone as customer_phone, k.email as customer_email, k.variables as customer_variables,
      to_jsonb(k.tags) as customer_tags, k.opted_out_at is not null as customer_opted_out`

const publishedOf = (tenantId: string, ids: string) => `
      select jsonb_agg(jsonb_build_object('flow_id', f.id, 'version', f.published_version) order by g.place)
      from unnest(${ids}) with ordinality as g (id, place)
      join flows f on f.tenant_id = ${tenantId} and f.id = g.id
      where f.published_version is not null`

// One look by key for each row: a join would be planned by what the planner thinks of the tables, and some of those plans
// read whole tables for a handful of conversations. A conversation that another process has locked is passed over.
const lockedWithRest = (tenantId: string, conversationId: string) => `lateral (
      select tenant_id, id, bot_id, via_bot_id, customer_id, state, seq, unfolded, window_expires_at, last_message_at from conversations
      where tenant_id = ${tenantId} and id = ${conversationId}
      for no key update skip locked) c
    cross join lateral (
      select name, phone, email, variables, tags, opted_out_at from customers
      where tenant_id = c.tenant_id and id = c.customer_id offset 0) k
    left join lateral (
      select provider, flow_id, case when cardinality(flow_ids) > 0 then (${publishedOf('bots.tenant_id', 'flow_ids')}) end
        as other_flows
      from bots where tenant_id = c.tenant_id and id = c.bot_id offset 0) b on true
    left join lateral (
      select published_version from flows where tenant_id = c.tenant_id and id = b.flow_id offset 0) f on true`

// A queue is often empty when the planner's figures of it are taken, and a table that it thinks empty it reads from end to
// end for each row that it is joined to, or sorts for each bot: a hundred times the pages. All that a turn reads has an
// index, so it scans no table; and without sorting there is only the index in the order of bots left for a claim.
const planByIndex = statement({
  name: 'turn_plan_by_index',
  params: ['may_sort'],
  row: { sort: 'text', seqscan: 'text' },
  sql: `select set_config('enable_sort', $1, true) as sort, set_config('enable_seqscan', 'off', true) as seqscan`,
})

// A share of each bot's mail, oldest first, one place of every bot after the other: a bot with much mail delays its own
// only. Only mail after an id is looked at: what is before it was done, and until the next vacuum each look would walk
// over all of it. A bot's mail is asked for as a range of two columns, so that no plan can walk the ids of all bots
// instead. Locked ones are another process's, and passed over. Each row says how far the claim has looked; where nothing
// could be claimed, one row without an id says that alone.
const claimWaiting = statement({
  name: 'turn_claim',
  params: ['after_bot', 'after_bot_id', 'bots_max', 'mail_max', 'mail_min', 'candidates_max', 'limit', 'after_id'],
  row: {
    ...claimedRow,
    id: nullable('uuid'),
    mail_bot_id: nullable('uuid'),
    last_bot_id: 'uuid',
    bots: 'int4',
    oldest_id: nullable('uuid'),
  },
  sql: `with recursive bot as (
      (select bot_id, id, 1 as n from inbox
        where failed_reason is null and not held and (bot_id, id) > ($1, $2) and id > $8
        order by bot_id, id limit 1)
      union all
      select next.*, b.n + 1
      from bot b cross join lateral (
        select bot_id, id from inbox
        where failed_reason is null and not held and bot_id > b.bot_id and id > $8 order by bot_id, id limit 1) next
      where b.n < $3
    ), waiting as (
      select b.bot_id, i.tenant_id, i.conversation_id, min(i.place) as place
      from bot b cross join lateral (
        select tenant_id, conversation_id, row_number() over () as place from (
          select tenant_id, conversation_id from inbox
          where failed_reason is null and not held and (bot_id, id) > (b.bot_id, $8) and (bot_id, id) < (b.bot_id, '${lastId}')
          order by bot_id, id limit (select least($4, greatest($5, $6 / count(*))) from bot)) mail) i
      group by b.bot_id, i.tenant_id, i.conversation_id
      order by place, b.bot_id limit $6
    ), claimed as materialized (
      select ${claimedColumns}, w.bot_id as mail_bot_id
      from waiting w cross join ${lockedWithRest('w.tenant_id', 'w.conversation_id')}
      limit $7
    )
    select l.bot_id as last_bot_id, l.n as bots, (select id from bot order by id limit 1) as oldest_id, claimed.*
    from (select bot_id, n from bot order by n desc limit 1) l
    left join claimed on true`,
})

const lockConversation = statement({
  name: 'turn_lock',
  params: ['tenant_id', 'conversation_id'],
  row: claimedRow,
  sql: `select ${claimedColumns}
    from ${lockedWithRest('$1', '$2')}`,
})

/** Goes round the bots, so that each has its turn however many wait. */
export type BotCursor = {
  /** The last bot that had its share; null: a round begins. */
  after: string | null
  /** Mail up to this id was all done when it was last looked at. */
  afterId: string
  /** By the process's own clock, when all mail is to be looked at again. */
  allAgainAtMs: number
}

export function newBotCursor(): BotCursor {
  return { after: null, afterId: firstId, allAgainAtMs: 0 }
}

/**
 * Locks up to `limit` conversations that have mail, until the end of the transaction. Goes on to later bots as long as it
 * finds none that is free.
 */
export async function claimConversations(tx: Transaction, cursor: BotCursor, limit: number): Promise<Claimed[]> {
  for (let looks = 1; ; looks++) {
    const isFromStart = cursor.after === null
    const claimed = await claimNext(tx, cursor, limit)
    const isRoundOver = isFromStart && cursor.after === null
    if (claimed.length > 0 || isRoundOver || looks === looksMax) return claimed
  }
}

/** Looks at the bots after the cursor, and moves it: behind those that had their share, or back to the start. */
async function claimNext(tx: Transaction, cursor: BotCursor, limit: number): Promise<Claimed[]> {
  const isFromStart = cursor.after === null
  const afterId = isFromStart && performance.now() >= cursor.allAgainAtMs ? firstId : cursor.afterId
  const [, rows] = await Promise.all([
    tx.run(planByIndex, { may_sort: 'off' }),
    tx.run(claimWaiting, {
      // A row that names no bot has the first id there is.
      after_bot: cursor.after ?? firstId,
      after_bot_id: isFromStart ? firstId : lastId,
      after_id: afterId,
      bots_max: botsMax,
      mail_max: mailPerBotMax,
      mail_min: mailPerBotMin,
      candidates_max: limit * candidatesPerPlace,
      limit,
    }),
    tx.run(planByIndex, { may_sort: 'on' }),
  ])
  const [looked] = rows
  const isOfAll = isFromStart && looked?.bots !== botsMax
  if (isOfAll && afterId === firstId) noteOldest(cursor, looked?.oldest_id ?? null)
  cursor.after = nextStart(rows, limit)
  return rows.flatMap(({ id, mail_bot_id, last_bot_id, bots, oldest_id, ...rest }) =>
    id === null ? [] : [{ ...rest, id }],
  )
}

type Looked = { readonly mail_bot_id: string | null; readonly last_bot_id: string; readonly bots: number }

/** Where there was more than could be claimed, the bots after those that were claimed of had nothing of their share yet. */
function nextStart(rows: readonly Looked[], limit: number): string | null {
  const [looked] = rows
  if (looked === undefined) return null
  const last = rows.length < limit ? looked.last_bot_id : lastBotOf(rows)
  return last === looked.last_bot_id && looked.bots < botsMax ? null : last
}

function lastBotOf(rows: readonly Looked[]): string {
  return rows.reduce((max, { mail_bot_id: bot }) => (bot !== null && bot > max ? bot : max), firstId)
}

/**
 * The next looks begin a little before the oldest mail there is: an id is made some time before its row is to be seen. A
 * row that is later still is found when all mail is looked at again.
 */
function noteOldest(cursor: BotCursor, oldestId: string | null): void {
  const oldestMs = oldestId === null ? Date.now() : timeOf(oldestId).getTime()
  cursor.afterId = idAt(oldestMs - lateMs)
  cursor.allAgainAtMs = performance.now() + allAgainMs
}

/** Locks one conversation; undefined where another process holds it. */
export async function claimConversation(tx: Transaction, key: ConversationKey): Promise<Claimed | undefined> {
  const [, [claimed]] = await Promise.all([
    tx.run(planByIndex, { may_sort: 'on' }),
    tx.run(lockConversation, { tenant_id: key.tenantId, conversation_id: key.conversationId }),
  ])
  return claimed
}

/** A customer as a flow sees them. */
export type CustomerInFlow = {
  readonly id: string
  readonly name: string | null
  readonly phone: string | null
  readonly email: string | null
  readonly variables: JsonObject
  readonly tags: readonly string[]
}

type CustomerColumns = Pick<
  Claimed,
  'customer_id' | 'customer_name' | 'customer_phone' | 'customer_email' | 'customer_variables' | 'customer_tags'
>

export function customerOf(row: CustomerColumns): CustomerInFlow {
  return {
    id: row.customer_id,
    name: row.customer_name === '' ? null : row.customer_name,
    phone: row.customer_phone,
    email: row.customer_email,
    variables: row.customer_variables,
    tags: row.customer_tags,
  }
}

const findCustomer = statement({
  name: 'turn_find_customer',
  params: ['tenant_id', 'id'],
  row: {
    customer_id: 'uuid',
    customer_name: 'text',
    customer_phone: nullable('text'),
    customer_email: nullable('text'),
    customer_variables: json<JsonObject>(),
    customer_tags: json<readonly string[]>(),
  },
  sql: `select id as customer_id, name as customer_name, phone as customer_phone, email as customer_email,
      variables as customer_variables, to_jsonb(tags) as customer_tags
    from customers where tenant_id = $1 and id = $2`,
})

/** The customer of a conversation as this transaction has left them. */
export async function readCustomer(tx: Transaction, { tenant_id, customer_id }: Claimed): Promise<CustomerInFlow> {
  const [row] = await tx.run(findCustomer, { tenant_id, id: customer_id })
  if (row === undefined) throw new Error(`There is no customer ${customer_id}`)
  return customerOf(row)
}
