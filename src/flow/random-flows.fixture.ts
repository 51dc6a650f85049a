import * as fc from 'fast-check'
import type { JsonObject } from './json.ts'

const variable = fc.constantFrom('a', 'b', 'c')

const plainWords = fc.constantFrom(
  'Hola',
  '¿Sí?',
  '🍕',
  'x'.repeat(300),
  '{{customer.name}}',
  'n {{message.text}}',
  '{{now}}',
)
const readingWords = fc.oneof(
  variable.map(name => `{{${name}}}`),
  fc.constantFrom('{{[1, 2].map(n, n * 2)}}', '{{a + 1}}', '{{b.c}} {{a}}', '{{error == null}}'),
)
const badWords = fc.constantFrom(
  '{{1 / 0}}',
  '{{customer.variables.none}}',
  '{{customer.email}}',
  '{{1 +',
  '{{customer.nmae}}',
)

const pauses = fc.constantFrom<JsonObject>({ for: '1m' }, { for: '3d' }, { until: '09:00' })
const moments = fc.constantFrom<JsonObject>(
  { until: '{{now + duration("90m")}}' },
  { until: '{{now - duration("1s")}}' },
  { until: '{{"2026-01-10T10:00:00Z"}}' },
)
const wildMoments = fc.oneof(
  moments,
  fc.constantFrom<JsonObject>({ until: '{{now + duration("9000h")}}' }, { until: '{{a}}' }),
)

/** How a flow is written: a tidy one mostly passes the checker and mostly runs, a wild one mostly does neither. */
type Manner = {
  readonly words: fc.Arbitrary<string>
  readonly conditions: fc.Arbitrary<string>
  readonly handlers: fc.Arbitrary<string>
  readonly moments: fc.Arbitrary<JsonObject>
}

const plainConditions = fc.constantFrom('message.text == "a"', 'error == null', 'size(message.text) > 2', 'true')

const tidy: Manner = {
  words: fc.oneof({ weight: 12, arbitrary: plainWords }, { weight: 1, arbitrary: readingWords }),
  conditions: plainConditions,
  handlers: fc.constant('anything'),
  moments,
}

const wild: Manner = {
  words: fc.oneof(plainWords, readingWords, badWords),
  conditions: fc.oneof(plainConditions, fc.constantFrom('a == "y"', 'b > 3', 'customer.variables.vip', 'customer.id')),
  handlers: fc.constantFrom('anything', 'nothing'),
  moments: wildMoments,
}

const contentWith = ({ words }: Manner) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('text'), text: words }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('buttons'),
        text: words,
        buttons: fc.constantFrom<unknown[]>(
          [{ id: 'y', title: 'Sí' }],
          [
            { id: 'y', title: 'Sí' },
            { id: 'n', title: 'No' },
          ],
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('list'),
        text: words,
        button: fc.constant('Ver'),
        sections: fc.constantFrom<unknown[]>(
          [{ rows: "{{customer.variables.products.map(p, {'id': p.sku, 'title': p.name})}}" }],
          [{ rows: [{ id: 'r', title: '{{b}}' }] }],
          [{ rows: [{ id: 'y', title: 'Sí' }] }],
        ),
      }),
    },
  )

const template = fc.record({
  type: fc.constant('template'),
  name: fc.constant('reminder'),
  language: fc.constant('es'),
  parameters: fc.constantFrom<readonly string[]>([], ['{{customer.name}}'], ['{{a}}']),
})

const answer = fc.constantFrom<JsonObject>(
  { type: 'text' },
  { type: 'integer', min: 0, max: 50 },
  { type: 'number' },
  { type: 'email' },
  { type: 'phone', country_code: '34' },
  { type: 'money', currency: 'EUR', min: 0 },
  { type: 'date', min: 'today' },
  { type: 'time' },
  { type: 'datetime' },
  { type: 'image' },
)

/** A target: mostly a later step or the end, so that few loops have no question; now and then one that isn't there. */
function target(ids: readonly string[], from: number): fc.Arbitrary<string> {
  const later = ids.slice(from + 1)
  return fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...later, 'end') },
    { weight: 4, arbitrary: fc.constantFrom(...ids) },
    { weight: 1, arbitrary: fc.constant('nowhere') },
  )
}

function stepAt(
  ids: readonly string[],
  index: number,
  called: readonly string[],
  manner: Manner,
): fc.Arbitrary<JsonObject> {
  const { words } = manner
  const content = contentWith(manner)
  const next = fc.oneof(
    { weight: 12, arbitrary: fc.constant(ids[index + 1] ?? 'end') },
    { weight: 1, arbitrary: target(ids, index) },
  )
  const anyStep = fc.constantFrom(...ids, 'end')
  const timeout = fc.record({ after: fc.constantFrom('10s', '2h', '3d'), next: anyStep })
  const retry = fc.record({ text: words, limit: fc.integer({ min: 0, max: 3 }), next: anyStep }, { requiredKeys: [] })
  const arbitrary = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record(
        { type: fc.constant('message'), content, template, next },
        { requiredKeys: ['type', 'content', 'next'] },
      ),
    },
    {
      weight: 5,
      arbitrary: fc
        .record(
          { type: fc.constant('question'), content, template, variable, answer, retry, timeout, next },
          { requiredKeys: ['type', 'content', 'variable', 'next'] },
        )
        .map(withFittingAnswer),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('decision'),
        condition: manner.conditions,
        true: next,
        false: target(ids, index),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('decision'),
        cases: fc.array(fc.record({ condition: manner.conditions, next }), { minLength: 1, maxLength: 3 }),
        else: target(ids, index),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record(
        {
          type: fc.constant('action'),
          handler: manner.handlers,
          input: fc.record({ value: words }),
          variable,
          next,
          error: target(ids, index),
        },
        { requiredKeys: ['type', 'handler', 'next'] },
      ),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('flow'), flow: fc.constantFrom(...called), next }) },
    {
      weight: 2,
      arbitrary: fc.record(
        { type: fc.constant('handoff'), note: words, next, timeout, agent_timeout: timeout },
        { requiredKeys: ['type'] },
      ),
    },
    {
      weight: 2,
      arbitrary: fc
        .record(
          { type: fc.constant('wait'), time: fc.oneof(pauses, manner.moments), next, on_message: target(ids, index) },
          { requiredKeys: ['type', 'time', 'next'] },
        )
        .map(({ time, ...step }) => ({ ...step, ...time })),
    },
  )
  return arbitrary as fc.Arbitrary<JsonObject>
}

/** What offers choices takes a choice; an answer rule of another type would make most of them unanswerable. */
function withFittingAnswer<T extends { content: { type: string }; answer?: unknown }>({ answer: rule, ...step }: T) {
  return step.content.type === 'text' && rule !== undefined ? { ...step, answer: rule } : step
}

const triggers = fc.constantFrom<readonly JsonObject[]>(
  [{ keywords: ['hola'] }, { fallback: true }],
  [{ keywords: ['hola'] }, { fallback: true }],
  [{ keywords: ['hola'], match: 'starts' }, { buttons: ['y', 'g*'] }],
  [
    { keywords: ['hola', 'a'], hours: 'open' },
    { fallback: true, hours: 'closed' },
  ],
)

/**
 * A document of the right shape with one to seven steps, which may not make sense; it calls flows of the names
 * `called`.
 */
export function randomFlow(name: string, called: readonly string[]): fc.Arbitrary<JsonObject> {
  const manners = fc.constantFrom(tidy, tidy, tidy, wild)
  return fc.tuple(fc.integer({ min: 1, max: 7 }), manners).chain(([count, manner]) => {
    const ids = Array.from({ length: count }, (_, index) => `s${index}`)
    const goals = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(ids))
    const all = fc.tuple(triggers, goals, ...ids.map((_, index) => stepAt(ids, index, called, manner)))
    return all.map(([triggers, goals, ...steps]) => ({
      name,
      start: 's0',
      triggers,
      ...(goals.length > 0 && { goals }),
      steps: Object.fromEntries(steps.map((step, index) => [`s${index}`, step])),
    }))
  })
}
