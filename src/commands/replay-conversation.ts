import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.ts'
import { UsageError } from '../lib/errors.ts'
import { isUuid } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { readHistory } from '../messaging/replay.ts'
import { openDatabase } from '../stores/postgres/database.ts'
import { openPostgresBeside } from '../stores/postgres/open.ts'

/** Prints a conversation's events and the state they fold to. Returns whether that is the state that is stored. */
export async function replayConversation(
  config: Config,
  log: Log,
  conversationId: string,
  print: (line: string) => void,
): Promise<boolean> {
  if (!isUuid(conversationId)) throw new UsageError('CONVERSATION_ID takes a UUID', 2)
  const postgres = await openPostgresBeside(config, log)
  const database = openDatabase(postgres.target, makeMetrics())
  try {
    const history = await database.transaction({ role: 'worker' }, tx => readHistory(tx, conversationId))
    if (history === undefined) throw new UsageError(`There is no conversation ${conversationId}`)
    for (const { seq, at, type, data } of history.events)
      print(`${String(seq).padStart(4)}  ${at.toISOString()}  ${type}  ${JSON.stringify(data)}`)
    print(JSON.stringify(history.folded, null, 2))
    const isSame = isDeepStrictEqual(history.folded, history.stored)
    print(
      isSame
        ? 'The stored state is the same.'
        : `The stored state differs:\n${JSON.stringify(history.stored, null, 2)}`,
    )
    return isSame
  } finally {
    await database.close()
    await postgres.close()
  }
}
