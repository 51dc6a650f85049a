import * as v from 'valibot'
import { unknownBusiness } from '../../src/flow/business.ts'
import { type CompiledFlow, compileFlow } from '../../src/flow/compile.ts'
import { flowDocumentSchema } from '../../src/flow/document.ts'
import type { FlowLibrary } from '../../src/flow/library.ts'
import { initialState } from '../../src/flow/state.ts'
import { type Context, type FlowVersion, type Input, type StepResult, step } from '../../src/flow/step.ts'
import type { RecordedFlow, RecordedHistory, RecordedTurn } from './history.ts'

/** What the engine of today makes of a history's inputs. */
export function playHistory(history: RecordedHistory): readonly StepResult[] {
  let state = initialState
  return history.turns.map(turn => {
    const context = contextOf(history.context, turn)
    const result = step(libraryAt(history.flows, turn.at), state, inputOf(turn.input), context)
    state = result.state
    return result
  })
}

/** The flows as they were published at a time. */
export function libraryAt(flows: readonly RecordedFlow[], at: number): FlowLibrary {
  return {
    byId: (flowId, version) => {
      const found = flows.find(flow => flow.flow_id === flowId && flow.version === version)
      return found && compiled(found)
    },
    published: name => {
      const found = publishedAt(flows, at).find(flow => compiled(flow).name === name)
      return found && { flow_id: found.flow_id, version: found.version, flow: compiled(found) }
    },
  }
}

/** The newest version of each flow at a time. */
export function publishedAt(flows: readonly RecordedFlow[], at: number): readonly RecordedFlow[] {
  return [...new Map(flows.filter(flow => flow.published_at <= at).map(flow => [flow.flow_id, flow])).values()]
}

const compiledFlows = new WeakMap<RecordedFlow, CompiledFlow>()

function compiled(flow: RecordedFlow): CompiledFlow {
  const known = compiledFlows.get(flow)
  if (known !== undefined) return known
  const made = compileFlow(v.parse(flowDocumentSchema, flow.document))
  compiledFlows.set(flow, made)
  return made
}

/** A recorded input as the engine takes it today. */
function inputOf(recorded: unknown): Input {
  const input = recorded as Input | MessageOfOneFlow
  return 'flow' in input ? withFlows(input) : input
}

/** A bot had one flow at most, until it could have several. */
type MessageOfOneFlow = Omit<Extract<Input, { kind: 'message' }>, 'flows'> & { readonly flow: FlowVersion | null }

function withFlows({ flow, ...message }: MessageOfOneFlow): Input {
  return { ...message, flows: flow === null ? [] : [flow] }
}

/** What was not known of the customer and the business when the history was recorded is as if it had not been told. */
function contextOf(recorded: unknown, { at, opted_out = false, window_expires_at = null }: RecordedTurn): Context {
  const { business = unknownBusiness, ...context } = recorded as OldContext
  return { business, ...context, customer: { tags: [], ...context.customer, opted_out }, window_expires_at, now: at }
}

type OldContext = Pick<Context, 'conversation'> &
  Partial<Pick<Context, 'business'>> & {
    readonly customer: Omit<Context['customer'], 'tags' | 'opted_out'> & Partial<Pick<Context['customer'], 'tags'>>
  }
