import { isDeepStrictEqual } from 'node:util'
import type { ConversationEvent } from '../flow/events.ts'
import { type HistoryTurn, turnsOf } from '../flow/replay-history.ts'
import type { ConversationState } from '../flow/state.ts'
import { UsageError } from '../lib/errors.ts'
import { type History, readHistory } from '../messaging/replay.ts'
import type { Database } from '../stores/postgres/database.ts'
import { oneLine, type Said, shown, tellCause, tellEvent } from './tell-event.ts'

export type Print = (line: string) => void

/** How a conversation is told: in words, as its events, or as one JSON document. */
export type ReplayForm = 'words' | 'events' | 'json'

/** Tells a conversation, and whether its events fold to the state that is stored: returns that. */
export async function replayConversation(
  database: Database,
  conversationId: string,
  form: ReplayForm,
  print: Print,
): Promise<boolean> {
  const history = await readConversation(database, conversationId)
  const isSame = isDeepStrictEqual(history.folded, history.stored)
  if (form === 'json') print(JSON.stringify(documentOf(history, isSame), null, 2))
  else {
    if (form === 'events') printEvents(history, print)
    else printTurns(history, print)
    printUnknown(history, print)
    print(
      isSame
        ? 'The stored state is the same.'
        : `The stored state differs:\n${JSON.stringify(history.stored, null, 2)}`,
    )
  }
  return isSame
}

/** Reads a conversation with all that was said in it. Throws `UsageError` where there is none. */
export async function readConversation(database: Database, conversationId: string): Promise<History> {
  const history = await database.transaction({ role: 'worker' }, tx => readHistory(tx, conversationId))
  if (history === undefined) throw new UsageError(`There is no conversation ${conversationId}`)
  return history
}

function printEvents({ events, folded }: History, print: Print): void {
  for (const { seq, at, type, version, data } of events) {
    const name = version === 1 ? type : `${type} v${version}`
    print(`${String(seq).padStart(4)}  ${new Date(at).toISOString()}  ${name}  ${JSON.stringify(data)}`)
  }
  print(JSON.stringify(folded, null, 2))
}

function printTurns(history: History, print: Print): void {
  const said = saidIn(history)
  print(titleOf(history))
  for (const [index, turn] of turnsOf(history.events).entries()) {
    print('')
    print(`${String(index + 1).padStart(3)}  ${new Date(turn.at).toISOString()}  ${tellCause(turn.cause, said)}`)
    for (const line of linesOf(turn, said)) print(`       ${line}`)
  }
  print('')
  for (const line of tellState(history.folded)) print(line)
}

/** What came of an input, a line for each thing that happened. */
export function linesOf({ events, unknown }: Pick<HistoryTurn, 'events' | 'unknown'>, said: Said): string[] {
  return [
    ...events.flatMap((event: ConversationEvent) => tellEvent(event, said) ?? []),
    ...unknown.map(
      ({ seq, type, version }) => `event ${seq} is not known here: ${oneLine(type)} of version ${version}`,
    ),
  ]
}

export function saidIn({ received, sent }: History): Said {
  return { received: id => received.get(id), sent: id => sent.get(id) }
}

export function titleOf({ conversation }: History): string {
  const { id, tenant_name, bot_name, customer_name, customer_phone } = conversation
  const customer = [customer_name, customer_phone].filter(Boolean).join(', ') || 'a customer without a name'
  return oneLine(`Conversation ${id}: ${customer}, with ${bot_name ?? 'a bot that was removed'} of ${tenant_name}`)
}

function tellState({ status, run, last_run }: ConversationState): string[] {
  const current = run ?? last_run
  const frame = current?.frames.at(-1)
  const place = frame === undefined ? '' : `, ${frame.name} ${frame.version} at ${current?.step ?? 'its beginning'}`
  const waiting = run?.waiting ? `, waiting (${run.waiting.kind})` : run === null && current ? ', ended' : ''
  const variables = Object.entries(current?.variables ?? {}).map(([name, value]) => `  ${name} = ${shown(value)}`)
  return [`Now: ${status}${oneLine(place)}${waiting}`, ...variables]
}

function printUnknown({ events }: History, print: Print): void {
  const count = turnsOf(events).reduce((sum, turn) => sum + turn.unknown.length, 0)
  if (count > 0)
    print(`${count === 1 ? 'One event is' : `${count} events are`} not known to this program: a newer one wrote it.`)
}

function documentOf(history: History, isSame: boolean) {
  const { conversation, received, sent, folded, stored } = history
  const turns = turnsOf(history.events).map(({ at, cause, events, unknown }) => ({
    at: new Date(at).toISOString(),
    cause,
    ...(cause.kind === 'message' && { content: received.get(cause.message_id) ?? null }),
    events: events.map(event => ({ ...event, ...sentWith(event, sent) })),
    ...(unknown.length > 0 && { unknown }),
  }))
  return { conversation, turns, folded, is_stored_the_same: isSame, ...(!isSame && { stored }) }
}

function sentWith({ data }: ConversationEvent, sent: History['sent']) {
  const content = 'message_id' in data ? sent.get(data.message_id) : undefined
  return content === undefined ? {} : { content }
}
