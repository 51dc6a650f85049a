import * as fc from 'fast-check'
import type { Business, Hours } from './business.ts'
import { context } from './conversation.fixture.ts'
import type { FlowLibrary } from './library.ts'
import { type ConversationState, initialState } from './state.ts'
import { type Context, type Input, type StepResult, step } from './step.ts'

/**
 * What happens next, to be aimed at the state it meets: `isLate` aims at a token or call that isn't awaited, else a
 * result or a time comes that is. `later`: only the clock goes on. `elsewhere`: the customer's wish to be left alone
 * changes outside of the conversation.
 */
export type Move =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tap'; readonly index: number }
  | { readonly kind: 'photo' }
  | { readonly kind: 'timer' | 'succeed' | 'fail'; readonly isLate: boolean }
  | { readonly kind: 'handoff' | 'resume' | 'close' | 'later' | 'elsewhere' }
  | { readonly kind: 'resume_at'; readonly step: string }
  | { readonly kind: 'move'; readonly flow_id: string; readonly version: number }
  | { readonly kind: 'agent_message'; readonly takes_over: boolean }

const usualTexts = fc.constantFrom(
  ...['hola', 'a', '1', '1', '7', '7', '7', '99', 'ana@example.com', '600111222', '', '25/12', '25/12 17:00', '9:30'],
  ...['menú', 'cancelar', 'asesor'],
)
const consentTexts = fc.constantFrom('stop', 'BAJA', 'alta', 'alta', 'start')

const text = fc.oneof(
  { weight: 16, arbitrary: usualTexts },
  { weight: 1, arbitrary: consentTexts },
  { weight: 2, arbitrary: fc.string() },
)

const usual = [
  { weight: 16, arbitrary: fc.record({ kind: fc.constant('text' as const), text }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('tap' as const), index: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'photo' as const }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom('timer' as const, 'succeed' as const, 'fail' as const),
      isLate: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('handoff' as const, 'resume' as const, 'resume' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('agent_message' as const), takes_over: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'later' as const }) },
]

const leaping = [
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('resume_at' as const), step: fc.constantFrom('s0', 's1', 's2', 'none') }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      flow_id: fc.constantFrom('Main', 'Main', 'Sub'),
      version: fc.constantFrom(1, 2, 2, 3),
    }),
  },
]

/**
 * What happens in a conversation; in some the customer is left alone from somewhere on, and some are closed at the end, and
 * then a little more happens.
 */
function movesOf(move: fc.Arbitrary<Move>): fc.Arbitrary<readonly Move[]> {
  const many = fc.array(move, { minLength: 3, maxLength: 25 })
  const few = fc.array(move, { maxLength: 5 })
  return fc
    .tuple(many, fc.option(few, { freq: 2 }), fc.option(few, { freq: 2 }))
    .map(([before, alone, after]) => [
      ...before,
      ...(alone === null ? [] : [{ kind: 'elsewhere' as const }, ...alone]),
      ...(after === null ? [] : [{ kind: 'close' as const }, ...after]),
    ])
}

/** With a person who has the bot go on at any step, and runs that move to another version. */
export const randomMoves = movesOf(fc.oneof(...usual, ...leaping))

/** Without either: a run comes to a step only by the way that its flow describes. */
export const steadyMoves = movesOf(fc.oneof(...usual))

/** A business, and how long its customers' windows are; null: they are always open. */
export type Surroundings = { readonly business: Business; readonly windowMs: number | null }

const HOURS = fc.constantFrom<Hours | null>(null, {
  ...{ mon: [['09:00', '18:00']], tue: [], wed: [], thu: [], fri: [['00:00', '24:00']], sat: [], sun: [] },
})
const patience = fc.constantFrom(null, 60_000, 7_200_000)

export const randomSurroundings: fc.Arbitrary<Surroundings> = fc.record({
  business: fc.record({
    ...{ name: fc.constant('Sol'), time_zone: fc.constantFrom('UTC', 'Europe/Madrid', 'America/Sao_Paulo') },
    ...{ language: fc.constantFrom('es' as const, 'en' as const, 'pt' as const), country_code: fc.constant('34') },
    ...{ currency: fc.constant('EUR'), hours: HOURS, holidays: fc.constant([]), words: fc.constant({}) },
    texts: fc.constantFrom({}, { agent: 'Wait.' }),
    handoff: fc.record({ waiting_timeout_ms: patience, agent_timeout_ms: patience }),
  }),
  windowMs: fc.constantFrom(null, 3_600_000, 86_400_000),
})

/** The move as an input to the state it meets; null where none comes in. */
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
    case 'succeed':
    case 'fail':
      return move.isLate ? late(move.kind) : awaited(move.kind, state)
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

/** A time that is over, or a result, that nothing waits for any more. */
function late(kind: 'timer' | 'succeed' | 'fail'): Input {
  return kind === 'timer' ? { kind, token: 'q-1' } : { kind: 'action_result', call_id: 'a-1', result: results[kind] }
}

/** What the state waits for: the result of its action, else the time of its timer. */
function awaited(kind: 'timer' | 'succeed' | 'fail', state: ConversationState): Input {
  const waiting = state.run?.waiting
  const result = results[kind === 'fail' ? 'fail' : 'succeed']
  if (waiting?.kind === 'action') return { kind: 'action_result', call_id: waiting.call_id, result }
  return { kind: 'timer', token: tokenIn(state) ?? 'q-1' }
}

const results = {
  fail: { ok: false, code: 'failed', message: 'it failed' },
  succeed: { ok: true, value: { number: 7, list: [1, 0.5] } },
} as const

const botFlows = [
  { flow_id: 'Main', version: 1 },
  { flow_id: 'Sub', version: 1 },
]

/** The token of whatever waits in a state, told from its parts and not by the engine. */
export function tokenIn({ status, run, timer }: ConversationState): string | null {
  if (status === 'waiting' || status === 'agent') return timer?.token ?? null
  const waiting = status === 'bot' ? run?.waiting : undefined
  const isTimed = waiting?.kind === 'wait' || (waiting?.kind === 'answer' && waiting.timeout_ms !== null)
  return isTimed ? waiting.token : null
}

/** One call of the engine: what it was given, and what it gave. */
export type Turn = {
  readonly before: ConversationState
  readonly input: Input
  readonly context: Context
  readonly result: StepResult
}

/** Plays the moves as a caller does: the clock goes on, each message opens the window, consent counts from then on. */
export function play(library: FlowLibrary, moves: readonly Move[], around: Surroundings): readonly Turn[] {
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
