import type { CompiledFlow } from '../flow/compile.ts'
import { canMove } from '../flow/move-run.ts'
import type { ConversationState } from '../flow/state.ts'
import type { StoredEvent } from '../flow/upcast.ts'
import { firstId, type Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullableJson, statement } from '../stores/postgres/statement.ts'
import { stateOf, unfoldedEvents } from './conversation-states.ts'
import { botOf } from './inbox.ts'

/** Open conversations that one statement reads. */
const pageRows = 1_000
/** Open conversations that one request looks at: the next goes on after them. */
export const movesLookedAtMax = 20_000
/** Conversations that an answer names, of those that can be moved, and of those that cannot. */
const examplesMax = 100
const reasonsMax = 100

// In the order of the index of open conversations. Only those that run the flow come with their state: which flows they
// run is in what is stored, where they stand in them may be in events since.
const selectOpen = statement({
  name: 'flow_move_read',
  params: ['tenant_id', 'flow_id', 'after_bot_id', 'after_customer_id', 'limit'],
  row: {
    bot_id: 'uuid',
    customer_id: 'uuid',
    id: 'uuid',
    state: nullableJson<ConversationState>(),
    unfolded_events: nullableJson<readonly StoredEvent[]>(),
  },
  sql: `select o.bot_id, o.customer_id, o.id, case when o.runs then o.state end as state,
      case when o.runs then ${unfoldedEvents('o')} end as unfolded_events
    from (
      select *, state @> jsonb_build_object('run', jsonb_build_object('frames',
          jsonb_build_array(jsonb_build_object('flow_id', $2::uuid)))) as runs
      from conversations
      where tenant_id = $1 and status <> 'closed' and (bot_id, customer_id) > ($3::uuid, $4::uuid)
      order by bot_id, customer_id limit $5) o
    order by o.bot_id, o.customer_id`,
})

const selectMoving = statement({
  name: 'flow_move_waiting',
  params: ['tenant_id', 'conversation_ids', 'body'],
  row: { conversation_id: 'uuid' },
  sql: `select conversation_id from inbox
    where tenant_id = $1 and conversation_id = any ($2::uuid[]) and kind = 'move' and body = $3::text::jsonb
      and failed_reason is null`,
})

const insertMoves = statement({
  name: 'flow_move_post',
  params: ['tenant_id', 'conversation_ids', 'ids', 'body'],
  row: {},
  sql: `insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select $1, conversation_id, id, 'move', $4::text::jsonb, ${botOf('$1', 'g.conversation_id')}
    from unnest($2::uuid[], $3::uuid[]) as g (conversation_id, id)`,
})

/** Where the look at the open conversations has come to. */
export type MovePosition = { readonly botId: string; readonly customerId: string }

export type Move = {
  readonly tenantId: string
  readonly flowId: string
  /** Only what runs this version; null: whichever is not `to`. */
  readonly from: number | null
  readonly to: { readonly version: number; readonly flow: CompiledFlow }
  /** Only looks. */
  readonly isDryRun: boolean
  readonly after: MovePosition | null
}

type Running = { readonly conversation_id: string; readonly version: number }

/** Of the conversations looked at. `version` is the one that the outermost run of the flow is of now. */
export type Moved = {
  readonly movable: { readonly count: number; readonly examples: readonly Running[] }
  readonly stuck: {
    readonly count: number
    readonly examples: readonly (Running & { readonly reason: string })[]
    readonly reasons: readonly { readonly reason: string; readonly count: number }[]
  }
  /** Null once all were looked at. */
  readonly next: MovePosition | null
}

/**
 * Looks at the open conversations in order, at `movesLookedAtMax` of them at most, and leaves each that can go on in
 * another version of the flow mail that says so: its next turn decides again, since it may have gone on meanwhile.
 * Publish `inbox` on the bus once it is committed.
 */
export async function moveConversations(tx: Transaction, ids: Ids, move: Move): Promise<Moved> {
  const report = newReport()
  let position = move.after ?? { botId: firstId, customerId: firstId }
  for (let looked = 0; looked < movesLookedAtMax; looked += pageRows) {
    const rows = await tx.run(selectOpen, {
      tenant_id: move.tenantId,
      flow_id: move.flowId,
      after_bot_id: position.botId,
      after_customer_id: position.customerId,
      limit: pageRows,
    })
    const movable = rows
      .filter(row => row.state !== null && judge(report, move, row.id, stateOf(row)))
      .map(row => row.id)
    if (!move.isDryRun && movable.length > 0) await post(tx, ids, move, movable)
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return told(report, null)
    position = { botId: last.bot_id, customerId: last.customer_id }
  }
  return told(report, position)
}

/** Who is asked for twice is moved once. */
async function post(
  tx: Transaction,
  ids: Ids,
  { tenantId: tenant_id, flowId, to }: Move,
  conversations: readonly string[],
): Promise<void> {
  const body = JSON.stringify({ flow_id: flowId, version: to.version })
  const waiting = await tx.run(selectMoving, { tenant_id, conversation_ids: conversations, body })
  const moving = new Set(waiting.map(row => row.conversation_id))
  const left = conversations.filter(id => !moving.has(id))
  if (left.length === 0) return
  await tx.run(insertMoves, { tenant_id, conversation_ids: left, ids: left.map(() => ids.next()), body })
}

type Report = {
  movable: number
  stuck: number
  readonly movableExamples: Running[]
  readonly stuckExamples: (Running & { readonly reason: string })[]
  readonly reasons: Map<string, number>
}

function newReport(): Report {
  return { movable: 0, stuck: 0, movableExamples: [], stuckExamples: [], reasons: new Map() }
}

/** Whether a conversation is to be moved; counts it. */
function judge(report: Report, { flowId, from, to }: Move, conversation_id: string, state: ConversationState): boolean {
  const versions = (state.run?.frames ?? []).filter(frame => frame.flow_id === flowId).map(frame => frame.version)
  const version = versions.find(one => one !== to.version)
  if (version === undefined || (from !== null && !versions.includes(from))) return false
  const verdict = canMove(state, flowId, to.flow)
  if (verdict.ok) {
    report.movable += 1
    if (report.movableExamples.length < examplesMax) report.movableExamples.push({ conversation_id, version })
    return true
  }
  const { reason } = verdict
  report.stuck += 1
  if (report.stuckExamples.length < examplesMax) report.stuckExamples.push({ conversation_id, version, reason })
  if (report.reasons.has(reason) || report.reasons.size < reasonsMax)
    report.reasons.set(reason, (report.reasons.get(reason) ?? 0) + 1)
  return false
}

function told(report: Report, next: MovePosition | null): Moved {
  const { movable, stuck, movableExamples, stuckExamples } = report
  const reasons = [...report.reasons].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count)
  return {
    movable: { count: movable, examples: movableExamples },
    stuck: { count: stuck, examples: stuckExamples, reasons },
    next,
  }
}
