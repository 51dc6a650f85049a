import * as v from 'valibot'
import { unknownBusiness } from '../../src/flow/business.ts'
import { type CompiledFlow, compileFlow } from '../../src/flow/compile.ts'
import type { OutboundContent } from '../../src/flow/content.ts'
import { flowDocumentSchema } from '../../src/flow/document.ts'
import { type ConversationEvent, SENDING_EVENTS } from '../../src/flow/events.ts'
import type { FlowLibrary } from '../../src/flow/library.ts'
import type { ReplayWorld } from '../../src/flow/replay-against.ts'
import type { Cause, HistoricEvent } from '../../src/flow/replay-history.ts'
import { initialState } from '../../src/flow/state.ts'
import { type Context, type FlowVersion, type Input, type StepResult, step } from '../../src/flow/step.ts'
import { upcastEvent } from '../../src/flow/upcast.ts'
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
function contextOf(recorded: unknown, { at, opted_out = false, window_expires_at = null }: TurnContext): Context {
  const { business = unknownBusiness, ...context } = recorded as OldContext
  return { business, ...context, customer: { tags: [], ...context.customer, opted_out }, window_expires_at, now: at }
}

type TurnContext = Pick<RecordedTurn, 'at' | 'opted_out' | 'window_expires_at'>

type OldContext = Pick<Context, 'conversation'> &
  Partial<Pick<Context, 'business'>> & {
    readonly customer: Omit<Context['customer'], 'tags' | 'opted_out'> & Partial<Pick<Context['customer'], 'tags'>>
  }

/** A recorded history as the database keeps it: an event that sends says which message went out with it. */
export function storedOf({ turns }: RecordedHistory): { events: HistoricEvent[]; sent: Map<string, OutboundContent> } {
  const events: HistoricEvent[] = []
  const sent = new Map<string, OutboundContent>()
  for (const turn of turns) {
    const sends = turn.effects.flatMap(effect => (effect.kind === 'send' ? [effect.content] : []))
    for (const { type, version, data } of turn.events) {
      const content = SENDING_EVENTS.has(type) ? sends.shift() : undefined
      const message_id = `sent${sent.size + 1}`
      if (content !== undefined) sent.set(message_id, content)
      const stored = { ...(data as object), ...(content !== undefined && { message_id }) }
      events.push({ seq: events.length + 1, at: turn.at, type, version, data: stored })
    }
  }
  return { events, sent }
}

/** The world that a history was recorded in, with `flows` in place of its own. */
export function worldOf(history: RecordedHistory, flows: readonly RecordedFlow[] = history.flows): ReplayWorld {
  const inputs = history.turns.map(turn => inputOf(turn.input))
  const messages = inputs.flatMap(input => (input.kind === 'message' ? [input] : []))
  const bot = new Set(messages.flatMap(message => message.flows.map(flow => flow.flow_id)))
  const { business, conversation, customer } = contextOf(history.context, { at: 0 })
  return {
    flowsAt: at => ({
      library: libraryAt(flows, at),
      flows: [...bot].flatMap(id => publishedAt(flows, at).filter(flow => flow.flow_id === id)),
    }),
    contentOf: id => messages.find(message => message.message_id === id)?.content,
    context: { business, conversation, customer },
    windowMs: history.turns.some(turn => turn.window_expires_at) ? 86_400_000 : null,
  }
}

/** What came in, as far as events tell it. */
export function causeOf(turn: RecordedTurn): Cause {
  const input = inputOf(turn.input)
  if (input.kind === 'action_result') return { kind: 'result' }
  if (input.kind === 'timer' || input.kind === 'move') return { kind: input.kind }
  if (input.kind === 'message') return { kind: 'message', message_id: input.message_id }
  // A step that is not there is none.
  if (input.kind === 'resume') return { ...input, step: firstOf(turn, 'resumed')?.step }
  // Who writes in a conversation that waits for a person takes it over, whether or not they wished.
  return input.kind === 'agent_message' ? { ...input, takes_over: turn.events[0]?.type === 'handed_off' } : input
}

function firstOf<TType extends ConversationEvent['type']>({ events }: RecordedTurn, type: TType) {
  const event = events.flatMap(stored => upcastEvent(stored) ?? []).find(one => one.type === type)
  return event?.data as Extract<ConversationEvent, { type: TType }>['data'] | undefined
}
