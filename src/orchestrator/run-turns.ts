import type { Action, ActionCall } from '../commerce/actions/action.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import {
  type Claimed,
  claimConversation,
  claimConversations,
  type Mail,
  newTenantCursor,
  readMail,
} from '../messaging/claim-conversations.ts'
import { makeFlowLoader } from '../messaging/load-flows.ts'
import { countMailFailure, moveToOpenConversation } from '../messaging/mail-trouble.ts'
import { type TurnTold, tellOfFailure, tellOfTurns } from '../messaging/news.ts'
import { type ConversationKey, saveTurns } from '../messaging/save-turns.ts'
import { statusChange } from '../messaging/status.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'
import { type Played, playTurn } from './play-turn.ts'

/** Conversations whose turns are written in one transaction. */
export const turnsBatchMax = 50

export type TurnOptions = {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly actions: ReadonlyMap<string, Action>
}

/** Turns that were written, and when. */
type Saved = { readonly turns: readonly TurnTold[]; readonly at: Date }

const nothing: Saved = { turns: [], at: new Date(0) }

/** Whose actions a turn performs: in a batch only those that write nothing, so that one flow's write cannot hold up the others. */
type Company = 'batch' | 'alone'

/**
 * Runs turns: takes the conversations that have mail, plays them, and writes all that comes of it in the transaction
 * that marks the mail as done. Many conversations go together; one that fails, or that writes more than its own rows,
 * goes alone.
 */
export function makeTurnRunner(options: TurnOptions): { runBatch(): Promise<number> } {
  const { database, bus, feed, clock, ids, log, metrics, actions } = options
  const flows = makeFlowLoader(metrics)
  const cursor = newTenantCursor()

  /** Returns how many conversations it took. */
  async function runBatch(): Promise<number> {
    let claimed: Claimed[] = []
    try {
      const { postponed, saved } = await database.transaction({ role: 'worker' }, async tx => {
        claimed = await claimConversations(tx, cursor, turnsBatchMax)
        return claimed.length === 0 ? { postponed: [], saved: nothing } : await runTogether(tx, claimed)
      })
      if (claimed.length > 0) tellOf(saved)
      for (const conversation of postponed) await runAlone(keyOf(conversation))
    } catch (error) {
      if (claimed.length === 0 || isOutage(error)) throw error
      log.warn({ conversations: claimed.length, error: messageOf(error) }, 'a batch of turns failed: each goes alone')
      for (const conversation of claimed) await runAlone(keyOf(conversation))
    }
    return claimed.length
  }

  async function runTogether(
    tx: Transaction,
    claimed: readonly Claimed[],
  ): Promise<{ postponed: readonly Claimed[]; saved: Saved }> {
    const mail = await readMail(tx, claimed)
    const postponed: Claimed[] = []
    const played = await playAll(tx, claimed, mail, 'batch')
    const saved = await save(
      tx,
      played.flatMap((one, index) => {
        const conversation = claimed[index]
        if (one === null && conversation !== undefined) postponed.push(conversation)
        return one ?? []
      }),
    )
    return { postponed, saved }
  }

  /** Once it is committed. */
  function tellOf({ turns, at }: Saved): void {
    tellOfTurns(feed, turns, at)
    bus.publish('outbox')
  }

  async function runAlone(key: ConversationKey): Promise<void> {
    let taken: { readonly conversation: Claimed; readonly row: Mail | undefined } | undefined
    try {
      const saved = await database.transaction({ role: 'worker' }, async tx => {
        const conversation = await claimConversation(tx, key)
        if (conversation === undefined) return nothing
        const mail = await readMail(tx, [conversation], 1)
        taken = { conversation, row: mail.get(conversation.id)?.[0] }
        const played = await playAll(tx, [conversation], mail, 'alone')
        return await save(
          tx,
          played.flatMap(one => one ?? []),
        )
      })
      tellOf(saved)
    } catch (error) {
      if (taken?.row === undefined || isPassing(error)) throw error
      await recordFailure(taken.conversation, taken.row, error)
    }
  }

  async function recordFailure(conversation: Claimed, row: Mail, error: unknown): Promise<void> {
    const { tenant_id, conversation_id, id, kind } = row
    const message = messageOf(error)
    const isLast = await database.transaction({ role: 'worker' }, tx => countMailFailure(tx, row, message))
    metrics.turns.inc({ outcome: isLast ? 'given_up' : 'failed' })
    log.error({ tenant_id, conversation_id, id, kind, given_up: isLast, error: message }, 'a turn failed')
    if (!isLast) return
    const failed = kind === 'message' ? statusChange(row, 'failed', { code: 'turn_failed', message }) : null
    tellOfFailure(feed, conversation, failed)
  }

  async function playAll(
    tx: Transaction,
    conversations: readonly Claimed[],
    mail: ReadonlyMap<string, readonly Mail[]>,
    company: Company,
  ): Promise<(Played | null)[]> {
    const libraryOf = await flows.load(tx, conversations)
    const now = clock.now()
    return await Promise.all(
      conversations.map(conversation =>
        playTurn(conversation, mail.get(conversation.id) ?? [], {
          ids,
          now,
          library: libraryOf(conversation.tenant_id),
          perform: ({ handler, input }, tell) => perform(tx, conversation, handler, { input, tell }, company),
          observeStep: seconds => metrics.stepSeconds.observe(seconds),
        }),
      ),
    )
  }

  function perform(
    tx: Transaction,
    { tenant_id: tenantId, customer_id: customerId, id: conversationId }: Claimed,
    handler: string,
    call: Pick<ActionCall, 'input' | 'tell'>,
    company: Company,
  ): ReturnType<Action['run']> | undefined {
    const action = actions.get(handler)
    if (action === undefined)
      return Promise.resolve({ ok: false, code: 'unknown_handler', message: `There is no action "${handler}"` })
    if (action.writes && company === 'batch') return undefined
    return action.run(tx, ids, { ...call, tenantId, customerId, conversationId })
  }

  async function save(tx: Transaction, turns: readonly Played[]): Promise<Saved> {
    const at = new Date(clock.now())
    await saveTurns(
      tx,
      turns.map(one => one.turn),
      at,
    )
    for (const { turn, movedIds } of turns)
      if (movedIds.length > 0) await moveToOpenConversation(tx, turn, movedIds, ids.next())
    metrics.turns.inc({ outcome: 'done' }, turns.length)
    return { turns, at }
  }

  return { runBatch }
}

function keyOf({ tenant_id, id }: Claimed): ConversationKey {
  return { tenantId: tenant_id, conversationId: id }
}

/** Not the mail's fault, and over in a moment: a conflict, no room, a lock, a server that stops. The loop pauses, and tries again. */
function isPassing(error: unknown): boolean {
  return isOutage(error) || passingClasses.has(sqlState(error)?.slice(0, 2) ?? '')
}

const passingClasses: ReadonlySet<string> = new Set(['40', '53', '55', '57', '58'])

function isOutage(error: unknown): boolean {
  return error instanceof AppError && error.code === 'database_unavailable'
}
