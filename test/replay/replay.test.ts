import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tellEvent } from '../../src/commands/tell-event.ts'
import { compareReplay } from '../../src/flow/compare-replay.ts'
import { EVENT_VERSIONS } from '../../src/flow/events.ts'
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

/**
 * Not played again from their events: one with a message that a flow takes while it awaits an action's answer, which what
 * runs turns would hold back; and one that is moved to another version, which a replay leaves out.
 */
const notReplayed: ReadonlySet<string> = new Set(['late-and-double', 'moved-to-another-version'])

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

  if (notReplayed.has(name)) return
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

test('every type of event is in a history', () => {
  const types = histories.flatMap(({ history }) => history.turns.flatMap(turn => turn.events.map(event => event.type)))
  expect([...new Set<string>(types)].sort()).toEqual(Object.keys(EVENT_VERSIONS).sort())
})

test('every event is told in words, but for what the input says of itself', () => {
  const said = { received: () => undefined, sent: () => undefined }
  const silent = new Set<string>()
  for (const { history } of histories)
    for (const event of history.turns.flatMap(turn => turn.events)) {
      const known = upcastEvent(event)
      if (known !== undefined && tellEvent(known, said) === null) silent.add(known.type)
    }
  // A person who took over, or gave back, is what came in.
  expect([...silent].sort()).toEqual(['agent.replied', 'closed', 'handed_off', 'message.received', 'resumed'])
})
