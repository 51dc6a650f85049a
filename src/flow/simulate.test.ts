import { expect, test } from 'bun:test'
import { checkFlow } from './check.ts'
import { compileFlow } from './compile.ts'
import { context, handlers } from './conversation.fixture.ts'
import type { FlowLibrary, PublishedFlow } from './library.ts'
import { type SimulatedInput, type SimulatedWorld, startSimulation } from './simulate.ts'

const text = (words: string) => ({ type: 'text', text: words }) as const
const say = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })

const order = {
  name: 'Order',
  start: 'hello',
  triggers: [{ keywords: ['hola'] }],
  steps: {
    hello: say('Hello {{customer.name}}', 'ask'),
    ask: {
      ...{ type: 'question', content: text('How many?'), variable: 'quantity', answer: { type: 'integer', max: 99 } },
      ...{
        retry: { text: 'A number', limit: 1, next: 'person' },
        timeout: { after: '30m', next: 'late' },
        next: 'many',
      },
    },
    many: { type: 'decision', condition: 'quantity > 10', true: 'person', false: 'make' },
    make: {
      ...{ type: 'action', handler: 'order.create', variable: 'order', next: 'thanks', error: 'sorry' },
      input: { items: [{ product_id: 'pizza', quantity: '{{quantity}}' }] },
    },
    thanks: { type: 'flow', flow: 'Thanks', next: 'end' },
    sorry: say('Sorry: {{error.message}}'),
    late: say('Too late: {{now}}'),
    person: { type: 'handoff', note: 'large' },
  },
}
const thanks = {
  name: 'Thanks',
  start: 'say',
  triggers: [],
  steps: { say: say('Order {{order.number}}', 'stop'), stop: { type: 'end' } },
}

function published(document: unknown, flow_id: string): PublishedFlow {
  const checked = checkFlow(document, { handlers, inheritedVariables: new Set(['order']) })
  if (!checked.ok) throw new Error(JSON.stringify(checked.findings))
  return { flow_id, version: 3, flow: compileFlow(checked.document) }
}

function begin(
  document: unknown,
  perform: SimulatedWorld['perform'] = async () => ({ ok: true, value: { number: 7 } }),
  given = context,
) {
  const flows = [published(document, 'main'), published(thanks, 'thanks')]
  const library: FlowLibrary = {
    byId: id => flows.find(flow => flow.flow_id === id)?.flow,
    published: name => flows.find(({ flow }) => flow.name === name),
  }
  return startSimulation({ library, flows: [{ flow_id: 'main', version: 3 }], context: given, perform })
}

/** Each step in a line. */
const lines = (turn: Awaited<ReturnType<ReturnType<typeof begin>['turn']>>) =>
  turn.steps.map(({ flow, step, type, outcome, detail }) => [flow, step, type, outcome, detail].join(' '))
const replies = (turn: { readonly replies: readonly object[] }) =>
  turn.replies.map(reply => ('text' in reply ? reply.text : ''))

test('a conversation is played to its end, each step with what became of it and why', async () => {
  const asked: unknown[] = []
  const simulation = begin(order, async (handler, input) => {
    asked.push([handler, input])
    return { ok: true, value: { number: 7 } }
  })
  const hello = await simulation.turn(text('hola'))
  expect(replies(hello)).toEqual(['Hello Ana', 'How many?'])
  expect(lines(hello)).toEqual([
    'Order  conversation started hola',
    'Order hello message sent ',
    'Order ask question asked ',
  ])
  const answer = await simulation.turn(text('3'))
  expect(asked).toEqual([['order.create', { items: [{ product_id: 'pizza', quantity: 3 }] }]])
  expect(replies(answer)).toEqual(['Order 7'])
  expect(lines(answer)).toEqual([
    'Order ask question accepted quantity',
    'Order many decision false make',
    'Order make action requested order.create',
    'Order make action completed order',
    'Order thanks flow called Thanks',
    'Thanks say message sent ',
    'Order thanks flow returned ',
    'Order  conversation ended ',
  ])
  expect(answer.variables).toEqual({ quantity: 3, order: { number: 7 } })
})

test('the simulated flow itself says when it ends at a step of its own', async () => {
  const simulation = begin({
    ...thanks,
    name: 'Ends',
    triggers: [{ fallback: true }],
    steps: { ...thanks.steps, say: say('Bye', 'stop') },
  })
  expect(lines(await simulation.turn(text('x')))).toEqual([
    'Ends  conversation started fallback',
    'Ends say message sent ',
    'Ends stop end ended ',
  ])
})

test('a message that starts nothing says so', async () => {
  const turn = await begin(order).turn(text('adiós'))
  expect([turn.replies, lines(turn)]).toEqual([[], ['  conversation ignored no_trigger']])
})

test('wrong answers are counted, and lead to a person, to whom everything is left from then on', async () => {
  const simulation = begin(order)
  await simulation.turn(text('hola'))
  const once = await simulation.turn(text('many'))
  expect(replies(once)).toEqual(['A number'])
  expect(lines(once)).toEqual(['Order ask question rejected not_a_number', 'Order ask question asked_again attempt 2'])
  expect(lines(await simulation.turn(text('100')))).toEqual([
    'Order ask question rejected too_large',
    'Order person handoff handed_over large',
  ])
  expect(lines(await simulation.turn(text('hola')))).toEqual(['  conversation left_to_a_person '])
})

test('an action that fails leads to its branch, with its reason', async () => {
  const simulation = begin(order, async () => ({ ok: false, code: 'out_of_stock', message: 'Pizza: 0 left.' }))
  await simulation.turn(text('hola'))
  const turn = await simulation.turn(text('2'))
  expect(replies(turn)).toEqual(['Sorry: Pizza: 0 left.'])
  expect(lines(turn)[3]).toBe('Order make action failed out_of_stock: Pizza: 0 left.')
})

test('a timeout passes the time that the question waits; where none waits, nothing happens', async () => {
  const simulation = begin(order)
  const timeout: SimulatedInput = { type: 'timeout' }
  expect(await simulation.turn(timeout)).toEqual({ replies: [], steps: [], variables: {} })
  await simulation.turn(text('hola'))
  const late = await simulation.turn(timeout)
  expect(replies(late)).toEqual(['Too late: 2026-01-02T03:34:05.000Z'])
  expect(lines(late)).toEqual([
    'Order ask question timed_out ',
    'Order late message sent ',
    'Order  conversation ended ',
  ])
  expect((await simulation.turn(timeout)).steps).toEqual([])
})

test('a wait passes with a timeout, and may be broken off by a message', async () => {
  const wait = { type: 'wait', for: '2h', next: 'late', on_message: 'heard' }
  const flow = { ...order, steps: { hello: wait, heard: say('You again'), late: order.steps.late } }
  const simulation = begin(flow)
  expect(lines(await simulation.turn(text('hola')))).toEqual([
    'Order  conversation started hola',
    'Order hello wait waiting 2026-01-02T05:04:05.000Z',
  ])
  const late = await simulation.turn({ type: 'timeout' })
  expect(replies(late)).toEqual(['Too late: 2026-01-02T05:04:05.000Z'])
  expect(lines(late)[0]).toBe('Order hello wait waited time')
  await simulation.turn(text('hola'))
  const heard = await simulation.turn(text('x'))
  expect([replies(heard), lines(heard)[0]]).toEqual([['You again'], 'Order hello wait waited message'])
})

test('a person gives the conversation back, or nobody comes', async () => {
  const handoff = { type: 'handoff', note: 'n', next: 'late', timeout: { after: '10m', next: 'sorry' } }
  const flow = { ...order, steps: { ...order.steps, hello: handoff, sorry: say('Nobody') } }
  const steps = { hello: flow.steps.hello, late: say('Back'), sorry: flow.steps.sorry }
  const simulation = begin({ ...flow, steps })
  expect(lines(await simulation.turn(text('hola')))).toEqual([
    'Order  conversation started hola',
    'Order hello handoff handed_over n',
  ])
  const back = await simulation.turn({ type: 'resume' })
  expect(lines(back)).toEqual([
    'Order  conversation resumed ',
    'Order late message sent ',
    'Order  conversation ended ',
  ])
  await simulation.turn(text('hola'))
  const nobody = await simulation.turn({ type: 'timeout' })
  expect(lines(nobody)).toEqual([
    'Order hello handoff not_answered nobody_took',
    'Order  conversation resumed sorry',
    'Order sorry message sent ',
    'Order  conversation ended ',
  ])
})

test('a person may have the bot go on at any step, even after its end', async () => {
  const simulation = begin(order)
  for (const words of ['hola', '50']) await simulation.turn(text(words))
  const revived = await simulation.turn({ type: 'resume', step: 'late' })
  expect(lines(revived)).toEqual([
    '  conversation resumed late',
    'Order  conversation revived late',
    'Order late message sent ',
    'Order  conversation ended ',
  ])
})

test('a conversation that is closed begins anew with the next message', async () => {
  const simulation = begin(order)
  await simulation.turn(text('hola'))
  expect(lines(await simulation.turn({ type: 'close' }))).toEqual(['Order  conversation closed closed'])
  expect(lines(await simulation.turn({ type: 'close' }))).toEqual([])
  expect(replies(await simulation.turn(text('hola')))).toEqual(['Hello Ana', 'How many?'])
})

test('who asks to be left alone is, until they want otherwise', async () => {
  const simulation = begin(order)
  await simulation.turn(text('hola'))
  expect(lines(await simulation.turn(text('STOP')))).toEqual([
    'Order  conversation ended opted_out',
    'Order  conversation opted_out stop',
    'Order  conversation notified stopped',
  ])
  expect(lines(await simulation.turn(text('hola')))).toEqual(['  conversation ignored opted_out'])
  expect(lines(await simulation.turn(text('alta')))[0]).toBe('  conversation opted_in alta')
  expect(replies(await simulation.turn(text('hola')))).toEqual(['Hello Ana', 'How many?'])
})

test('a window that closes while the flow waits has the template sent', async () => {
  const template = { type: 'template', name: 'reminder', language: 'es', parameters: [] }
  const steps = { wait: { type: 'wait', for: '2d', next: 'remind' }, remind: { ...say('Hello?'), template } }
  const flow = { ...order, start: 'wait', steps }
  for (const [window_expires_at, type] of [
    [0, 'template'],
    [null, 'text'],
  ] as const) {
    const simulation = begin(flow, undefined, { ...context, window_expires_at })
    await simulation.turn(text('hola'))
    const { replies: sent } = await simulation.turn({ type: 'timeout' })
    expect(sent.map(reply => reply.type)).toEqual([type])
  }
})

test('a decision says by which case', async () => {
  const cases = [
    { condition: 'message.text == "x"', next: 'end' },
    { condition: 'true', next: 'end' },
  ]
  const flow = { ...order, start: 'choose', steps: { choose: { type: 'decision', cases, else: 'end' } } }
  expect(lines(await begin(flow).turn(text('hola')))[1]).toBe('Order choose decision true end, by case 2')
})

test('what fails in a step is told with its field', async () => {
  const broken = { ...order, steps: { ...order.steps, hello: say('Hello {{customer.variables.nickname}}', 'ask') } }
  expect(lines(await begin(broken).turn(text('hola')))[1]).toStartWith('Order hello message failed content')
})

test('a flow that calls actions for ever is stopped', async () => {
  const step = (next: string) => ({ type: 'action', handler: 'anything', input: {}, next, error: 'sorry' })
  const names = Array.from({ length: 30 }, (_, index) => `a${index}`)
  const steps = Object.fromEntries(names.map((name, index) => [name, step(names[index + 1] ?? 'end')]))
  let calls = 0
  const simulation = begin(
    {
      name: 'Busy',
      start: 'a0',
      triggers: [{ fallback: true }],
      steps: { ...steps, sorry: say('Sorry: {{error.code}}') },
    },
    async () => {
      calls++
      return { ok: true, value: null }
    },
  )
  expect(replies(await simulation.turn(text('x')))).toEqual(['Sorry: too_many_actions'])
  expect(calls).toBe(20)
})
