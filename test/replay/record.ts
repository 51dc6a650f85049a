// Plays a script with the engine of today and keeps what came of it: `node bin/bun.mjs test/replay/record.ts NAME…`.
// What was recorded is never recorded again: it shows what the code of that day did.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unknownBusiness } from '../../src/flow/business.ts'
import { EVENT_VERSIONS } from '../../src/flow/events.ts'
import { liveTimer } from '../../src/flow/live-timer.ts'
import { type ConversationState, initialState } from '../../src/flow/state.ts'
import { type FlowVersion, type Input, step } from '../../src/flow/step.ts'
import type { RecordedFlow, RecordedHistory, RecordedTurn } from './history.ts'
import { libraryAt, publishedAt } from './play-history.ts'
import { type Move, type Script, scripts } from './scripts.ts'

const folder = join(import.meta.dirname, 'histories')
/** Any moment does, but the same for all. */
const startMs = Date.UTC(2026, 2, 27, 9, 30)
const windowMs = 86_400_000

const customer = {
  id: '0198c0de-0000-7000-8000-0000000000c1',
  name: 'Ana',
  phone: '+34600111222',
  email: null,
  variables: {
    products: [
      { sku: 'pizza', name: 'Pizza', price_minor: 1250 },
      { sku: 'agua', name: 'Agua', price_minor: 150 },
      { sku: 'flan', name: 'Flan', price_minor: 400 },
    ],
  },
  tags: ['vip'],
}
const conversation = { id: '0198c0de-0000-7000-8000-0000000000d1', bot_id: '0198c0de-0000-7000-8000-0000000000b1' }

const names = process.argv.slice(2)
if (names.length === 0) console.log(`Takes names of scripts: ${Object.keys(scripts).join(' ')}`)
for (const name of names) {
  const script = scripts[name]
  const path = join(folder, `${name}.json`)
  if (script === undefined) refuse(`There is no script "${name}" in test/replay/scripts.ts`)
  if (existsSync(path)) refuse(`${path} is there already: what was recorded stays. Give the script another name.`)
  writeFileSync(path, `${JSON.stringify(recordHistory(script), null, 2)}\n`)
  Bun.spawnSync(['node_modules/.bin/biome', 'format', '--write', path])
  console.log(`test/replay/histories/${name}.json`)
}

function refuse(problem: string): never {
  console.error(problem)
  process.exit(1)
}

function recordHistory(script: Script): RecordedHistory {
  const flows = flowsOf(script)
  const context = { customer, conversation, business: { ...unknownBusiness, ...script.business } }
  const turns: RecordedTurn[] = []
  let state = initialState
  let at = startMs
  let window_expires_at: number | null = null
  let opted_out = false
  for (const move of script.moves) {
    at += move.after_ms
    if (move.kind === 'message' && script.hasWindow) window_expires_at = at + windowMs
    const input = inputOf(move, state, `m${turns.length + 1}`, flowsOfBot(script, flows, at))
    const known = { ...context, customer: { ...customer, opted_out }, window_expires_at, now: at }
    const result = step(libraryAt(flows, at), state, input, known)
    const events = result.events.map(({ type, data }) => ({ type, version: EVENT_VERSIONS[type], data }))
    turns.push({ at, window_expires_at, opted_out, input, events, effects: result.effects })
    state = result.state
    for (const effect of result.effects) if (effect.kind === 'consent') opted_out = effect.opted === 'out'
  }
  return { about: script.about, recorded: recordedBy(), flows, context, turns, state }
}

/** A document published before the n-th move is there a second before it. */
function flowsOf({ flows, moves }: Script): RecordedFlow[] {
  const versions = new Map<string, number>()
  return flows.map(({ flow_id, before_move, document }) => {
    const version = (versions.get(flow_id) ?? 0) + 1
    versions.set(flow_id, version)
    const sinceStartMs = moves.slice(0, before_move + 1).reduce((sum, move) => sum + move.after_ms, 0)
    return { flow_id, version, published_at: startMs + sinceStartMs - 1, document }
  })
}

function recordedBy() {
  const git = Bun.spawnSync(['git', 'log', '-1', '--format=%h', '--', 'src/flow'])
  return { commit: git.stdout.toString().trim(), at: new Date().toISOString() }
}

/** The published versions of the bot's flows at that time. */
function flowsOfBot({ bot }: Script, flows: readonly RecordedFlow[], at: number): FlowVersion[] {
  const published = publishedAt(flows, at)
  return bot.flatMap(id => {
    const found = published.find(flow => flow.flow_id === id)
    return found === undefined ? [] : [{ flow_id: found.flow_id, version: found.version }]
  })
}

function inputOf(move: Move, state: ConversationState, message_id: string, flows: readonly FlowVersion[]): Input {
  const { after_ms: _, ...given } = move
  switch (given.kind) {
    case 'message':
      return { ...given, message_id, flows }
    case 'timer':
      return { ...given, token: given.token ?? liveTimer(state)?.token ?? '' }
    case 'result': {
      const waiting = state.run?.waiting
      const call_id = given.call_id ?? (waiting?.kind === 'action' ? waiting.call_id : '')
      return { kind: 'action_result', result: given.result, call_id }
    }
    case 'agent_message':
      return { ...given, message_id }
    default:
      return given
  }
}
