import * as fc from 'fast-check'
import type { Business, Hours } from './business.ts'
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
    return fc.tuple(triggers, ...ids.map((_, index) => stepAt(ids, index, called, manner))).map(([all, ...steps]) => ({
      name,
      start: 's0',
      triggers: all,
      steps: Object.fromEntries(steps.map((step, index) => [`s${index}`, step])),
    }))
  })
}

/**
 * What happens next, to be aimed at the state it meets: `isLate` aims at a token or call that isn't awaited. `later`: only
 * the clock goes on. `elsewhere`: the customer's wish to be left alone changes outside of the conversation.
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
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('later' as const, 'later' as const, 'elsewhere' as const) }),
  },
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

/** What happens in a conversation; some are closed at the end, and then a little more happens. */
function movesOf(move: fc.Arbitrary<Move>): fc.Arbitrary<readonly Move[]> {
  return fc
    .tuple(fc.array(move, { maxLength: 25 }), fc.boolean(), fc.array(move, { maxLength: 3 }))
    .map(([before, isClosed, after]) => (isClosed ? [...before, { kind: 'close' as const }, ...after] : before))
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
