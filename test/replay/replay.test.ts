import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compareReplay } from '../../src/flow/compare-replay.ts'
import { replayHistory } from '../../src/flow/replay-against.ts'
import { turnsOf } from '../../src/flow/replay-history.ts'
import { foldStored, upcastEvent } from '../../src/flow/upcast.ts'
import type { RecordedHistory } from './history.ts'
import { causeOf, playHistory, storedOf, worldOf } from './play-history.ts'

// Conversations that the engine of one day played, kept for ever: customers are in the middle of such. The files are
// never recorded anew to make a test pass; `record.ts` adds others.
const folder = join(import.meta.dirname, 'histories')
const histories = readdirSync(folder).map(file => ({
  name: file.replace('.json', ''),
  // Written by record.ts.
  history: JSON.parse(readFileSync(join(folder, file), 'utf8')) as RecordedHistory,
}))

/** A message that a flow takes while it awaits an action's answer: what runs turns holds such back. */
const unnatural: ReadonlySet<string> = new Set(['late-and-double'])

describe.each(histories)('$name', ({ name, history }) => {
  test('the same inputs give the same events and effects', () => {
    const recorded = history.turns.map(({ events, effects }) => ({
      events: events.map(event => upcastEvent(event) ?? `${event.type} of version ${event.version} is not known`),
      effects,
    }))
    const played = playHistory(history).map(({ events, effects }) => ({ events, effects }))
    expect(played as unknown).toEqual(recorded)
  })

  test('its events fold to the state it had', () => {
    expect(foldStored(history.turns.flatMap(turn => turn.events))).toEqual(history.state)
  })

  test('its events tell which inputs they came of', () => {
    const turns = history.turns.filter(turn => turn.events.length > 0)
    expect(turnsOf(storedOf(history).events).map(turn => turn.cause)).toEqual(turns.map(turn => causeOf(turn)))
  })

  if (unnatural.has(name)) return
  test('played again from its events alone, in its own flows, it goes as it went', () => {
    const { events, sent } = storedOf(history)
    const turns = turnsOf(events)
    const replay = replayHistory(turns, worldOf(history))
    const comparison = compareReplay(turns, replay, id => sent.get(id))
    expect([comparison.first, comparison.replies, comparison.untold]).toEqual([null, [], null])
    expect(comparison.verdict).toBe('same')
    expect(comparison.ends.after).toEqual(comparison.ends.before)
  })
})
