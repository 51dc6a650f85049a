import * as v from 'valibot'
import { type Business, unknownBusiness } from './business.ts'
import { type CompiledFlow, compileFlow } from './compile.ts'
import type { InboundContent } from './content.ts'
import { flowDocumentSchema } from './document.ts'
import type { ConversationEvent } from './events.ts'
import type { JsonObject } from './json.ts'
import type { FlowLibrary } from './library.ts'
import { liveTimer, remainingMs } from './live-timer.ts'
import { type ConversationState, initialState } from './state.ts'
import { type ActionResult, type Context, type Effect, type FlowVersion, type Input, step } from './step.ts'

/** What the tests' conversations are about. */
export const context: Context = {
  now: Date.UTC(2026, 0, 2, 3, 4, 5),
  customer: {
    id: '01890a5d-ac96-774b-bcce-b302099a8057',
    name: 'Ana',
    phone: '+34600111222',
    email: null,
    tags: [],
    opted_out: false,
    variables: {
      products: [
        { sku: 'pizza', name: 'Pizza', price_minor: 1250 },
        { sku: 'agua', name: 'Agua', price_minor: 150 },
        { sku: 'flan', name: 'Flan', price_minor: 400 },
      ],
    },
  },
  conversation: { id: '01890a5d-ac96-774b-bcce-b302099a8058', bot_id: '01890a5d-ac96-774b-bcce-b302099a8059' },
  window_expires_at: null,
  business: unknownBusiness,
}

/** The handlers the tests' flows may name. */
export const handlers: ReadonlyMap<string, v.GenericSchema | null> = new Map<string, v.GenericSchema | null>([
  [
    'order.create',
    v.strictObject({
      items: v.pipe(
        v.array(v.strictObject({ product_id: v.string(), quantity: v.pipe(v.number(), v.integer(), v.minValue(1)) })),
        v.minLength(1),
      ),
      notes: v.optional(v.string()),
    }),
  ],
  ['http.request', v.strictObject({ method: v.picklist(['GET', 'POST']), url: v.string() })],
  ['anything', null],
])

/** A flow that takes an order: welcome, a list made from a variable, a number, buttons, a decision, an action. */
export const orderFlow = {
  name: 'Order',
  start: 'welcome',
  triggers: [{ keywords: ['hola', 'menú'] }],
  steps: {
    welcome: { type: 'message', content: { type: 'text', text: 'Hola {{customer.name}}' }, next: 'pick' },
    pick: {
      type: 'question',
      content: {
        type: 'list',
        text: 'Elige',
        button: 'Ver',
        sections: [
          {
            rows: "{{customer.variables.products.map(p, {'id': p.sku, 'title': p.name, 'description': money(p.price_minor, 'EUR')})}}",
          },
        ],
      },
      variable: 'product',
      timeout: { after: '30m', next: 'later' },
      next: 'count',
    },
    count: {
      type: 'question',
      content: { type: 'text', text: '¿Cuántos?' },
      variable: 'quantity',
      answer: { type: 'integer', min: 1, max: 99 },
      retry: { text: 'Un número del 1 al 99', limit: 2 },
      timeout: { after: '30m', next: 'later' },
      next: 'confirm',
    },
    confirm: {
      type: 'question',
      content: {
        type: 'buttons',
        text: '¿{{quantity}} de {{product}}?',
        buttons: [
          { id: 'yes', title: 'Sí' },
          { id: 'no', title: 'No' },
        ],
      },
      variable: 'sure',
      timeout: { after: '30m', next: 'later' },
      next: 'is_sure',
    },
    is_sure: { type: 'decision', condition: "sure == 'yes'", true: 'order', false: 'later' },
    order: {
      type: 'action',
      handler: 'order.create',
      input: { items: [{ product_id: '{{product}}', quantity: '{{quantity}}' }] },
      variable: 'order',
      next: 'bye',
      error: 'agent',
    },
    bye: { type: 'message', content: { type: 'text', text: 'Gracias, pedido {{order.number}}' }, next: 'end' },
    later: { type: 'message', content: { type: 'text', text: 'Hasta luego' }, next: 'end' },
    agent: { type: 'handoff', note: 'No order: {{error.message}}' },
  },
}

/** A library of documents; a flow's id is its name, the n-th of a name is its version n, the first is published. */
export function libraryOf(...documents: readonly unknown[]): FlowLibrary {
  const flows = new Map<string, CompiledFlow[]>()
  for (const document of documents) {
    const flow = compileFlow(v.parse(flowDocumentSchema, document))
    flows.set(flow.name, [...(flows.get(flow.name) ?? []), flow])
  }
  return {
    byId: (flowId, version) => flows.get(flowId)?.[version - 1],
    published(name) {
      const flow = flows.get(name)?.[0]
      return flow && { flow_id: name, version: 1, flow }
    },
  }
}

/** A flow of these steps that any message starts; it begins at the first. */
export function flowOf(steps: JsonObject, name = 'Test'): JsonObject {
  return { name, start: Object.keys(steps)[0] ?? '', triggers: [{ fallback: true }], steps }
}

/** A conversation with a flow, for telling a test as a dialogue. */
export class Conversation {
  readonly events: ConversationEvent[] = []
  readonly effects: Effect[] = []
  state: ConversationState = initialState
  context: Context = context
  /** The bot's, the main one first. */
  flows: readonly FlowVersion[]
  readonly #library: FlowLibrary

  /** With the first flow as the bot's, and the others for it to call. */
  constructor(...documents: readonly [{ readonly name: string } | JsonObject, ...unknown[]]) {
    this.#library = libraryOf(...documents)
    this.flows = [{ flow_id: String(documents[0].name), version: 1 }]
  }

  /** What the bot knows of the business. */
  set business(business: Partial<Business>) {
    this.context = { ...this.context, business: { ...this.context.business, ...business } }
  }

  /** Whether the customer asked to be left alone. */
  set isOptedOut(opted_out: boolean) {
    this.context = { ...this.context, customer: { ...this.context.customer, opted_out } }
  }

  /** One input, with the events and effects it gave; `effects` and `events` keep all of them. */
  give(input: Input): { readonly events: readonly ConversationEvent[]; readonly effects: readonly Effect[] } {
    const result = step(this.#library, this.state, input, this.context)
    this.state = result.state
    this.events.push(...result.events)
    this.effects.push(...result.effects)
    return result
  }

  /** A message of the customer: the summaries of what the bot replies. */
  say(message: string | InboundContent): readonly string[] {
    const content: InboundContent = typeof message === 'string' ? { type: 'text', text: message } : message
    return sentBy(this.give({ kind: 'message', message_id: `m${this.events.length}`, content, flows: this.flows }))
  }

  /** A button or row that is tapped. */
  tap(id: string): readonly string[] {
    return this.say({ type: 'choice', id, title: id })
  }

  /** The timer that runs comes to its end, and the clock with it. */
  timeOut(): readonly string[] {
    const timer = liveTimer(this.state)
    if (timer !== null) this.passMs(remainingMs(timer, this.context.now))
    return sentBy(this.give({ kind: 'timer', token: this.token }))
  }

  passMs(ms: number): void {
    this.context = { ...this.context, now: this.context.now + ms }
  }

  /** A person gives the conversation back, to go on at a step if one is named. */
  resume(step?: string): readonly string[] {
    return sentBy(this.give({ kind: 'resume', agent_id: 'u1', step }))
  }

  /** A person writes to the customer. */
  agentWrites(more: Partial<Extract<Input, { kind: 'agent_message' }>> = {}): readonly string[] {
    const message = { message_id: `a${this.events.length}`, agent_id: 'u1', source: 'api', takes_over: true } as const
    return sentBy(this.give({ kind: 'agent_message', ...message, ...more }))
  }

  /** The result of the action that is awaited. */
  finish(result: ActionResult): readonly string[] {
    const waiting = this.state.run?.waiting
    return sentBy(
      this.give({ kind: 'action_result', call_id: waiting?.kind === 'action' ? waiting.call_id : '', result }),
    )
  }

  /** The token of the timer that runs, else of the question that waits. */
  get token(): string {
    const waiting = this.state.run?.waiting
    return liveTimer(this.state)?.token ?? (waiting?.kind === 'answer' ? waiting.token : '')
  }

  /** The types of all events so far. */
  get types(): readonly string[] {
    return this.events.map(event => event.type)
  }

  /** The data of the last event of a type. */
  last<TType extends ConversationEvent['type']>(type: TType): EventOf<TType>['data'] {
    const event = this.events.findLast(one => one.type === type)
    if (event === undefined) throw new Error(`no event "${type}" yet`)
    return event.data as EventOf<TType>['data']
  }
}

type EventOf<TType extends ConversationEvent['type']> = Extract<ConversationEvent, { type: TType }>

/** A conversation about three pizzas that has come as far as the action. */
export function untilAction(): Conversation {
  const conversation = new Conversation(orderFlow)
  conversation.say('Hola!')
  conversation.tap('pizza')
  conversation.say('3')
  conversation.tap('yes')
  return conversation
}

function sentBy({ effects }: { readonly effects: readonly Effect[] }): readonly string[] {
  return effects.flatMap(effect => (effect.kind === 'send' ? [textOf(effect.content)] : []))
}

function textOf(content: Extract<Effect, { kind: 'send' }>['content']): string {
  return 'text' in content ? content.text : `[${content.type}]`
}
