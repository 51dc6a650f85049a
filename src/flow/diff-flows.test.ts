import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import * as v from 'valibot'
import { orderFlow } from './conversation.fixture.ts'
import { diffFlows, type FieldChange, type FlowDiff } from './diff-flows.ts'
import { flowDocumentSchema } from './document.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'
import { randomFlow } from './random-flows.fixture.ts'

const hello = { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'end' }
const flow = (steps: JsonObject, more: JsonObject = {}): JsonObject => ({ name: 'F', start: 'a', steps, ...more })
const nothing: FlowDiff = { fields: [], steps: [] }

/** The document after its changes, made by them alone. */
function patched(before: JsonObject, { fields, steps }: FlowDiff): JsonObject {
  const document = structuredClone(before)
  for (const change of fields) setAt(document, change.path.split('.'), change)
  for (const { step, changes } of steps)
    for (const change of changes)
      setAt(document, ['steps', step, ...(change.path === '' ? [] : change.path.split('.'))], change)
  return document
}

function setAt(target: Json | undefined, path: readonly string[], change: FieldChange): void {
  const [key = '', ...rest] = path
  if (typeof target !== 'object' || target === null) throw new Error(`there is nothing at ${key}`)
  if (rest.length > 0) setAt(Reflect.get(target, key), rest, change)
  else if (change.after === undefined) Reflect.deleteProperty(target, key)
  else Reflect.set(target, key, change.after)
}

/** As the schema reads it, with its defaults. */
function full(document: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(v.parse(flowDocumentSchema, document)))
}

function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled)
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([key, item]) => [key, shuffled(item)] as const)
  return Object.fromEntries(entries.reverse())
}

describe('for any two flows', () => {
  const flows = fc.tuple(randomFlow('A', ['A']), randomFlow('B', ['A']))

  test('the changes, applied to the one, give the other', () => {
    fc.assert(
      fc.property(flows, ([before, after]) => {
        expect(full(patched(full(before), diffFlows(before, after)))).toEqual(full(after))
      }),
    )
  })

  test('nothing differs from itself, however its keys are ordered and whichever defaults are written out', () => {
    fc.assert(
      fc.property(randomFlow('A', ['A']), document => {
        const same = shuffled(full(document))
        expect(diffFlows(document, isJsonObject(same) ? same : {})).toEqual(nothing)
      }),
    )
  })

  test('backwards, the same places differ, with before and after changed over', () => {
    const places = ({ fields, steps }: FlowDiff) =>
      [
        ...fields,
        ...steps.flatMap(({ step, changes }) => changes.map(one => ({ ...one, path: `${step} ${one.path}` }))),
      ]
        .map(({ path, before = null, after = null }) => ({ path, sides: [before, after] }))
        .sort((a, b) => (a.path < b.path ? -1 : 1))
    fc.assert(
      fc.property(flows, ([before, after]) => {
        const backwards = places(diffFlows(after, before))
        expect(places(diffFlows(before, after))).toEqual(
          backwards.map(({ path, sides }) => ({ path, sides: sides.toReversed() })),
        )
      }),
    )
  })

  test('one step that is changed in one place is told with that place, and nothing else', () => {
    fc.assert(
      fc.property(randomFlow('A', ['A']), fc.nat(), fc.string(), (document, pick, value) => {
        const steps = document.steps as JsonObject
        const id = Object.keys(steps)[pick % Object.keys(steps).length] ?? ''
        const step = steps[id] as JsonObject
        const changed = { ...document, steps: { ...steps, [id]: { ...step, 'added.by.hand': value } } }
        const [change, ...others] = diffFlows(document, changed).steps
        expect([change?.step, change?.kind, others]).toEqual([id, 'changed', []])
        expect(change?.changes).toContainEqual({ path: 'added.by.hand', after: value })
      }),
    )
  })

  test('any JSON at all is compared, and never throws', () => {
    const anything = fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<Json>)
    fc.assert(
      fc.property(anything, anything, (before, after) => {
        diffFlows({ ...before, steps: after }, after)
        expect(diffFlows(before, before)).toEqual(nothing)
      }),
    )
  })
})

test('a field is told by its path, with what it was and what it is', () => {
  const changed = structuredClone(orderFlow)
  changed.steps.count.retry.limit = 5
  changed.triggers[0] = { keywords: ['hola', 'carta'] }
  expect(diffFlows(orderFlow, { ...changed, start: 'pick' })).toEqual({
    fields: [
      { path: 'start', before: 'welcome', after: 'pick' },
      { path: 'triggers.0.keywords.1', before: 'menú', after: 'carta' },
    ],
    steps: [{ step: 'count', kind: 'changed', changes: [{ path: 'retry.limit', before: 2, after: 5 }] }],
  })
})

test('a step that is new or gone is told whole, a field that is with one side only', () => {
  const before = flow({ a: hello, b: { type: 'end' } })
  const after = flow({ a: { type: 'handoff', note: 'help' }, c: hello }, { triggers: [{ fallback: true }] })
  expect(diffFlows(before, after)).toEqual({
    fields: [{ path: 'triggers', before: [], after: [{ fallback: true }] }],
    steps: [
      {
        step: 'a',
        kind: 'changed',
        changes: [
          { path: 'type', before: 'message', after: 'handoff' },
          { path: 'content', before: hello.content },
          { path: 'next', before: 'end' },
          { path: 'note', after: 'help' },
        ],
      },
      { step: 'b', kind: 'removed', changes: [{ path: '', before: { type: 'end' } }] },
      { step: 'c', kind: 'added', changes: [{ path: '', after: hello }] },
    ],
  })
})

test('a list that is longer or shorter is told whole', () => {
  const [before, after] = [
    ['a', 'b'],
    ['a', 'b', 'c'],
  ].map(keywords => flow({}, { triggers: [{ keywords }] }))
  expect(diffFlows(before ?? {}, after ?? {}).fields).toEqual([
    { path: 'triggers.0.keywords', before: ['a', 'b'], after: ['a', 'b', 'c'] },
  ])
})

test('what a draft says wrong hides no default of its other steps', () => {
  const published = full(flow({ a: hello, b: { type: 'handoff' } }))
  const draft = flow({ a: { ...hello, next: 7 }, b: { type: 'handoff' } }, { triggers: 'none yet' })
  expect(diffFlows(published, draft)).toEqual({
    fields: [{ path: 'triggers', before: [], after: 'none yet' }],
    steps: [{ step: 'a', kind: 'changed', changes: [{ path: 'next', before: 'end', after: 7 }] }],
  })
})
