import * as v from 'valibot'
import { type CompiledFlow, compileFlow } from '../../src/flow/compile.ts'
import { flowDocumentSchema } from '../../src/flow/document.ts'
import type { FlowLibrary } from '../../src/flow/library.ts'
import { initialState } from '../../src/flow/state.ts'
import { type Context, type Input, type StepResult, step } from '../../src/flow/step.ts'
import type { RecordedFlow, RecordedHistory } from './history.ts'

/** What the engine of today makes of a history's inputs. */
export function playHistory(history: RecordedHistory): readonly StepResult[] {
  let state = initialState
  return history.turns.map(({ at, input }) => {
    const result = step(libraryAt(history.flows, at), state, inputOf(input), contextOf(history.context, at))
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
  return recorded as Input
}

function contextOf(recorded: unknown, now: number): Context {
  return { ...(recorded as Omit<Context, 'now'>), now }
}
