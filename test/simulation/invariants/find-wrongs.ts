import { isDeepStrictEqual } from 'node:util'
import type { SQL } from 'bun'
import { initialState } from '../../../src/flow/state.ts'
import { foldStored } from '../../../src/flow/upcast.ts'
import { orderWrongs } from './find-disorder.ts'
import { inboundWrongs, replyWrongs, stockWrongs } from './find-effects.ts'
import { outboundWrongs, statusWrongs } from './find-send-wrongs.ts'
import type { Outcome } from './outcome.ts'
import { readStored, type Stored } from './read-stored.ts'

/**
 * What is not as it must be, when everything has come to rest. Each begins with the name of the invariant: once in
 * effect, in order, no silent drop, statuses only climb, replay = state, tenants are sealed.
 */
export async function findWrongs(admin: SQL, outcome: Outcome): Promise<string[]> {
  const stored = await readStored(admin)
  return [
    ...stored.waiting.map(what => `no silent drop: ${what}`),
    ...stored.strangers.map(what => `tenants are sealed: ${what}`),
    ...inboundWrongs(stored, outcome),
    ...replyWrongs(stored, outcome),
    ...outboundWrongs(stored, outcome),
    ...statusWrongs(stored),
    ...replayWrongs(stored),
    ...orderWrongs(stored, outcome),
    ...stockWrongs(stored, outcome),
  ]
}

/** A row may be some events behind, and says how many. */
function replayWrongs({ conversations, events }: Stored): string[] {
  return conversations.flatMap(({ id, state, seq, status, unfolded }) => {
    const own = events.get(id) ?? []
    const isGapless = own.every((event, index) => Number(event.seq) === index + 1) && own.length === Number(seq)
    if (!isGapless) return [`replay = state: ${id} is at event ${seq}, and has ${own.length}, or gaps between them`]
    const now = foldStored(own).status
    if (now !== status) return [`replay = state: ${id} is ${status}, its events say ${now}`]
    const isSame = isDeepStrictEqual(foldStored(own.slice(0, own.length - unfolded)), state ?? initialState)
    return isSame ? [] : [`replay = state: the state of ${id} is not what its events come to`]
  })
}
