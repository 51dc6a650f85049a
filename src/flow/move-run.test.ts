import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { compileFlow } from './compile.ts'
import { context, flowOf, libraryOf } from './conversation.fixture.ts'
import { flowDocumentSchema } from './document.ts'
import type { JsonObject } from './json.ts'
import { canMove } from './move-run.ts'
import { type ConversationState, foldEvents, initialState } from './state.ts'
import { type Input, step } from './step.ts'
import { message, question } from './steps.fixture.ts'

const compiled = (document: JsonObject) => compileFlow(v.parse(flowDocumentSchema, document))
const timed = { timeout: { after: '1h', next: 'end' } }
const first = flowOf({ call: { type: 'flow', flow: 'Inner', next: 'end' } }, 'Outer')
const inner = flowOf({ ask: question('age', 'say', timed), say: message('{{age}} years') }, 'Inner')

const hola: Input = {
  kind: 'message',
  message_id: 'm1',
  content: { type: 'text', text: 'hola' },
  flows: [{ flow_id: 'Outer', version: 1 }],
}

/** A conversation at the question of the inner flow, given a move to that second version of either flow. */
function moved(second: JsonObject) {
  const library = libraryOf(first, inner, second)
  const { state } = step(library, initialState, hola, context)
  const move = { kind: 'move', flow_id: String(second.name), version: 2 } as const
  return { library, result: step(library, state, move, context), before: state }
}

describe('a run', () => {
  test('goes on in another version of its flow', () => {
    const second = flowOf({ ask: question('age', 'say', timed), say: message('{{age}}!') }, 'Inner')
    const { library, result } = moved(second)
    expect(result.events).toEqual([{ type: 'flow.moved', data: { flow_id: 'Inner', from_version: 1, version: 2 } }])
    expect(result.effects).toEqual([])
    expect(result.state.run?.frames.map(frame => frame.version)).toEqual([1, 2])
    const answer: Input = { ...hola, content: { type: 'text', text: '30' } }
    const answered = step(library, result.state, answer, context)
    expect(answered.effects).toMatchObject([{ content: { text: '30!' } }, { kind: 'timer_clear' }])
  })

  test.each([
    [{ other: message('x') }, 'has no step "ask"'],
    [{ ask: message('x') }, '"ask" is no question but a message'],
    [{ ask: question('age') }, '"ask" has no timeout'],
  ])('stays where its step is not the same there: %j', (steps, reason) => {
    const { result, before } = moved(flowOf(steps as JsonObject, 'Inner'))
    expect(result.events).toMatchObject([{ type: 'flow.move_refused', data: { flow_id: 'Inner', version: 2 } }])
    expect(JSON.stringify(result.events)).toContain(JSON.stringify(reason).slice(1, -1))
    expect(result.state).toEqual({ ...before, seq: before.seq + 1 })
  })

  test('stays where the step to come back to is not there', () => {
    const { result } = moved(flowOf({ call: message('x') }, 'Outer'))
    expect(result.events).toMatchObject([
      { type: 'flow.move_refused', data: { reason: 'its step "call" is no flow but a message' } },
    ])
  })

  test('that has nothing of the flow, or is there already, is left alone', () => {
    const { library, before } = moved(inner)
    const give = (flow_id: string, version: number) =>
      step(library, before, { kind: 'move', flow_id, version }, context).events
    expect(give('Inner', 1)).toEqual([])
    expect(give('Other', 2)).toEqual([])
    expect(give('Inner', 9)).toMatchObject([{ type: 'flow.move_refused' }])
    expect(step(library, initialState, { kind: 'move', flow_id: 'Inner', version: 2 }, context).events).toEqual([])
  })
})

test('what a run waits for tells the type of its step', () => {
  const steps = {
    act: { type: 'action', handler: 'anything', next: 'end' },
    pause: { type: 'wait', for: '1h', next: 'end' },
    agent: { type: 'handoff', next: 'end' },
  }
  const at = (waiting: NonNullable<ConversationState['run']>['waiting']): ConversationState => ({
    ...foldEvents([{ type: 'flow.started', data: { flow_id: 'f', name: 'F', version: 1, trigger: 'x' } }]),
    run: {
      frames: [{ flow_id: 'f', name: 'F', version: 1, return_step: null }],
      variables: {},
      step: waiting?.step ?? null,
      waiting,
    },
  })
  const places = [
    { kind: 'action', step: 'act', call_id: 'a1' },
    { kind: 'paused', step: 'act', ok: true },
    { kind: 'wait', step: 'pause', token: 'w1', until: 1 },
    { kind: 'handoff', step: 'agent' },
  ] as const
  for (const place of places) {
    expect(canMove(at(place), 'f', compiled(flowOf(steps)))).toEqual({ ok: true })
    expect(canMove(at({ ...place, step: 'none' }), 'f', compiled(flowOf(steps))).ok).toBe(false)
  }
})
