import type { Clock } from '../../lib/clock.ts'
import type { Sealer } from '../../lib/crypto.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Files } from '../../stores/files.ts'
import type { KeyEraser } from '../../stores/key-eraser.ts'
import { bulkMax, type LogStore, logNames } from '../../stores/log-store.ts'
import type { Database } from '../../stores/postgres/database.ts'
import { clearGoneConversations } from '../old-conversations.ts'
import { eraseMentions, type KeptAnswer } from './erase-mentions.ts'
import { eraseLateRows } from './erase-rows.ts'
import { claimErasure, type DueErasure, endErasure, passesMax, personOf, postponeErasure } from './erasures.ts'
import type { Person } from './person.ts'

/** After it, whoever took an erasure is taken for dead. Two that go on with the same one do no harm. */
const leaseMs = 10 * 60_000
/**
 * Until what was under way when a person was erased is over: a send whose answer is awaited, statuses of what was just
 * sent, a file that is being fetched, events on their way into the logs.
 */
export const settleMs = 15 * 60_000
/** After one that failed. */
const againMs = 60_000
const clearedMax = 50

export type FinishOptions = {
  readonly database: Database
  readonly files: Files
  readonly logs: LogStore
  readonly keys: KeyEraser
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  /** See `eraseMentions`. */
  readonly openAnswer: (kept: KeptAnswer) => string
  readonly signal?: AbortSignal | undefined
}

/**
 * Goes on with one erasure that is due, if any is: erases what mentions the person, their files, log entries and keys, once
 * at once and once more when all that was under way is over. Killed anywhere, or where a store is away, it is done again.
 * Returns whether there was one.
 */
export async function finishErasure(options: FinishOptions): Promise<boolean> {
  const { database, clock, log, sealer } = options
  const until = new Date(clock.now() + leaseMs)
  const due = await database.transaction({ role: 'cleaner' }, tx => claimErasure(tx, new Date(clock.now()), until))
  if (due === undefined) return false
  try {
    await passOver(options, due.tenantId, personOf(sealer, due))
    await note(options, due)
  } catch (error) {
    // Never what it was about.
    log.error({ erasure_id: due.id, error: messageOf(error) }, 'an erasure is not done yet: it is tried again')
    const again = { dueAt: new Date(clock.now() + againMs), passes: due.passes }
    await database.transaction({ role: 'cleaner' }, tx => postponeErasure(tx, due, again))
  }
  return true
}

async function note({ database, clock }: FinishOptions, due: DueErasure): Promise<void> {
  const passes = due.passes + 1
  const now = clock.now()
  await database.transaction({ role: 'cleaner' }, tx =>
    passes >= passesMax
      ? endErasure(tx, due, new Date(now))
      : postponeErasure(tx, due, { dueAt: new Date(now + settleMs), passes }),
  )
}

async function passOver(options: FinishOptions, tenantId: string, person: Person): Promise<void> {
  const { database, files, keys } = options
  await database.transaction({ role: 'privacy', tenantId }, tx => eraseLateRows(tx, tenantId, person))
  await clearGone(options)
  await eraseMentions(options, tenantId, person)
  for (const id of person.mediaIds) await files.remove({ tenantId, id })
  await eraseLogs(options, tenantId, person)
  await keys.eraseConversations(tenantId, person.conversationIds)
}

/** Of conversations that were too old already, theirs among them: nothing says any more whose they were. */
async function clearGone({ database, files }: FinishOptions): Promise<void> {
  for (let isOver = false; !isOver; ) {
    const bounds = { conversationsMax: clearedMax, limit: bulkMax }
    const cleared = await database.transaction({ role: 'cleaner' }, tx => clearGoneConversations(tx, bounds))
    for (const place of cleared.files) await files.remove(place)
    isOver = cleared.isOver
  }
}

async function eraseLogs({ logs }: FinishOptions, tenantId: string, person: Person): Promise<void> {
  const { conversationIds } = person
  if (conversationIds.length === 0) return
  for (const log of logNames) {
    let removed: number
    do removed = await logs.removeOf(log, { tenantId, conversationIds }, bulkMax)
    while (removed === bulkMax)
  }
}
