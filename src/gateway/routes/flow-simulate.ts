import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { loadShop, simulatedProductsMax } from '../../commerce/actions/load-shop.ts'
import {
  makeSimulatedActions,
  type SimulatedAnswer,
  simulatedAnswerSchema,
  simulatedAnswersMax,
} from '../../commerce/actions/simulated-actions.ts'
import type { Business } from '../../flow/business.ts'
import { checkFlow } from '../../flow/check.ts'
import { compileFlow } from '../../flow/compile.ts'
import { inboundContentSchema } from '../../flow/content.ts'
import type { FlowDocument } from '../../flow/document.ts'
import { explainedTypes, stepOutcomes } from '../../flow/explain-events.ts'
import type { FlowLibrary, PublishedFlow } from '../../flow/library.ts'
import { type SimulatedWorld, startSimulation } from '../../flow/simulate.ts'
import { invalid } from '../../lib/check-fields.ts'
import { mayMeetClosedWindow } from '../../messaging/bots-of-flow.ts'
import { findFlowVersion } from '../../messaging/flow-versions.ts'
import { findFlow } from '../../messaging/flows.ts'
import { findBusiness } from '../../messaging/load-businesses.ts'
import { makeFlowLoader } from '../../messaging/load-flows.ts'
import { publishedNames } from '../../messaging/publish-flow.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { flowHandlers, flowRefusal } from '../flow-faults.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import { inTenant, type Parts } from '../parts.ts'
import { integer, jsonObject, text } from '../schemas.ts'
import { body, describe, found, idOf, makeGuard } from '../steps.ts'

const inputsMax = 50
const versionMax = 2_147_483_647
/** For all turns of one simulation together. */
const simulationMsMax = 5_000

const input = v.union(
  [
    text(4_096),
    named('InboundContent', inboundContentSchema),
    v.strictObject({ type: v.literal('timeout') }),
    v.strictObject({ type: v.literal('resume'), step: v.optional(text(64)) }),
    v.strictObject({ type: v.literal('close') }),
  ],
  'Must be a text, a content, or a "timeout", "resume" or "close"',
)
const simulation = v.strictObject({
  inputs: v.pipe(
    v.array(input, 'Must be a list'),
    v.minLength(1, 'Must not be empty'),
    v.maxLength(inputsMax, `Must have at most ${inputsMax} inputs`),
  ),
  answers: v.optional(
    v.pipe(
      v.array(named('SimulatedAnswer', simulatedAnswerSchema), 'Must be a list'),
      v.maxLength(simulatedAnswersMax, `Must have at most ${simulatedAnswersMax} answers`),
      v.description(
        'What those outside are taken to answer: each call takes the first answer that fits and was not taken yet, else the last that fits',
      ),
    ),
    [],
  ),
  version: v.optional(v.union([v.literal('draft'), integer(1, versionMax)], 'Must be "draft" or a number'), 'draft'),
})

const step = v.strictObject({
  flow: v.nullable(v.string()),
  step: v.nullable(v.string()),
  type: v.picklist(explainedTypes),
  outcome: v.picklist(stepOutcomes),
  detail: v.nullable(v.string()),
})
const turn = v.strictObject({
  input,
  replies: v.array(outboundContent),
  steps: v.array(named('SimulatedStep', step)),
  variables: jsonObject,
})
const answer = v.strictObject({ turns: v.array(turn) })

/** Who writes in a simulation. */
const customer = { name: 'Ana', phone: '+12025550143', email: null, variables: {}, tags: [] }

export function flowSimulationRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const flows = makeFlowLoader(parts.metrics)
  const app = new Hono<Env>()
  app.post(
    '/:id/simulate',
    describe({
      id: 'simulateFlow',
      tag: 'Flows',
      summary: 'Talk to a flow without a customer',
      description:
        'The draft, or a published version, answers as it would a customer who is called Ana. Nothing is sent or kept: ' +
        `actions run on a copy of your products (the first ${simulatedProductsMax} of the catalog) and sellers, which is ` +
        'gone afterwards. Within a simulation a cart stays full, an order takes stock, and a cancelled one gives it back; ' +
        'nobody outside is asked: such an action is refused with `not_simulated` unless `answers` has an answer for it. The input {"type": "timeout"} lets the time pass until the next thing happens by itself ' +
        '(an answer, a person or a moment is waited for no longer; without any its turn has no steps), {"type": "resume"} ' +
        'gives the conversation back to the bot as an agent does, {"type": "close"} ends it. Each turn tells its steps in order, with what became of them and why.',
      answers: { 200: answer },
      errors: ['not_found', 'flow_refused'],
    }),
    may('flows:read'),
    body(simulation),
    async context => {
      const { inputs, version, answers } = context.req.valid('json')
      const talk = startSimulation(worldOf(context, await load(context, idOf(context), version), answers))
      const turns: v.InferInput<typeof turn>[] = []
      const start = performance.now()
      for (const [index, given] of inputs.entries()) {
        if (performance.now() - start > simulationMsMax)
          throw invalid([{ path: `inputs.${index}`, message: 'Takes too long: simulate fewer inputs' }])
        const { replies, steps, variables } = await talk.turn(
          typeof given === 'string' ? { type: 'text', text: given } : given,
        )
        turns.push({ input: given, replies: [...replies], steps: [...steps], variables })
      }
      return context.json({ turns })
    },
  )

  async function load(context: Context<Env>, id: string, version: number | 'draft'): Promise<Loaded> {
    return await inTenant(parts, context, async (tx, { tenantId }) => {
      const flow = await readFlow(tx, tenantId, id, version)
      const business = await findBusiness(tx, tenantId)
      const hasWindow = await mayMeetClosedWindow(tx, tenantId, id)
      return { flow, business, hasWindow, library: await flows.loadWith(tx, tenantId, flow) }
    })
  }

  function worldOf(
    context: Context<Env>,
    { flow, library, business, hasWindow }: Loaded,
    answers: readonly SimulatedAnswer[],
  ): SimulatedWorld {
    const now = () => new Date(parts.clock.now())
    const open = (callPerson: (note: string) => void) =>
      inTenant(parts, context, (tx, { tenantId }) => loadShop(tx, tenantId, { customer, now, callPerson }))
    return {
      flows: [flow],
      library,
      context: {
        now: parts.clock.now(),
        customer: { id: parts.ids.next(), ...customer, opted_out: false },
        conversation: { id: parts.ids.next(), bot_id: parts.ids.next() },
        // Each message of the customer opens it for a day, where there is one.
        window_expires_at: hasWindow ? 0 : null,
        business,
      },
      ...makeSimulatedActions(open, answers),
    }
  }

  return app
}

/** What is simulated, and for whom it speaks. */
type Loaded = {
  readonly flow: PublishedFlow
  readonly library: FlowLibrary
  readonly business: Business
  readonly hasWindow: boolean
}

/** A version of a flow as it is, or its draft as it would be if it were published now. */
async function readFlow(
  tx: Transaction,
  tenantId: string,
  id: string,
  version: number | 'draft',
): Promise<PublishedFlow> {
  if (version !== 'draft')
    return compiled(id, version, found(await findFlowVersion(tx, tenantId, id, version), 'version').document)
  const { name, document, published_version } = found(await findFlow(tx, tenantId, id), 'flow')
  const names = new Set([name, ...(await publishedNames(tx, tenantId))])
  const checked = checkFlow(document, { handlers: flowHandlers, flows: names, hasWindow: false })
  if (!checked.ok) throw flowRefusal(checked.findings)
  return compiled(id, (published_version ?? 0) + 1, checked.document)
}

function compiled(flow_id: string, version: number, document: FlowDocument): PublishedFlow {
  return { flow_id, version, flow: compileFlow(document) }
}
