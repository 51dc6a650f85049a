import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import * as v from 'valibot'
import { outboundContentSchema } from './content.ts'
import { libraryOf } from './conversation.fixture.ts'
import { type ConversationEvent, EVENT_VERSIONS, SENDING_EVENTS } from './events.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import { randomFlow } from './random-flows.fixture.ts'
import { play, randomMoves, randomSurroundings, type Turn, tokenIn } from './random-moves.fixture.ts'
import { applyEvent, foldEvents, initialState } from './state.ts'
import { step } from './step.ts'

const twoFlows = [randomFlow('Main', ['Sub', 'Main']), randomFlow('Sub', ['Sub'])] as const
/** Two flows, and a second version of each. */
const flows = fc.tuple(...twoFlows, ...twoFlows)

/** Holds for any documents of the right shape, and for a few thousand of them. */
function forAll(runs: number, check: (turns: readonly Turn[]) => void): void {
  fc.assert(
    fc.property(flows, randomMoves, randomSurroundings, (documents, moves, around) =>
      check(play(libraryOf(...documents), moves, around)),
    ),
    { numRuns: runs },
  )
}

const eventsOf = (turns: readonly Turn[]) => turns.flatMap(turn => turn.result.events)

describe('whatever the flow and whatever happens', () => {
  test('the events fold to the state, after every call and after a trip through JSON', () => {
    forAll(500, turns => {
      const events = eventsOf(turns)
      for (const { before, result } of turns) expect(result.events.reduce(applyEvent, before)).toEqual(result.state)
      const stored: readonly ConversationEvent[] = JSON.parse(JSON.stringify(events))
      const state = turns.at(-1)?.result.state ?? initialState
      expect(foldEvents(stored)).toStrictEqual(state)
      expect(state.seq).toBe(events.length)
      expect(JSON.parse(JSON.stringify(state))).toStrictEqual(state)
    })
  })

  test('a call goes on from a stored state as from the one in memory', () => {
    fc.assert(
      fc.property(flows, randomMoves, randomSurroundings, (documents, moves, around) => {
        const library = libraryOf(...documents)
        for (const { before, input, context: given, result } of play(library, moves, around)) {
          expect(step(library, JSON.parse(JSON.stringify(before)), input, given)).toEqual(result)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('each effect has its event: sends in order, actions by their call id, consent by its message', () => {
    forAll(500, turns => {
      for (const { result } of turns) {
        const sending = result.events.filter(event => SENDING_EVENTS.has(event.type))
        const sends = result.effects.filter(effect => effect.kind === 'send')
        expect(sends.map(effect => effect.step)).toEqual(sending.map(stepOf))
        for (const { content } of sends) expect(v.is(outboundContentSchema, content)).toBe(true)
        const calls = result.effects.filter(effect => effect.kind === 'action').map(effect => effect.call_id)
        const requested = result.events.filter(event => event.type === 'action.requested')
        expect(calls).toEqual(requested.map(event => event.data.call_id))
        const consents = result.effects.filter(effect => effect.kind === 'consent').map(effect => effect.message_id)
        const opted = result.events.filter(event => event.type === 'opted_out' || event.type === 'opted_in')
        expect(consents).toEqual(opted.map(event => event.data.message_id))
      }
    })
  })

  test('one timer is live at most, and just while something may come too late', () => {
    forAll(500, turns => {
      let live: { readonly token: string; readonly dueAt: number } | null = null
      for (const { input, context: given, result } of turns) {
        if (input.kind === 'timer' && input.token === live?.token) live = null
        for (const effect of result.effects) {
          if (effect.kind === 'timer') live = { token: effect.token, dueAt: given.now + effect.after_ms }
          if (effect.kind === 'timer_clear') live = null
        }
        expect(live?.token ?? null).toBe(tokenIn(result.state))
        const { status, run } = result.state
        if (status === 'bot' && run?.waiting?.kind === 'wait') expect(live?.dueAt).toBe(run.waiting.until)
      }
    })
  })

  test('a call ends within its steps, and tokens and call ids never repeat', () => {
    forAll(500, turns => {
      for (const { result } of turns) expect(result.events.length).toBeLessThan(3 * STEPS_PER_CALL_MAX)
      const ids = eventsOf(turns).flatMap(({ data }) => {
        if ('token' in data) return [data.token]
        return 'call_id' in data && 'handler' in data ? [data.call_id] : []
      })
      expect(new Set(ids).size).toBe(ids.length)
    })
  })

  test('each run ends exactly once, and another begins only then', () => {
    forAll(500, turns => {
      let running = 0
      for (const { type } of eventsOf(turns)) {
        if (type === 'flow.started' || type === 'flow.revived') running++
        if (type === 'flow.ended') running--
        expect(running).toBeOneOf([0, 1])
      }
      expect(running).toBe(turns.at(-1)?.result.state.run ? 1 : 0)
    })
  })

  test('a run that stands still waits for something, or a person has it', () => {
    forAll(300, turns => {
      for (const { result } of turns) {
        const { status, run } = result.state
        if (run !== null && status === 'bot') expect(run.waiting?.kind).toBeOneOf(['answer', 'action', 'wait'])
      }
    })
  })

  test('the bot speaks only while it has the conversation, and to nobody who is left alone', () => {
    forAll(500, turns => {
      for (const { before, context: given, result } of turns) {
        const sends = result.effects.filter(effect => effect.kind === 'send')
        let state = before
        for (const event of result.events) {
          const send = SENDING_EVENTS.has(event.type) ? sends.shift() : undefined
          if (send?.consent) expect(event).toMatchObject({ data: { notice: expect.stringMatching(/^st/) } })
          else if (send !== undefined) expect([state.status, given.customer.opted_out]).toEqual(['bot', false])
          state = applyEvent(state, event)
        }
      }
    })
  })

  test('nothing happens in a conversation once it is closed, but that messages are recorded', () => {
    forAll(300, turns => {
      for (const { before, result } of turns) {
        if (before.status !== 'closed') continue
        for (const { type } of result.events) expect(type).toBeOneOf(['message.received', 'agent.replied'])
        expect(result.effects).toEqual([])
      }
    })
  })

  test('everything that can happen does, so that the above has seen it', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(flows, randomMoves, randomSurroundings, (documents, moves, around) => {
        for (const { type, data } of eventsOf(play(libraryOf(...documents), moves, around))) {
          seen.add(type)
          if ('reason' in data) seen.add(`${type} ${data.reason}`)
          if ('by' in data) seen.add(`${type} ${data.by}`)
        }
      }),
      { numRuns: 2_500, seed: 5 },
    )
    expect(Object.keys(EVENT_VERSIONS).filter(type => !seen.has(type))).toEqual([])
    const ends = ['end', 'handoff', 'failed', 'closed', 'menu', 'cancelled', 'opted_out', 'replaced']
    const handedOff = ['flow', 'agent', 'failure', 'customer', 'timeout']
    const kinds = [
      ...ends.map(reason => `flow.ended ${reason}`),
      ...handedOff.map(by => `handed_off ${by}`),
      ...['time', 'message', 'past'].map(reason => `wait.ended ${reason}`),
      ...['nobody_took', 'agent_silent'].map(reason => `handoff.timed_out ${reason}`),
      ...['no_trigger', 'waiting', 'opted_out'].map(reason => `message.ignored ${reason}`),
    ]
    expect(kinds.filter(kind => !seen.has(kind))).toEqual([])
  }, 30_000)
})

function stepOf({ data }: ConversationEvent): string | null {
  return 'step' in data ? (data.step ?? null) : null
}
