import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { actions } from '../../commerce/actions/actions.ts'
import { rehearse } from '../../commerce/actions/rehearse.ts'
import { unknownBusiness } from '../../flow/business.ts'
import { checkFlow } from '../../flow/check.ts'
import { compileFlow } from '../../flow/compile.ts'
import { inboundContentSchema } from '../../flow/content.ts'
import type { FlowDocument } from '../../flow/document.ts'
import { explainedTypes, stepOutcomes } from '../../flow/explain-events.ts'
import type { FlowLibrary, PublishedFlow } from '../../flow/library.ts'
import { type SimulatedWorld, startSimulation } from '../../flow/simulate.ts'
import { invalid } from '../../lib/check-fields.ts'
import { findFlowVersion } from '../../messaging/flow-versions.ts'
import { findFlow } from '../../messaging/flows.ts'
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
  [text(4_096), named('InboundContent', inboundContentSchema), v.strictObject({ type: v.literal('timeout') })],
  'Must be a text, a content, or {"type": "timeout"}',
)
const simulation = v.strictObject({
  inputs: v.pipe(
    v.array(input, 'Must be a list'),
    v.minLength(1, 'Must not be empty'),
    v.maxLength(inputsMax, `Must have at most ${inputsMax} inputs`),
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
const customer = { name: 'Ana', phone: '+12025550143', email: null, variables: {}, tags: [], opted_out: false }

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
        'actions run on your real products, and what each one writes is undone at once, so an order that is simulated ' +
        'takes no stock and no number. The input {"type": "timeout"} lets the time to answer pass; its turn has no ' +
        'steps where no question waits. Each turn tells its steps in order, with what became of them and why.',
      answers: { 200: answer },
      errors: ['not_found', 'flow_refused'],
    }),
    may('flows:read'),
    body(simulation),
    async context => {
      const { inputs, version } = context.req.valid('json')
      const { flow, library } = await load(context, idOf(context), version)
      const talk = startSimulation(worldOf(context, flow, library))
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

  async function load(
    context: Context<Env>,
    id: string,
    version: number | 'draft',
  ): Promise<{ flow: PublishedFlow; library: FlowLibrary }> {
    return await inTenant(parts, context, async (tx, { tenantId }) => {
      const flow = await readFlow(tx, tenantId, id, version)
      return { flow, library: await flows.loadWith(tx, tenantId, flow) }
    })
  }

  function worldOf(context: Context<Env>, flow: PublishedFlow, library: FlowLibrary): SimulatedWorld {
    const { tenantId } = context.get('caller')
    const conversation = { id: parts.ids.next(), bot_id: parts.ids.next() }
    return {
      flows: [flow],
      library,
      context: {
        now: parts.clock.now(),
        customer: { id: parts.ids.next(), ...customer },
        conversation,
        window_expires_at: null,
        business: unknownBusiness,
      },
      async perform(handler, input) {
        const action = actions.get(handler)
        if (action === undefined)
          return { ok: false, code: 'unknown_handler', message: `There is no action "${handler}"` }
        return await rehearse(parts, action, { tenantId, input })
      },
    }
  }

  return app
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
  const checked = checkFlow(document, { handlers: flowHandlers, flows: names })
  if (!checked.ok) throw flowRefusal(checked.findings)
  return compiled(id, (published_version ?? 0) + 1, checked.document)
}

function compiled(flow_id: string, version: number, document: FlowDocument): PublishedFlow {
  return { flow_id, version, flow: compileFlow(document) }
}
