import * as v from 'valibot'
import { isBoundedJson } from '../../flow/json.ts'
import { VALUE_JSON_LENGTH_MAX } from '../../flow/limits.ts'
import type { SimulatedWorld } from '../../flow/simulate.ts'
import type { Json } from '../../lib/json.ts'
import type { ActionResult } from './action.ts'
import { performOn } from './example-shop.ts'
import type { Shop } from './shop.ts'

/** Answers that one simulation may be given. */
export const simulatedAnswersMax = 50

const text = (max: number) =>
  v.pipe(v.string('Must be a text'), v.maxLength(max, `Must have at most ${max} characters`))
const json = v.custom<Json>(
  value => isBoundedJson(value, VALUE_JSON_LENGTH_MAX),
  `Must be JSON of at most ${VALUE_JSON_LENGTH_MAX / 1024} KB, not nested too deeply`,
)

/** What somebody outside is taken to answer, in the step or to the action that is named; to any where none is. */
export const simulatedAnswerSchema = v.strictObject({
  step: v.optional(text(64)),
  handler: v.optional(text(64)),
  result: v.variant(
    'ok',
    [
      v.strictObject({ ok: v.literal(true), value: json }),
      v.strictObject({ ok: v.literal(false), code: text(100), message: text(1_000) }),
    ],
    'Must be {ok: true, value}, or {ok: false, code, message}',
  ),
})

export type SimulatedAnswer = v.InferOutput<typeof simulatedAnswerSchema>

/**
 * What actions do in a simulation, on a shop that is opened with the first one and is there until the end. Nobody outside
 * is asked: each such call takes the first answer that fits and was not taken yet, else the last that fits.
 */
export function makeSimulatedActions(
  open: (callPerson: (note: string) => void) => Promise<Shop> | Shop,
  answers: readonly SimulatedAnswer[] = [],
): Required<Pick<SimulatedWorld, 'perform' | 'changes'>> {
  const notes: string[] = []
  const taken = new Set<SimulatedAnswer>()
  let opening: Promise<Shop> | undefined

  function answerTo(handler: string, step: string | null): ActionResult | undefined {
    const fitting = answers.filter(one => (one.step ?? step) === step && (one.handler ?? handler) === handler)
    const answer = fitting.find(one => !taken.has(one)) ?? fitting.at(-1)
    if (answer !== undefined) taken.add(answer)
    return answer?.result
  }

  return {
    async perform(handler, input, step) {
      opening ??= Promise.resolve(open(note => void notes.push(note)))
      return await performOn(await opening, handler, input, () => answerTo(handler, step))
    },
    async changes() {
      const profile = await (await opening)?.readCustomer()
      const customer = profile && { ...profile, name: profile.name === '' ? null : profile.name }
      return { customer, called: notes.splice(0) }
    },
  }
}
