// The pure part of a turn: what one call of `step` costs, in CPU time and not by the clock, since others share the machine.
import { context, libraryOf, orderFlow } from '../../src/flow/conversation.fixture.ts'
import { initialState } from '../../src/flow/state.ts'
import { type Input, step } from '../../src/flow/step.ts'

const flows = [{ flow_id: orderFlow.name, version: 1 }]
const message = (content: Extract<Input, { kind: 'message' }>['content']): Input => ({
  kind: 'message',
  message_id: 'wamid.1',
  content,
  flows,
})

/** The order flow from "hola" to the number of the order; the call id is the number of events before its own. */
const conversation: readonly Input[] = [
  message({ type: 'text', text: 'Hola, buenas' }),
  message({ type: 'choice', id: 'pizza', title: 'Pizza' }),
  message({ type: 'text', text: '3' }),
  message({ type: 'choice', id: 'yes', title: 'Sí' }),
  { kind: 'action_result', call_id: 'a13', result: { ok: true, value: { number: 17, total_minor: 3_750 } } },
]

const WARM_UP_CONVERSATIONS = 20_000
const MEASURED_CONVERSATIONS = 20_000

/** CPU µs of one call of `step`, over `iterations` calls. */
export type PureStepFigure = { readonly name: string; readonly microseconds: number; readonly iterations: number }

/**
 * A six-step order flow (welcome, list made from a variable, whole number, buttons, decision, action, goodbye), one
 * figure for all its calls together and one for each. Throws when the conversation does not end as it must.
 */
export function benchPureStep(): readonly PureStepFigure[] {
  const states = statesBefore()
  const library = libraryOf(orderFlow)
  const all = measure('pure step, order flow', MEASURED_CONVERSATIONS * conversation.length, () => {
    let state = initialState
    for (const input of conversation) state = step(library, state, input, context).state
    return conversation.length
  })
  const each = conversation.map((input, index) =>
    measure(`pure step, input ${index + 1} of ${conversation.length}`, MEASURED_CONVERSATIONS, () => {
      step(library, states[index] ?? initialState, input, context)
      return 1
    }),
  )
  return [all, ...each]
}

/** The state before each input; a conversation that takes another way would measure the wrong thing. */
function statesBefore() {
  const library = libraryOf(orderFlow)
  const states = [initialState]
  const types: string[] = []
  for (const input of conversation) {
    const result = step(library, states.at(-1) ?? initialState, input, context)
    states.push(result.state)
    types.push(...result.events.map(event => event.type))
  }
  if (types.at(-1) !== 'flow.ended' || types.at(-2) !== 'replied') {
    throw new Error(`the conversation did not end with an order, but like this: ${types.join(', ')}`)
  }
  return states
}

function measure(name: string, iterations: number, work: () => number): PureStepFigure {
  for (let n = 0; n < WARM_UP_CONVERSATIONS; n++) work()
  const before = process.cpuUsage()
  let done = 0
  while (done < iterations) done += work()
  const { user, system } = process.cpuUsage(before)
  return { name, microseconds: (user + system) / done, iterations: done }
}

if (import.meta.main) console.table(benchPureStep())
