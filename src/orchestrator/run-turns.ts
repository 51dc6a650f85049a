import type { Action } from '../commerce/actions/action.ts'
import { initialState } from '../flow/state.ts'
import { isAwaitingAction } from '../flow/step.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { enqueueCalls } from '../messaging/calls.ts'
import {
  type Claimed,
  claimConversation,
  claimConversations,
  newBotCursor,
  readCustomer,
} from '../messaging/claim-conversations.ts'
import { saveConsents } from '../messaging/consent.ts'
import { withStates } from '../messaging/conversation-states.ts'
import { postToInbox } from '../messaging/inbox.ts'
import { makeBusinessLoader } from '../messaging/load-businesses.ts'
import { makeFlowLoader } from '../messaging/load-flows.ts'
import { countMailFailure, moveToOpenConversation } from '../messaging/mail-trouble.ts'
import { tellOfFailure, tellOfTurns } from '../messaging/news.ts'
import { type Mail, readMail } from '../messaging/read-mail.ts'
import { type ConversationKey, saveTurns } from '../messaging/save-turns.ts'
import { statusChange } from '../messaging/status.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'
import type { StateSnapshots } from '../stores/state-snapshots.ts'
import { versionsNamedBy } from './input-of-mail.ts'
import { type Performed, type Played, playTurn, type Taken, type TurnTools, upToFirstPlayed } from './play-turn.ts'

/** Conversations whose turns are written in one transaction. */
export const turnsBatchMax = 100

export type TurnOptions = {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly actions: ReadonlyMap<string, Action>
  /** Without them, states that are behind are folded each time. */
  readonly snapshots?: StateSnapshots
  /** Fewer than `turnsBatchMax`, for a bench. */
  readonly batchMax?: number
}

/** Turns that were written, and when; the states that they left. */
type Saved = {
  readonly turns: readonly Played[]
  readonly at: Date
  readonly states: Awaited<ReturnType<typeof saveTurns>>
}

const nothing: Saved = { turns: [], at: new Date(0), states: [] }

/** Whose actions a turn performs: in a batch only those that write nothing, so that one flow's write cannot hold up the others. */
type Company = 'batch' | 'alone'

export type TurnRunner = {
  /** Returns how many conversations it took. */
  runBatch(): Promise<number>
  close(): void
}

/**
 * Runs turns: takes the conversations that have mail, plays them, and writes all that comes of it in the transaction
 * that marks the mail as done. Many conversations go together; one that fails, or that writes more than its own rows,
 * goes alone.
 */
export function makeTurnRunner(options: TurnOptions): TurnRunner {
  const { database, bus, feed, clock, ids, log, metrics, actions, snapshots, batchMax = turnsBatchMax } = options
  const flows = makeFlowLoader(metrics)
  const businesses = makeBusinessLoader(bus)
  const cursor = newBotCursor()

  async function runBatch(): Promise<number> {
    let claimed: Claimed[] = []
    try {
      const { postponed, saved } = await database.transaction({ role: 'worker' }, async tx => {
        claimed = await claimConversations(tx, cursor, batchMax)
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
    const postponed: Claimed[] = []
    const played = await playAll(tx, await takeMail(tx, claimed), 'batch')
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
  function tellOf({ turns, at, states }: Saved): void {
    snapshots?.putMany(states)
    tellOfTurns(feed, turns, at)
    bus.publish('outbox')
    if (turns.some(turn => turn.calls.length > 0)) bus.publish('calls')
  }

  async function runAlone(key: ConversationKey): Promise<void> {
    let taken: { readonly conversation: Claimed; readonly row: Mail | undefined } | undefined
    try {
      const saved = await database.transaction({ role: 'worker' }, async tx => {
        const claimed = await claimConversation(tx, key)
        if (claimed === undefined) return nothing
        const one = await takeOne(tx, claimed)
        taken = { conversation: one.conversation, row: one.mail.at(-1) }
        const played = await playAll(tx, [one], 'alone')
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
    const isLast = await database.transaction({ role: 'worker' }, async tx => {
      const isLast = await countMailFailure(tx, row, message)
      // The flow waits for this answer, and what the customer writes waits with it: a person has to see to both.
      if (isLast && kind === 'result') {
        const body = { note: `The answer to a call could not be taken: ${message}` }
        await postToInbox(tx, ids, { tenantId: tenant_id, conversationId: conversation_id, kind: 'handoff', body })
      }
      return isLast
    })
    metrics.turns.inc({ outcome: isLast ? 'given_up' : 'failed' })
    log.error({ tenant_id, conversation_id, id, kind, given_up: isLast, error: message }, 'a turn failed')
    if (!isLast) return
    const failed = kind === 'message' ? statusChange(row, 'failed', { code: 'turn_failed', message }) : null
    tellOfFailure(feed, conversation, failed)
  }

  async function takeMail(tx: Transaction, claimed: readonly Claimed[], mailMax?: number): Promise<Taken[]> {
    const current = await withStates(tx, snapshots, claimed)
    const taken = current.map(conversation => ({ conversation, state: conversation.state ?? initialState }))
    const waiting = taken.flatMap(({ conversation, state }) => (isAwaitingAction(state) ? [conversation] : []))
    const mail = await readMail(tx, current, { waiting: new Set(waiting), mailMax })
    return taken.map(one => ({ ...one, mail: mail.get(one.conversation.id) ?? [] }))
  }

  /** A conversation with the one row that it plays, and what is to be held before it. */
  async function takeOne(tx: Transaction, claimed: Claimed): Promise<Taken> {
    const [taken] = await takeMail(tx, [claimed], 1)
    if (taken === undefined) return { conversation: claimed, state: initialState, mail: [] }
    const businessOf = await businesses.load(tx, [claimed.tenant_id])
    return { ...taken, mail: upToFirstPlayed(taken, businessOf(claimed.tenant_id)) }
  }

  async function playAll(tx: Transaction, taken: readonly Taken[], company: Company): Promise<(Played | null)[]> {
    const claimed = taken.map(one => one.conversation)
    const tenantIds = claimed.map(conversation => conversation.tenant_id)
    const named = taken.flatMap(({ mail, state }) => versionsNamedBy(mail, state))
    const [libraryOf, businessOf] = await Promise.all([flows.load(tx, claimed, named), businesses.load(tx, tenantIds)])
    const now = clock.now()
    return await Promise.all(
      taken.map(one => {
        const { conversation } = one
        return playTurn(one, {
          ids,
          now,
          library: libraryOf(conversation.tenant_id),
          business: businessOf(conversation.tenant_id),
          perform: (call, tell) => perform(tx, conversation, call, tell, company),
          observeStep: seconds => metrics.stepSeconds.observe(seconds),
        })
      }),
    )
  }

  async function perform(
    tx: Transaction,
    conversation: Claimed,
    { handler, input }: Parameters<TurnTools['perform']>[0],
    tell: Parameters<TurnTools['perform']>[1],
    company: Company,
  ): Promise<Performed> {
    const action = actions.get(handler)
    if (action === undefined) return failed('unknown_handler', `There is no action "${handler}"`)
    if (action.kind === 'outside') {
      const prepared = action.prepare(input)
      return prepared.ok
        ? { kind: 'outside', request: prepared.request }
        : { kind: 'result', result: prepared, changed: [] }
    }
    if (action.writes && company === 'batch') return { kind: 'postponed' }
    const { tenant_id: tenantId, customer_id: customerId, id: conversationId } = conversation
    const changed: string[] = []
    const note = (resources: readonly string[]) => void changed.push(...resources)
    const call = { tenantId, customerId, conversationId, input, tell, changed: note }
    const result = await action.run(tx, ids, call)
    const customer = changed.includes('customers') ? await readCustomer(tx, conversation) : undefined
    return { kind: 'result', result, changed, customer }
  }

  async function save(tx: Transaction, turns: readonly Played[]): Promise<Saved> {
    const at = new Date(clock.now())
    const states = await saveTurns(
      tx,
      turns.map(one => one.turn),
      at,
    )
    await saveConsents(
      tx,
      turns.flatMap(one => one.consents),
    )
    await enqueueCalls(
      tx,
      turns.flatMap(one => one.calls),
    )
    for (const { turn, movedIds } of turns)
      if (movedIds.length > 0) await moveToOpenConversation(tx, turn, movedIds, ids.next())
    metrics.turns.inc({ outcome: 'done' }, turns.length)
    return { turns, at, states }
  }

  return { runBatch, close: () => businesses.close() }
}

function failed(code: string, message: string): Performed {
  return { kind: 'result', result: { ok: false, code, message }, changed: [] }
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
