import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import * as v from 'valibot'
import { checkFlow } from './check.ts'
import { outboundContentSchema } from './content.ts'
import { context, handlers, libraryOf } from './conversation.fixture.ts'
import { type ConversationEvent, SENDING_EVENTS } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import { type Move, randomFlow, randomMoves } from './random-flows.fixture.ts'
import { type ConversationState, foldEvents, initialState } from './state.ts'
import { type Input, type StepResult, step } from './step.ts'

const names = ['Main', 'Sub']
const twoFlows = fc.tuple(randomFlow('Main', ['Sub', 'Main']), randomFlow('Sub', ['Sub']))

function toInput(move: Move, state: ConversationState): Input {
  const waiting = state.run?.waiting ?? null
  const message = { kind: 'message', message_id: `m${state.seq}`, flows: [{ flow_id: 'Main', version: 1 }] } as const
  switch (move.kind) {
    case 'text':
      return { ...message, content: { type: 'text', text: move.text } }
    case 'tap': {
      const choices = waiting?.kind === 'answer' ? waiting.choices : []
      const { id, title } = choices[move.index] ?? { id: 'gone', title: 'Gone' }
      return { ...message, content: { type: 'choice', id, title } }
    }
    case 'photo':
      return { ...message, content: { type: 'image', media_id: '1', mime_type: 'image/png' } }
    case 'timer':
      return { kind: 'timer', token: waiting?.kind === 'answer' && !move.isLate ? waiting.token : 'q-1' }
    case 'succeed':
    case 'fail': {
      const call_id = waiting?.kind === 'action' && !move.isLate ? waiting.call_id : 'a-1'
      const failure = { ok: false, code: 'failed', message: 'it failed' } as const
      const result = move.kind === 'fail' ? failure : ({ ok: true, value: { number: 7, list: [1, 0.5] } } as const)
      return { kind: 'action_result', call_id, result }
    }
    case 'handoff':
      return { kind: 'handoff', note: '', agent_id: 'u1' }
    case 'resume':
      return { kind: 'resume' }
    case 'close':
      return { kind: 'close', reason: 'done' }
  }
}

type Turn = { readonly before: ConversationState; readonly input: Input; readonly result: StepResult }

function play(library: FlowLibrary, moves: readonly Move[]): readonly Turn[] {
  const turns: Turn[] = []
  let state = initialState
  for (const move of moves) {
    const input = toInput(move, state)
    const result = step(library, state, input, context)
    turns.push({ before: state, input, result })
    state = result.state
  }
  return turns
}

/** Holds for any documents of the right shape, and for a few thousand of them. */
function forAll(runs: number, check: (turns: readonly Turn[]) => void): void {
  fc.assert(
    fc.property(twoFlows, randomMoves, (documents, moves) => check(play(libraryOf(...documents), moves))),
    { numRuns: runs },
  )
}

const eventsOf = (turns: readonly Turn[]) => turns.flatMap(turn => turn.result.events)
const countOf = (events: readonly ConversationEvent[], type: ConversationEvent['type']) =>
  events.filter(event => event.type === type).length

describe('whatever the flow and whatever happens', () => {
  test('the events fold to the state, after every call and after a trip through JSON', () => {
    forAll(500, turns => {
      const events: ConversationEvent[] = []
      for (const { result } of turns) {
        events.push(...result.events)
        expect(foldEvents(events)).toEqual(result.state)
        expect(result.state.seq).toBe(events.length)
      }
      const stored: readonly ConversationEvent[] = JSON.parse(JSON.stringify(events))
      const state = turns.at(-1)?.result.state ?? initialState
      expect(foldEvents(stored)).toStrictEqual(state)
      expect(JSON.parse(JSON.stringify(state))).toStrictEqual(state)
    })
  })

  test('a call goes on from a stored state as from the one in memory', () => {
    fc.assert(
      fc.property(twoFlows, randomMoves, (documents, moves) => {
        const library = libraryOf(...documents)
        for (const { before, input, result } of play(library, moves)) {
          expect(step(library, JSON.parse(JSON.stringify(before)), input, context)).toEqual(result)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('each effect has its event: sends in order, actions by their call id', () => {
    forAll(500, turns => {
      for (const { result } of turns) {
        const sendingSteps = result.events.flatMap(event =>
          SENDING_EVENTS.has(event.type) && 'step' in event.data ? [event.data.step] : [],
        )
        const sends = result.effects.filter(effect => effect.kind === 'send')
        expect(sends.map(effect => effect.step)).toEqual(sendingSteps as string[])
        for (const { content } of sends) expect(v.is(outboundContentSchema, content)).toBe(true)
        const calls = result.effects.filter(effect => effect.kind === 'action').map(effect => effect.call_id)
        const requested = result.events.filter(event => event.type === 'action.requested')
        expect(calls).toEqual(requested.map(event => event.data.call_id))
      }
    })
  })

  test('one timer is live exactly while the bot waits for an answer that may come too late', () => {
    forAll(500, turns => {
      let live: string | null = null
      for (const { input, result } of turns) {
        if (input.kind === 'timer' && input.token === live) live = null
        for (const effect of result.effects) {
          if (effect.kind === 'timer') live = effect.token
          if (effect.kind === 'timer_clear') live = null
        }
        const { status, run } = result.state
        const waiting = run?.waiting
        const isTimed = status === 'bot' && waiting?.kind === 'answer' && waiting.timeout_ms !== null
        expect(live).toBe(isTimed ? waiting.token : null)
      }
    })
  })

  test('a call ends within its steps, each run ends once, and tokens and call ids never repeat', () => {
    forAll(500, turns => {
      for (const { result } of turns) expect(result.events.length).toBeLessThan(2 * STEPS_PER_CALL_MAX)
      const events = eventsOf(turns)
      const state = turns.at(-1)?.result.state ?? initialState
      const running = state.run === null ? 0 : 1
      expect(countOf(events, 'flow.started') - countOf(events, 'flow.ended')).toBe(running)
      const ids = events.flatMap(event => {
        if (event.type === 'question.asked' || event.type === 'question.repeated') return [event.data.token]
        return event.type === 'action.requested' ? [event.data.call_id] : []
      })
      expect(new Set(ids).size).toBe(ids.length)
    })
  })

  test('a run that stands still waits for something, or a person has it', () => {
    forAll(300, turns => {
      for (const { result } of turns) {
        const { status, run } = result.state
        if (run !== null && status === 'bot') expect(['answer', 'action']).toContain(String(run.waiting?.kind))
      }
    })
  })
})

describe('a flow that the checker lets pass', () => {
  const NEVER = [
    'does not exist',
    'is no question',
    'is no action',
    'without waiting',
    'is not published',
    'Unexpected token',
    'closes it',
    'No such key: nmae',
  ]

  test('fails for none of the reasons that the checker excludes', () => {
    let checked = 0
    let failed = 0
    fc.assert(
      fc.property(twoFlows, randomMoves, (documents, moves) => {
        const results = documents.map(document => checkFlow(document, { handlers, flows: new Set(names) }))
        if (results.some(result => !result.ok)) return
        checked++
        const warnings = results.flatMap(result => (result.ok ? result.warnings : []))
        const mayBeUnset = warnings.some(warning => warning.code === 'unset_variable')
        const never = mayBeUnset ? NEVER : [...NEVER, 'has no value yet']
        for (const event of eventsOf(play(libraryOf(...documents), moves))) {
          if (event.type !== 'flow.failed') continue
          failed++
          for (const reason of never) expect(event.data.message).not.toContain(reason)
        }
      }),
      { numRuns: 2_000 },
    )
    // Were hardly any flow to pass, or none of them to fail, this test would have seen nothing.
    expect(checked).toBeGreaterThan(100)
    expect(failed).toBeGreaterThan(0)
  }, 30_000)
})

describe('the checker', () => {
  test('answers whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), document => {
        expect(checkFlow(document, { handlers }).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('answers a document with any one place changed, and what it passes compiles and runs', () => {
    const changed = fc.tuple(randomFlow('Main', ['Sub']), fc.nat(), fc.jsonValue({ maxDepth: 2 }))
    fc.assert(
      fc.property(changed, randomMoves, ([document, place, value], moves) => {
        const spoilt = spoil(document, place, value)
        const result = checkFlow(spoilt, { handlers })
        if (!result.ok) return expect(result.findings.length).toBeGreaterThan(0)
        play(libraryOf(result.document), moves)
      }),
      { numRuns: 1_000 },
    )
  })
})

/** A copy with the value at one place, the `place`-th in the order of its JSON, replaced. */
function spoil(document: unknown, place: number, value: unknown): unknown {
  const count = JSON.stringify(document, (_, item) => item).match(/[:[,]/g)?.length ?? 1
  let at = place % count
  return JSON.parse(JSON.stringify(document), (_, item) => (at-- === 0 ? value : item))
}
