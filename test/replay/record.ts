// Plays a script with the engine of today and keeps what came of it: `node bin/bun.mjs test/replay/record.ts NAME…`.
// What was recorded is never recorded again: it shows what the code of that day did.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConversationState, initialState } from '../../src/flow/state.ts'
import { type Input, step } from '../../src/flow/step.ts'
import type { RecordedFlow, RecordedHistory, RecordedTurn } from './history.ts'
import { libraryAt, publishedAt } from './play-history.ts'
import { type Move, type Script, scripts } from './scripts.ts'

const folder = join(import.meta.dirname, 'histories')
/** Any moment does, but the same for all. */
const startMs = Date.UTC(2026, 2, 27, 9, 30)

const context = {
  customer: {
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
  },
  conversation: { id: '0198c0de-0000-7000-8000-0000000000d1', bot_id: '0198c0de-0000-7000-8000-0000000000b1' },
}

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
  const turns: RecordedTurn[] = []
  let state = initialState
  let at = startMs
  for (const move of script.moves) {
    at += move.after_ms
    const input = inputOf(move, state, `m${turns.length + 1}`, flowOfBot(script, flows, at))
    const result = step(libraryAt(flows, at), state, input, { ...context, now: at })
    const events = result.events.map(({ type, data }) => ({ type, version: 1, data }))
    turns.push({ at, input, events, effects: result.effects })
    state = result.state
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

/** The published version of the bot's flow at that time. */
function flowOfBot({ bot }: Script, flows: readonly RecordedFlow[], at: number) {
  const found = publishedAt(flows, at).find(flow => flow.flow_id === bot[0])
  return found === undefined ? null : { flow_id: found.flow_id, version: found.version }
}

function inputOf(
  move: Move,
  state: ConversationState,
  message_id: string,
  flow: { readonly flow_id: string; readonly version: number } | null,
): Input {
  const waiting = state.run?.waiting
  switch (move.kind) {
    case 'message':
      return { kind: 'message', message_id, content: move.content, flow }
    case 'timer':
      return { kind: 'timer', token: move.token ?? (waiting?.kind === 'answer' ? waiting.token : '') }
    case 'result': {
      const { result, call_id } = move
      return { kind: 'action_result', result, call_id: call_id ?? (waiting?.kind === 'action' ? waiting.call_id : '') }
    }
    case 'handoff':
      return { kind: 'handoff', note: move.note, agent_id: move.agent_id }
    case 'resume':
      return { kind: 'resume', agent_id: move.agent_id }
    case 'close':
      return { kind: 'close', reason: move.reason }
  }
}
