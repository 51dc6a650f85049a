import type { Config } from '../config.ts'
import { UsageError } from '../lib/errors.ts'
import { isUuid } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { type Database, openDatabase } from '../stores/postgres/database.ts'
import { openPostgresBeside } from '../stores/postgres/open.ts'
import { type Print, replayConversation } from './replay-conversation.ts'

/** What `flow replay` takes. */
export type ReplayOptions = {
  readonly events?: boolean
  readonly json?: boolean
  readonly against?: string
  readonly flow?: string
  readonly last: string
}

const lastMax = 1_000

/** Runs `flow replay`. Returns whether what it looked at is as it should be. */
export async function runReplay(
  config: Config,
  log: Log,
  given: ReplayOptions & { readonly conversationId: string | undefined },
  print: Print,
): Promise<boolean> {
  const work = workOf(given, print)
  const postgres = await openPostgresBeside(config, log)
  const database = openDatabase(postgres.target, makeMetrics())
  try {
    return await work(database)
  } finally {
    await database.close()
    await postgres.close()
  }
}

/** What is asked for, before anything is opened. */
function workOf(
  { conversationId, against, flow, last, json = false, events = false }: Parameters<typeof runReplay>[2],
  print: Print,
): (database: Database) => Promise<boolean> {
  if (conversationId !== undefined && !isUuid(conversationId)) throw new UsageError('CONVERSATION_ID takes a UUID', 2)
  if (flow !== undefined && !isUuid(flow)) throw new UsageError('--flow takes the id of a flow, a UUID', 2)
  if (json && events) throw new UsageError('Give one of --events and --json', 2)
  if (against === undefined) {
    if (conversationId === undefined) throw new UsageError('Give a CONVERSATION_ID, or --against a draft', 2)
    if (flow !== undefined) throw new UsageError('--flow goes with --against', 2)
    const form = json ? 'json' : events ? 'events' : 'words'
    return database => replayConversation(database, conversationId, form, print)
  }
  if (events) throw new UsageError('--events goes without --against', 2)
  if (conversationId === undefined && flow === undefined && !isUuid(against))
    throw new UsageError('Without a CONVERSATION_ID give --flow FLOW_ID', 2)
  const options = { against, flowId: flow, isJson: json }
  const count = readCount(last)
  return async database => {
    const { replayManyAgainst, replayOneAgainst } = await import('./replay-against.ts')
    if (conversationId !== undefined) return await replayOneAgainst(database, conversationId, options, print)
    return await replayManyAgainst(database, count, options, print)
  }
}

function readCount(text: string): number {
  const count = Number(text)
  if (/^\d{1,4}$/.test(text) && count >= 1 && count <= lastMax) return count
  throw new UsageError(`--last is ${JSON.stringify(text)}, but takes a whole number from 1 to ${lastMax}`, 2)
}
