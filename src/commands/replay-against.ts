import { readFileSync } from 'node:fs'
import { actions } from '../commerce/actions/actions.ts'
import { checkFlow } from '../flow/check.ts'
import { type Comparison, compareReplay, type Difference, type Ending, type Told } from '../flow/compare-replay.ts'
import { compileFlow } from '../flow/compile.ts'
import { replayHistory } from '../flow/replay-against.ts'
import { turnsOf } from '../flow/replay-history.ts'
import { upcastEvent } from '../flow/upcast.ts'
import { messageOf, UsageError } from '../lib/errors.ts'
import { isUuid } from '../lib/ids.ts'
import { publishedNames } from '../messaging/publish-flow.ts'
import { findConversationsIn, type History, readHistory } from '../messaging/replay.ts'
import { type FlowToReplay, findFlowNamed, findFlowToReplay } from '../messaging/replay-draft.ts'
import { type Draft, loadReplayWorld } from '../messaging/replay-world.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { type Print, readConversation, saidIn, titleOf } from './replay-conversation.ts'
import { oneLine, quoteOutbound, type Said, tellCause, tellEvent } from './tell-event.ts'

/** `against`: a file with a flow document, or the id of a flow, whose draft it is. */
export type ReplayAgainst = {
  readonly against: string
  /** The flow in whose place it stands; undefined: the one of the document's name, else the first that ran. */
  readonly flowId: string | undefined
  readonly isJson: boolean
}

/** Says where one conversation would go otherwise. Returns whether the draft could be played at all. */
export async function replayOneAgainst(
  database: Database,
  conversationId: string,
  given: ReplayAgainst,
  print: Print,
): Promise<boolean> {
  const history = await readConversation(database, conversationId)
  const target = await inDatabase(database, tx => targetOf(tx, given, history))
  const draft = await inDatabase(database, tx => checkedDraft(tx, target, given, print))
  if (draft === null) return false
  const comparison = await inDatabase(database, tx => compare(tx, history, draft))
  if (given.isJson) print(JSON.stringify({ conversation_id: conversationId, ...comparison }, null, 2))
  else {
    print(titleOf(history))
    for (const line of tellComparison(comparison, saidIn(history))) print(line)
    print(caveat)
  }
  return true
}

/** Says how many of the newest conversations that were in a flow would end otherwise. Returns the same. */
export async function replayManyAgainst(
  database: Database,
  last: number,
  given: ReplayAgainst,
  print: Print,
): Promise<boolean> {
  const target = await inDatabase(database, tx => targetOf(tx, given, null))
  const draft = await inDatabase(database, tx => checkedDraft(tx, target, given, print))
  if (draft === null) return false
  const flow = { tenantId: target.tenant_id, flowId: target.id }
  const ids = await inDatabase(database, tx => findConversationsIn(tx, flow, last))
  const compared: Compared[] = []
  for (const id of ids) {
    const comparison = await inDatabase(database, async tx => {
      const history = await readHistory(tx, id)
      return history && (await compare(tx, history, draft))
    })
    if (comparison !== undefined) compared.push({ conversation_id: id, ...comparison })
  }
  for (const line of given.isJson ? [jsonOf(target, compared)] : tellMany(target, compared)) print(line)
  return true
}

type Compared = Comparison & { readonly conversation_id: string }

function inDatabase<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return database.transaction({ role: 'worker' }, work)
}

async function compare(tx: Transaction, history: History, draft: Draft): Promise<Comparison> {
  const turns = turnsOf(history.events)
  const replay = replayHistory(turns, await loadReplayWorld(tx, history, draft))
  return compareReplay(turns, replay, id => history.sent.get(id))
}

/** The flow in whose place the document stands. */
async function targetOf(tx: Transaction, given: ReplayAgainst, history: History | null): Promise<FlowToReplay> {
  const { against } = given
  const id = given.flowId ?? (isUuid(against) ? against : undefined)
  const found = id === undefined ? await guessTarget(tx, readDocument(against), history) : await knownFlow(tx, id)
  if (history !== null && found.tenant_id !== history.conversation.tenant_id)
    throw new UsageError(`The flow ${found.id} is another tenant's than the conversation`)
  return found
}

async function knownFlow(tx: Transaction, id: string): Promise<FlowToReplay> {
  const found = await findFlowToReplay(tx, id)
  if (found === undefined) throw new UsageError(`There is no flow ${id}`)
  return found
}

async function guessTarget(tx: Transaction, document: unknown, history: History | null): Promise<FlowToReplay> {
  if (history === null) throw new UsageError('Without a CONVERSATION_ID give --flow FLOW_ID')
  const named = await findFlowNamed(tx, history.conversation.tenant_id, nameOf(document))
  if (named !== undefined) return named
  const first = history.events.flatMap(stored => upcastEvent(stored) ?? []).find(event => event.type === 'flow.started')
  if (first === undefined) throw new UsageError('No flow ran in this conversation: give --flow FLOW_ID')
  return await knownFlow(tx, first.data.flow_id)
}

function nameOf(document: unknown): string {
  const name = typeof document === 'object' && document !== null ? Reflect.get(document, 'name') : undefined
  return typeof name === 'string' ? name : ''
}

function readDocument(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${messageOf(error)}`)
  }
}

/** The document, ready to run; null where the checker refuses it, which is printed. */
async function checkedDraft(
  tx: Transaction,
  target: FlowToReplay,
  { against }: ReplayAgainst,
  print: Print,
): Promise<Draft | null> {
  const document = isUuid(against) ? await draftOf(tx, target, against) : readDocument(against)
  const handlers = new Map([...actions].map(([name, action]) => [name, action.input]))
  const flows = new Set([target.name, ...(await publishedNames(tx, target.tenant_id))])
  const checked = checkFlow(document, { handlers, flows })
  if (checked.ok) return { flowId: target.id, name: target.name, flow: compileFlow(checked.document) }
  for (const { severity, path, message } of checked.findings) print(`${severity}  ${path || '(document)'}  ${message}`)
  return null
}

async function draftOf(tx: Transaction, target: FlowToReplay, id: string): Promise<unknown> {
  return id === target.id ? target.document : (await knownFlow(tx, id)).document
}

const caveat = '(The customer, the business and the flows of the bot are taken as they are now.)'

function tellComparison({ untold, first, replies, ends }: Comparison, said: Said): string[] {
  const words = replies.map(({ step, before, after }) => {
    return `  ${step ?? 'the bot'}: ${quoteOutbound(before)} → ${quoteOutbound(after)}`
  })
  return [
    ...tellFirst(first, untold, said),
    ...(words.length === 0 ? [] : [`In other words${first === null ? '' : ' before that'}:`, ...words]),
    `It ended: ${tellEnding(ends.before)}`,
    ...(untold === null
      ? [`It would end: ${tellEnding(ends.after)}`]
      : [`How it would end cannot be told: ${untold}.`]),
  ]
}

function tellFirst(first: Difference | null, untold: string | null, said: Said): string[] {
  if (first === null) return ['It goes the same way.']
  const turn = (first.before ?? first.after)?.turn
  // What could not be played on has nothing more to tell.
  if (untold !== null && first.after === null) return [`It goes the same way until turn ${turn}.`]
  return [
    `It goes otherwise from turn ${turn} on:`,
    `  then: ${tellTold(first.before, said)}`,
    `  now:  ${tellTold(first.after, said)}`,
  ]
}

function tellTold(told: Told | null, { received }: Said): string {
  if (told === null) return 'nothing more'
  const { event, content } = told
  const said = { received, sent: () => content ?? undefined }
  if (event.type === 'message.received') return tellCause({ kind: 'message', ...event.data }, said)
  return tellEvent(event, said) ?? event.type
}

function tellEnding({ status, waits_for, ended, step, actions: calls }: Ending): string {
  const run = waits_for !== null ? `waiting (${waits_for})` : ended === null ? 'no run' : `run over (${ended})`
  const called = calls.map(({ handler, ok }) => `${handler} ${ok === null ? 'not answered' : ok ? 'done' : 'failed'}`)
  return [status, run, ...(step === null ? [] : [`at ${step}`]), ...called].join(', ')
}

function tellMany({ name }: FlowToReplay, compared: readonly Compared[]): string[] {
  const { same, different, untold } = sorted(compared)
  const otherwise = same.filter(one => one.first !== null).length
  return [
    oneLine(`${name}: of the last ${compared.length === 1 ? 'conversation' : `${compared.length} conversations`}`),
    `  ${same.length} end the same${otherwise > 0 ? ` (${otherwise} of them by another way)` : ''}`,
    `  ${different.length} end differently`,
    ...different.map(({ conversation_id, ends }) => {
      return `    ${conversation_id}  ${tellEnding(ends.before)}  →  ${tellEnding(ends.after)}`
    }),
    `  ${untold.length} cannot be told`,
    ...untold.map(one => `    ${one.conversation_id}  ${one.untold}`),
    caveat,
  ]
}

function sorted(compared: readonly Compared[]) {
  const of = (verdict: Comparison['verdict']) => compared.filter(one => one.verdict === verdict)
  return { same: of('same'), different: of('different'), untold: of('untold') }
}

function jsonOf({ id, name }: FlowToReplay, compared: readonly Compared[]): string {
  const { same, different, untold } = sorted(compared)
  const counts = { same: same.length, different: different.length, untold: untold.length }
  return JSON.stringify({ flow_id: id, name, ...counts, conversations: compared }, null, 2)
}
