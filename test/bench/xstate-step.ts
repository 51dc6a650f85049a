// The same order flow as a machine of XState, for a measure of `step`: what its `transition` costs for each message, when
// the state is kept as JSON between two of them, as a server has to.
import { assign, emit, setup, transition } from 'xstate'

type Product = { readonly sku: string; readonly name: string; readonly price_minor: number }
type Order = { readonly number: number }
type Content = { readonly type: string; readonly text: string } & Readonly<Record<string, unknown>>

type Context = {
  readonly customer: { readonly name: string; readonly products: readonly Product[] }
  readonly product?: string
  readonly quantity?: number
  readonly sure?: string
  readonly order?: Order
}

type Event =
  | { readonly type: 'message'; readonly text: string }
  | { readonly type: 'action.completed'; readonly value: Order }

const customer = {
  name: 'Ana',
  products: [
    { sku: 'pizza', name: 'Pizza', price_minor: 1_250 },
    { sku: 'agua', name: 'Agua', price_minor: 150 },
    { sku: 'flan', name: 'Flan', price_minor: 400 },
  ],
}

const textOf = (event: Event) => (event.type === 'message' ? event.text : '')

const machine = setup({
  types: {} as { context: Context; events: Event; emitted: { readonly type: 'send'; readonly content: Content } },
  actions: {
    welcome: emit(({ context }) => send({ type: 'text', text: `Hola ${context.customer.name}` })),
    showList: emit(({ context }) =>
      send({
        ...{ type: 'list', text: 'Elige', button: 'Ver' },
        rows: context.customer.products.map(({ sku, name, price_minor }) => ({
          ...{ id: sku, title: name },
          description: `${(price_minor / 100).toFixed(2)} EUR`,
        })),
      }),
    ),
    askCount: emit(() => send({ type: 'text', text: '¿Cuántos?' })),
    askAgain: emit(() => send({ type: 'text', text: 'Un número del 1 al 99' })),
    askSure: emit(({ context: { quantity, product } }) =>
      send({
        ...{ type: 'buttons', text: `¿${quantity} de ${product}?` },
        buttons: [
          { id: 'yes', title: 'Sí' },
          { id: 'no', title: 'No' },
        ],
      }),
    ),
    order: emit(({ context: { product, quantity } }) =>
      send({ type: 'action', text: 'order.create', input: { items: [{ product_id: product, quantity }] } }),
    ),
    thank: emit(({ context }) => send({ type: 'text', text: `Gracias, pedido ${context.order?.number}` })),
    bye: emit(() => send({ type: 'text', text: 'Hasta luego' })),
  },
  guards: {
    isHello: ({ event }) => /\bhola\b/i.test(textOf(event)),
    isProduct: ({ context, event }) => context.customer.products.some(product => product.sku === textOf(event)),
    isCount: ({ event }) => /^[1-9]\d?$/.test(textOf(event)),
    isYes: ({ context }) => context.sure === 'yes',
  },
}).createMachine({
  context: { customer },
  initial: 'idle',
  states: {
    idle: { on: { message: { guard: 'isHello', target: 'pick', actions: ['welcome', 'showList'] } } },
    pick: {
      on: {
        message: [
          {
            ...{ guard: 'isProduct', target: 'count' },
            actions: [assign({ product: ({ event }) => event.text }), 'askCount'],
          },
          { actions: 'showList' },
        ],
      },
    },
    count: {
      on: {
        message: [
          {
            ...{ guard: 'isCount', target: 'confirm' },
            actions: [assign({ quantity: ({ event }) => Number(event.text) }), 'askSure'],
          },
          { actions: 'askAgain' },
        ],
      },
    },
    confirm: { on: { message: { target: 'isSure', actions: assign({ sure: ({ event }) => event.text }) } } },
    isSure: {
      always: [
        { guard: 'isYes', target: 'ordering', actions: 'order' },
        { target: 'done', actions: 'bye' },
      ],
    },
    ordering: {
      on: {
        'action.completed': { target: 'done', actions: [assign({ order: ({ event }) => event.value }), 'thank'] },
      },
    },
    done: { type: 'final' },
  },
})

function send(content: Content) {
  return { type: 'send', content } as const
}

const conversation: readonly Event[] = [
  { type: 'message', text: 'Hola, buenas' },
  { type: 'message', text: 'pizza' },
  { type: 'message', text: '3' },
  { type: 'message', text: 'yes' },
  { type: 'action.completed', value: { number: 17 } },
]

const warmUpConversations = 3_000
const measuredConversations = 10_000

/** CPU µs of one message or result: `kept` while the state stays in memory, `stored` with its JSON written and read. */
export function benchXState(): { readonly keptMicros: number; readonly storedMicros: number } {
  return { keptMicros: measure(state => state), storedMicros: measure(stored) }
}

type State = ReturnType<typeof machine.resolveState>

const begin = machine.resolveState({ value: 'idle', context: { customer } })

/** As it comes back from where it was stored. */
function stored(state: State): State {
  const { value, context, status } = JSON.parse(JSON.stringify(machine.getPersistedSnapshot(state)))
  return machine.resolveState({ value, context, status })
}

function measure(between: (state: State) => State): number {
  for (let n = 0; n < warmUpConversations; n++) play(between)
  const before = process.cpuUsage()
  for (let n = 0; n < measuredConversations; n++) play(between)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (measuredConversations * conversation.length)
}

/** Throws where it does not send what the flow sends. */
function play(between: (state: State) => State): void {
  let state: State = begin
  let sent = 0
  for (const event of conversation) {
    const [next, actions] = transition(machine, state, event)
    sent += actions.length
    state = between(next)
  }
  if (state.status !== 'done' || state.context.order?.number !== 17 || sent !== 6)
    throw new Error(`the machine ended as ${state.status} in ${JSON.stringify(state.value)}, with ${sent} actions`)
}

if (import.meta.main) console.table(benchXState())
