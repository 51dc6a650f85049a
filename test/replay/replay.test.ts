import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { foldStored, upcastEvent } from '../../src/flow/upcast.ts'
import type { RecordedHistory } from './history.ts'
import { playHistory } from './play-history.ts'

// Conversations that the engine of one day played, kept for ever: customers are in the middle of such. The files are
// never recorded anew to make a test pass; `record.ts` adds others.
const folder = join(import.meta.dirname, 'histories')
const histories = readdirSync(folder).map(file => ({
  name: file.replace('.json', ''),
  // Written by record.ts.
  history: JSON.parse(readFileSync(join(folder, file), 'utf8')) as RecordedHistory,
}))

describe.each(histories)('$name', ({ history }) => {
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
})
