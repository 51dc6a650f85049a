import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import orderFlow from '../../../test/support/order-flow.json' with { type: 'json' }

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const say = (text: string) => ({ type: 'message', content: { type: 'text', text }, next: 'end' })
const saying = (text: string, name = 'Hello') => ({
  ...{ name, start: 'hi', triggers: [{ fallback: true }], steps: { hi: say(text) } },
})

async function add(as: Caller, document: unknown): Promise<string> {
  return textAt(await gateway.call('POST', '/api/flows', { as, body: document }), 'id')
}
const publish = (as: Caller, id: string) => gateway.call('POST', `/api/flows/${id}/publish`, { as })
const simulate = (as: Caller, id: string, body: object) =>
  gateway.call('POST', `/api/flows/${id}/simulate`, { as, body })

const coffee = { sku: 'coffee', name: 'Café', price_minor: 250, currency: 'EUR', stock: 5 }
const addProduct = async (as: Caller, body: object = coffee) =>
  textAt(await gateway.call('POST', '/api/products', { as, body }), 'id')

test('nobody simulates a flow without logging in, and a viewer does', async () => {
  const as = await gateway.addCaller()
  const id = await add(as, saying('Hi'))
  expect((await gateway.call('POST', `/api/flows/${id}/simulate`, { body: { inputs: ['x'] } })).status).toBe(401)
  expect((await simulate(await gateway.addCaller('viewer', as.tenantId), id, { inputs: ['x'] })).status).toBe(200)
})

test("another tenant's flow, and a version that there is not, are not there", async () => {
  const as = await gateway.addCaller()
  const id = await add(as, saying('Hi'))
  expect((await simulate(await gateway.addCaller(), id, { inputs: ['x'] })).status).toBe(404)
  expect((await simulate(as, id, { inputs: ['x'], version: 1 })).status).toBe(404)
  await publish(as, id)
  expect((await simulate(as, id, { inputs: ['x'], version: 1 })).status).toBe(200)
  expect((await simulate(as, id, { inputs: ['x'], version: 2 })).status).toBe(404)
  expect((await simulate(await gateway.addCaller(), id, { inputs: ['x'], version: 1 })).status).toBe(404)
})

test('inputs that are none, or too many, are refused', async () => {
  const as = await gateway.addCaller()
  const id = await add(as, saying('Hi'))
  const many = Array.from({ length: 51 }, () => 'x')
  for (const inputs of [[], many, 'x', [''], [7], [{ type: 'smoke' }], [{ type: 'timeout', ms: 1 }], undefined])
    expect([inputs, (await simulate(as, id, { inputs })).status]).toEqual([inputs, 422])
  for (const version of [0, 1.5, 'latest', null])
    expect([version, (await simulate(as, id, { inputs: ['x'], version })).status]).toEqual([version, 422])
  expect((await simulate(as, id, { inputs: many.slice(1) })).status).toBe(200)
})

test('a draft with faults is refused as it would be by publishing, each fault named with its place', async () => {
  const as = await gateway.addCaller()
  const answer = await simulate(as, await add(as, { name: 'Empty' }), { inputs: ['x'] })
  expect([answer.status, at(answer, 'type')]).toEqual([422, '/problems/flow_refused'])
  const gone = { ...saying('Hi'), steps: { hi: { ...say('Hi'), next: 'gone' } } }
  expect(at(await simulate(as, await add(as, gone), { inputs: ['x'] }), 'errors.0.path')).toBe('steps.hi.next')
})

test('the draft answers unless a version is asked for', async () => {
  const as = await gateway.addCaller()
  const id = await add(as, saying('published, {{customer.name}}'))
  await publish(as, id)
  await gateway.call('PUT', `/api/flows/${id}`, { as, body: saying('drafted') })
  const text = async (body: object) => at(await simulate(as, id, { inputs: ['x'], ...body }), 'turns.0.replies.0.text')
  expect(await text({})).toBe('drafted')
  expect(await text({ version: 'draft' })).toBe('drafted')
  expect(await text({ version: 1 })).toBe('published, Ana')
})

test('flows that are called answer as they are published, and the flow itself as it is simulated', async () => {
  const as = await gateway.addCaller()
  const other = await add(as, saying('Bye', 'Other'))
  await publish(as, other)
  await gateway.call('PUT', `/api/flows/${other}`, { as, body: saying('Later', 'Other') })
  const main = {
    ...{ name: 'Main', start: 'ask', triggers: [{ fallback: true }] },
    steps: {
      ask: { type: 'question', content: { type: 'text', text: 'Again?' }, variable: 'again', next: 'more' },
      more: { type: 'decision', condition: 'again == "yes"', true: 'self', false: 'other' },
      self: { type: 'flow', flow: 'Main', next: 'end' },
      other: { type: 'flow', flow: 'Other', next: 'end' },
    },
  }
  const answer = await simulate(as, await add(as, main), { inputs: ['hi', 'yes', 'no'] })
  const turns: { replies: { text: string }[]; steps: { step: string; outcome: string }[] }[] = JSON.parse(
    answer.text,
  ).turns
  expect(turns.map(turn => turn.replies.map(reply => reply.text))).toEqual([['Again?'], ['Again?'], ['Bye']])
  expect(turns[2]?.steps.map(step => `${step.step} ${step.outcome}`)).toEqual([
    ...['ask accepted', 'more false', 'other called', 'hi sent', 'other returned', 'self returned', 'null ended'],
  ])
})

test('an order is simulated on the real catalog, from the first "hola" to its total, and nothing of it is kept', async () => {
  const as = await gateway.addCaller()
  const product = await addProduct(as)
  const id = await add(as, orderFlow)
  const tap = (choice: string) => ({ type: 'choice', id: choice, title: choice })
  const events: string[] = []
  const stop = gateway.bus.subscribe(`events:${as.tenantId}`, news => events.push(news))
  const answer = await simulate(as, id, { inputs: ['hola', tap(product), 'muchos', '2', tap('yes')] })
  await Bun.sleep(1)
  stop()
  expect(answer.status).toBe(200)
  expect(at(answer, 'turns.0.input')).toBe('hola')
  expect(at(answer, 'turns.0.replies.1.sections.0.rows.0')).toMatchObject({ id: product, title: 'Café' })
  expect(at(answer, 'turns.2.steps.0')).toEqual({
    ...{ flow: 'Pedido', step: 'quantity', type: 'question', outcome: 'rejected', detail: 'not_a_number' },
  })
  expect(at(answer, 'turns.4.input')).toEqual(tap('yes'))
  expect(at(answer, 'turns.4.replies.0.text')).toContain('n.º 1 está en marcha: 5,00 EUR')
  expect(at(answer, 'turns.4.variables.order')).toMatchObject({ number: 1, total_minor: 500, status: 'pending' })
  expect(events).toEqual([])
  expect(at(await gateway.call('GET', `/api/products/${product}`, { as }), 'stock')).toBe(5)
  for (const what of ['orders', 'customers', 'conversations'])
    expect([what, column(await gateway.call('GET', `/api/${what}`, { as }), 'id')]).toEqual([what, []])
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const order = { customer_id, items: [{ product_id: product, quantity: 5 }] }
  expect(at(await gateway.call('POST', '/api/orders', { as, body: order }), 'number')).toBe(1)
})

test('within a simulation a cart stays full, an order takes stock, and what was learnt of the customer is known; after it nothing is left', async () => {
  const as = await gateway.addCaller()
  const product_id = await addProduct(as)
  const act = (handler: string, input: object, variable: string, next: string) => ({
    ...{ type: 'action', handler, input, variable, next, error: 'sorry' },
  })
  const ask = (text: string, next: string) => ({
    ...{ type: 'question', content: { type: 'text', text }, variable: 'answer', next },
  })
  const flow = {
    ...{ name: 'Cart', start: 'add', triggers: [{ fallback: true }] },
    steps: {
      add: act('cart.add', { product_id, quantity: 3 }, 'cart', 'name'),
      name: ask('{{customer.name}}, {{cart.text}}. Your name?', 'write'),
      write: act('customer.update', { name: '{{answer}}' }, 'written', 'sure'),
      sure: ask('Sure?', 'order'),
      order: act('order.create', { from_cart: true }, 'order', 'left'),
      left: act('catalog.get', { product_id }, 'product', 'thanks'),
      thanks: say('{{customer.name}}: order {{order.number}}, {{product.stock}} left'),
      sorry: say('Sorry: {{error.message}}'),
    },
  }
  const id = await add(as, flow)
  for (const _ of [1, 2]) {
    const answer = await simulate(as, id, { inputs: ['x', 'Eva', 'yes', 'x'] })
    expect(at(answer, 'turns.0.replies.0.text')).toBe('Ana, 3 × Café: 7,50 EUR. Your name?')
    expect(at(answer, 'turns.2.replies.0.text')).toBe('Eva: order 1, 2 left')
    expect(at(answer, 'turns.3.replies.0.text')).toBe('Sorry: Café: 2 left.')
  }
  expect(at(await gateway.call('GET', `/api/products/${product_id}`, { as }), 'stock')).toBe(5)
})

test('an action that is refused leads to its branch, with the reason in the step', async () => {
  const as = await gateway.addCaller()
  const product_id = await addProduct(as)
  const flow = {
    ...{ name: 'Order', start: 'make', triggers: [{ fallback: true }] },
    steps: {
      make: {
        ...{ type: 'action', handler: 'order.create', input: { items: [{ product_id, quantity: 6 }] } },
        ...{ next: 'end', error: 'sorry' },
      },
      sorry: say('Sorry: {{error.message}}'),
    },
  }
  const answer = await simulate(as, await add(as, flow), { inputs: ['x'] })
  expect(at(answer, 'turns.0.replies.0.text')).toBe('Sorry: Café: 5 left.')
  expect(at(answer, 'turns.0.steps.2')).toMatchObject({
    step: 'make',
    outcome: 'failed',
    detail: 'out_of_stock: Café: 5 left.',
  })
})

test('the time to answer passes when it is told to', async () => {
  const as = await gateway.addCaller()
  const ask = {
    ...{ type: 'question', content: { type: 'text', text: 'Well?' }, variable: 'answer', next: 'end' },
    timeout: { after: '2h', next: 'late' },
  }
  const flow = { name: 'Ask', start: 'ask', triggers: [{ fallback: true }], steps: { ask, late: say('Too late') } }
  const timeout = { type: 'timeout' }
  const answer = await simulate(as, await add(as, flow), { inputs: [timeout, 'x', timeout] })
  expect(at(answer, 'turns.0')).toEqual({ input: timeout, replies: [], steps: [], variables: {} })
  expect(at(answer, 'turns.2.replies.0.text')).toBe('Too late')
  expect(at(answer, 'turns.2.steps.0')).toMatchObject({ step: 'ask', outcome: 'timed_out' })
})

test('simulations and real orders at the same moment do not get into each other’s way', async () => {
  const as = await gateway.addCaller()
  const [first, second] = [await addProduct(as), await addProduct(as, { ...coffee, sku: 'tea' })]
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const make = (product_id: string, next: string) => ({
    ...{ type: 'action', handler: 'order.create', input: { items: [{ product_id, quantity: 1 }] }, next },
  })
  // Two orders in one turn, of products in either order: held in one transaction, they would deadlock with real ones.
  const flow = (name: string, [a, b]: readonly string[]) => ({
    ...{ name, start: 'a', triggers: [{ fallback: true }] },
    steps: { a: make(a ?? '', 'b'), b: make(b ?? '', 'end') },
  })
  const flows = [await add(as, flow('A', [first, second])), await add(as, flow('B', [second, first]))]
  const orders = [first, second].flatMap(product_id => [1, 2, 3, 4, 5].map(() => product_id))
  const [made, simulated] = await Promise.all([
    Promise.all(
      orders.map(product_id =>
        gateway.call('POST', '/api/orders', { as, body: { customer_id, items: [{ product_id, quantity: 1 }] } }),
      ),
    ),
    Promise.all(flows.flatMap(id => [1, 2, 3, 4, 5].map(() => simulate(as, id, { inputs: ['x'] })))),
  ])
  expect(made.map(answer => answer.status)).toEqual(orders.map(() => 201))
  expect(made.map(answer => at(answer, 'number')).sort((a, b) => Number(a) - Number(b))).toEqual(
    orders.map((_, index) => index + 1),
  )
  expect(simulated.map(answer => answer.status)).toEqual(simulated.map(() => 200))
  expect(column(await gateway.call('GET', '/api/products', { as }), 'stock')).toEqual([0, 0])
})

test('a flow speaks for the business as it is: its name, its language, its hours', async () => {
  const as = await gateway.addCaller()
  const text = '{{business.name}} {{business.language}} {{business.open}}'
  const steps = { say: { type: 'message', content: { type: 'text', text }, next: 'end' } }
  const flow = await gateway.call('POST', '/api/flows', {
    as,
    body: { name: 'Who', start: 'say', triggers: [{ fallback: true }], steps },
  })
  await gateway.call('PUT', '/api/tenant/settings', { as, body: { language: 'en', hours: {} } })
  await gateway.call('PUT', '/api/tenant', { as, body: { name: 'Aurora' } })
  const answer = await gateway.call('POST', `/api/flows/${at(flow, 'id')}/simulate`, { as, body: { inputs: ['hi'] } })
  expect(at(answer, 'turns.0.replies.0.text')).toBe('Aurora en false')
})

test('days pass in a simulation, a person gives back, and the window closes as it would', async () => {
  const as = await gateway.addCaller()
  const template = { type: 'template', name: 'news', language: 'en', parameters: [] }
  const steps = {
    person: { type: 'handoff', note: 'help', next: 'wait' },
    wait: { type: 'wait', for: '3d', next: 'say' },
    say: { type: 'message', content: { type: 'text', text: 'Still there?' }, template, next: 'end' },
  }
  const document = { name: 'Days', start: 'person', triggers: [{ fallback: true }], steps }
  const flow = await gateway.call('POST', '/api/flows', { as, body: document })
  const inputs = ['hi', { type: 'resume' }, { type: 'timeout' }, 'hi', { type: 'close' }]
  const answer = await gateway.call('POST', `/api/flows/${at(flow, 'id')}/simulate`, { as, body: { inputs } })
  expect(at(answer, 'turns.2.replies.0')).toEqual(template)
  expect(at(answer, 'turns.4.steps.0.outcome')).toBe('closed')
})

describe('what an action does is seen as in a real conversation', () => {
  const say = (words: string, next = 'end') => ({ type: 'message', content: { type: 'text', text: words }, next })
  const ask = (words: string, variable: string, next: string) => ({
    ...{ type: 'question', content: { type: 'text', text: words }, variable, next },
  })
  const any = (name: string, start: string, steps: object) => ({ name, start, triggers: [{ fallback: true }], steps })
  const talk = async (document: object, body: object) => {
    const as = await gateway.addCaller()
    const id = textAt(await gateway.call('POST', '/api/flows', { as, body: document }), 'id')
    return await gateway.call('POST', `/api/flows/${id}/simulate`, { as, body })
  }

  test('what is written down of the customer, in the same turn', async () => {
    const update = { type: 'action', handler: 'customer.update', input: { name: '{{n}}' }, next: 'hello', error: 'end' }
    const flow = any('U', 'name', { name: ask('Name?', 'n', 'update'), update, hello: say('Hello {{customer.name}}') })
    const answer = await talk(flow, { inputs: ['hi', 'Zoe', 'hi', 'Eva'] })
    expect(at(answer, 'turns.1.replies.0.text')).toBe('Hello Zoe')
    expect(at(answer, 'turns.3.replies.0.text')).toBe('Hello Eva')
  })

  test('a person who is called has the conversation once the turn is over', async () => {
    const call = {
      type: 'action',
      handler: 'support.handoff',
      input: { note: 'An invoice' },
      next: 'wait',
      error: 'end',
    }
    const flow = any('H', 'call', {
      call,
      wait: say('Somebody comes', 'more'),
      more: ask('More?', 'm', 'thanks'),
      thanks: say('Thanks {{m}}'),
    })
    const answer = await talk(flow, { inputs: ['hi', 'hello?', { type: 'resume' }, 'no'] })
    const replies = [0, 1, 2, 3].map(turn => at(answer, `turns.${turn}.replies`))
    const texts = (...words: string[]) => words.map(one => ({ type: 'text', text: one }))
    expect(replies).toEqual([texts('Somebody comes', 'More?'), [], texts('More?'), texts('Thanks no')])
    expect(JSON.stringify(at(answer, 'turns.0.steps'))).toContain('An invoice')
  })

  const quote = any('Q', 'one', {
    one: {
      type: 'action',
      handler: 'http.request',
      input: { method: 'GET', url: 'https://a.example/' },
      variable: 'a',
      next: 'two',
      error: 'sorry',
    },
    two: {
      type: 'action',
      handler: 'http.request',
      input: { method: 'GET', url: 'https://a.example/' },
      variable: 'b',
      next: 'done',
      error: 'sorry',
    },
    done: say('{{a.total}} and {{b.total}}'),
    sorry: say('Sorry: {{error.code}}'),
  })
  const gives = (total: number) => ({ ok: true, value: { total } })

  test('what would be asked outside is answered as it is said, in order, by step or by action', async () => {
    const replyTo = async (answers: object[]) =>
      at(await talk(quote, { inputs: ['hi'], answers }), 'turns.0.replies.0.text')
    const refused = { ok: false, code: 'http_500', message: 'a.example answered 500.' }
    expect(await replyTo([{ result: gives(1) }, { result: gives(2) }])).toBe('1 and 2')
    expect(
      await replyTo([
        { step: 'two', result: gives(2) },
        { handler: 'http.request', result: gives(1) },
      ]),
    ).toBe('1 and 2')
    expect(await replyTo([{ result: gives(3) }])).toBe('3 and 3')
    expect(await replyTo([{ step: 'one', result: refused }])).toBe('Sorry: http_500')
    expect(await replyTo([{ step: 'two', result: gives(2) }])).toBe('Sorry: not_simulated')
    expect(await replyTo([{ handler: 'webhook.emit', result: gives(2) }])).toBe('Sorry: not_simulated')
  })

  test('answers that are none are refused', async () => {
    for (const answers of [
      [{}],
      [{ result: { ok: true } }],
      [{ result: { ok: false, code: 'x' } }],
      [{ step: 1, result: gives(1) }],
    ])
      expect((await talk(quote, { inputs: ['hi'], answers })).status).toBe(422)
  })
})
