import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import * as v from 'valibot'
import { checkFlow } from './check.ts'
import { outboundContentSchema } from './content.ts'
import { context, handlers, libraryOf } from './conversation.fixture.ts'
import { type ConversationEvent, EVENT_VERSIONS, SENDING_EVENTS } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import {
  type Move,
  randomFlow,
  randomMoves,
  randomSurroundings,
  type Surroundings,
  steadyMoves,
} from './random-flows.fixture.ts'
import { applyEvent, type ConversationState, foldEvents, initialState } from './state.ts'
import { type Context, type Input, type StepResult, step } from './step.ts'

const names = ['Main', 'Sub']
const twoFlows = [randomFlow('Main', ['Sub', 'Main']), randomFlow('Sub', ['Sub'])] as const
/** Two flows, and a second version of each. */
const flows = fc.tuple(...twoFlows, ...twoFlows)

function toInput(move: Move, state: ConversationState): Input | null {
  const waiting = state.run?.waiting ?? null
  const message = { kind: 'message', message_id: `m${state.seq}`, flows: botFlows } as const
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
      return { kind: 'timer', token: (move.isLate ? null : tokenIn(state)) ?? 'q-1' }
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
    case 'resume_at':
      return { kind: 'resume', step: move.step }
    case 'close':
      return { kind: 'close', reason: 'done' }
    case 'move':
      return move
    case 'agent_message':
      return { ...move, message_id: `a${state.seq}`, agent_id: null, source: 'phone' }
    case 'later':
    case 'elsewhere':
      return null
  }
}

const botFlows = [
  { flow_id: 'Main', version: 1 },
  { flow_id: 'Sub', version: 1 },
]

/** The token of whatever waits in a state, told from its parts and not by the engine. */
function tokenIn({ status, run, timer }: ConversationState): string | null {
  if (status === 'waiting' || status === 'agent') return timer?.token ?? null
  const waiting = status === 'bot' ? run?.waiting : undefined
  const isTimed = waiting?.kind === 'wait' || (waiting?.kind === 'answer' && waiting.timeout_ms !== null)
  return isTimed ? waiting.token : null
}

type Turn = {
  readonly before: ConversationState
  readonly input: Input
  readonly context: Context
  readonly result: StepResult
}

/** Plays the moves as a caller does: the clock goes on, each message opens the window, consent counts from then on. */
function play(library: FlowLibrary, moves: readonly Move[], around: Surroundings): readonly Turn[] {
  const turns: Turn[] = []
  let state = initialState
  let now = context.now
  let window_expires_at = around.windowMs === null ? null : 0
  let opted_out = false
  for (const move of moves) {
    const input = toInput(move, state)
    now += move.kind === 'later' ? 90_000_000 : 1_000
    if (move.kind === 'elsewhere') opted_out = !opted_out
    if (input === null) continue
    if (input.kind === 'message' && around.windowMs !== null) window_expires_at = now + around.windowMs
    const customer = { ...context.customer, opted_out }
    const given = { ...context, now, window_expires_at, customer, business: around.business }
    const result = step(library, state, input, given)
    for (const effect of result.effects) if (effect.kind === 'consent') opted_out = effect.opted === 'out'
    turns.push({ before: state, input, context: given, result })
    state = result.state
  }
  return turns
}

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
      for (const { result } of turns) expect(result.events.length).toBeLessThan(2 * STEPS_PER_CALL_MAX)
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
      { numRuns: 3_000, seed: 5 },
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

describe('a flow that the checker lets pass', () => {
  const NEVER = [
    'does not exist',
    'is no question',
    'is no action',
    'is no wait',
    'is no handoff',
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
      fc.property(fc.tuple(...twoFlows), steadyMoves, randomSurroundings, (documents, moves, around) => {
        const results = documents.map(document => checkFlow(document, { handlers, flows: new Set(names) }))
        if (results.some(result => !result.ok)) return
        checked++
        const warnings = results.flatMap(result => (result.ok ? result.warnings : []))
        const mayBeUnset = warnings.some(warning => warning.code === 'unset_variable')
        const never = mayBeUnset ? NEVER : [...NEVER, 'has no value yet']
        for (const event of eventsOf(play(libraryOf(...documents), moves, around))) {
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
      fc.property(changed, randomMoves, randomSurroundings, ([document, place, value], moves, around) => {
        const spoilt = spoil(document, place, value)
        const result = checkFlow(spoilt, { handlers })
        if (!result.ok) return expect(result.findings.length).toBeGreaterThan(0)
        play(libraryOf(result.document), moves, around)
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
