import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConversationEvent } from '../../src/flow/events.ts'
import { foldEvents } from '../../src/flow/state.ts'
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
  const turns = history.turns.map(turn => ({ ...turn, events: turn.events.map(({ type, data }) => ({ type, data })) }))

  test('the same inputs give the same events and effects', () => {
    const played = playHistory(history).map(({ events, effects }) => ({ events, effects }))
    expect(played as unknown).toEqual(turns.map(({ events, effects }) => ({ events, effects })))
  })

  test('its events fold to the state it had', () => {
    const events = turns.flatMap(turn => turn.events) as ConversationEvent[]
    expect(foldEvents(events)).toEqual(history.state)
  })
})
