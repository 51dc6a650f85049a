import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { checkFlow } from './check.ts'
import { handlers, libraryOf } from './conversation.fixture.ts'
import { randomFlow } from './random-flows.fixture.ts'
import { play, randomMoves, randomSurroundings, steadyMoves } from './random-moves.fixture.ts'

const names = ['Main', 'Sub']
const twoFlows = fc.tuple(randomFlow('Main', ['Sub', 'Main']), randomFlow('Sub', ['Sub']))

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
      fc.property(twoFlows, steadyMoves, randomSurroundings, (documents, moves, around) => {
        const results = documents.map(document => checkFlow(document, { handlers, flows: new Set(names) }))
        if (results.some(result => !result.ok)) return
        checked++
        const warnings = results.flatMap(result => (result.ok ? result.warnings : []))
        const mayBeUnset = warnings.some(warning => warning.code === 'unset_variable')
        const never = mayBeUnset ? NEVER : [...NEVER, 'has no value yet']
        for (const event of play(libraryOf(...documents), moves, around).flatMap(turn => turn.result.events)) {
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
