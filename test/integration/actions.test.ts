import { afterEach, expect, test } from 'bun:test'
import { uuids } from '../../src/lib/ids.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'

// Actions in turns, from a customer's message to the reply: what they write is part of the turn.

let shop: Installation
afterEach(() => shop.stop())

const act = (handler: string, input: object, next: string, variable = 'value') => ({
  ...{ type: 'action', handler, input, variable, next, error: 'sorry' },
})
const ask = (text: string, variable: string, next: string) => ({
  ...{ type: 'question', content: { type: 'text', text }, variable, next, timeout: { after: '1h', next: 'end' } },
})
const say = (text: string) => ({ type: 'message', content: { type: 'text', text }, next: 'end' })
const sorry = say('Sorry: {{error.code}}')

const order = {
  ...{ name: 'Order', start: 'search', triggers: [{ fallback: true }] },
  steps: {
    search: act('catalog.search', { text: '{{message.text}}' }, 'add', 'found'),
    add: act('cart.add', { product_id: '{{found.products[0].id}}', quantity: 2 }, 'confirm', 'cart'),
    confirm: ask('{{cart.text}} OK?', 'sure', 'order'),
    order: act('order.create', { from_cart: true }, 'status', 'order'),
    status: act('order.status', {}, 'thanks', 'last'),
    thanks: say('Order {{last.number}} is {{last.status}}'),
    sorry,
  },
}

test('a cart is filled in one turn, ordered in another by the same customer, and each has their own', async () => {
  shop = await startInstallation({ flow: order })
  await Promise.all(['34600000001', '34600000002'].map(customer => shop.say(customer, 'café')))
  for (const customer of ['34600000001', '34600000002']) {
    const [asked] = await shop.replies(customer, 1)
    expect(asked?.content.text).toMatch(/^2 × Café con leche: [\d,]+ [A-Z]{3} OK\?$/)
  }
  await shop.say('34600000001', 'yes')
  expect((await shop.replies('34600000001', 2))[1]?.content.text).toBe('Order 1 is pending')
  const carts = await shop.admin`select k.phone from carts c join customers k on k.id = c.customer_id`
  expect([...carts]).toEqual([{ phone: '+34600000002' }])
  const [orders] = await shop.admin`select count(*)::int as n from orders`
  expect(orders.n).toBe(1)
})

const support = {
  ...{ name: 'Support', start: 'assign', triggers: [{ fallback: true }] },
  steps: {
    assign: act('seller.assign', { strategy: 'round_robin' }, 'call', 'seller'),
    call: act('support.handoff', { note: 'Invoice', seller_id: '{{seller.seller_id}}' }, 'bye'),
    bye: say('{{seller.name}} will write to you'),
    sorry,
  },
}

test('a person is called: the turn is finished, then the bot is silent, and sellers have taken turns', async () => {
  shop = await startInstallation({ flow: support })
  for (const name of ['Luz', 'Iván'])
    await shop.admin`insert into sellers (tenant_id, id, name) values (${shop.shop.tenantId}, ${uuids.next()}, ${name})`
  const said: unknown[] = []
  for (const customer of ['34600000001', '34600000002', '34600000003']) {
    await shop.say(customer, 'help')
    said.push((await shop.replies(customer, 1))[0]?.content.text)
  }
  expect(said).toEqual(['Luz', 'Iván', 'Luz'].map(name => `${name} will write to you`))
  await until(async () => {
    const [row] = await shop.admin`select count(*)::int as n from conversations where status in ('waiting', 'agent')`
    return row.n === 3
  })
  await shop.say('34600000001', 'hello?')
  await shop.settled()
  expect(await shop.replies('34600000001', 1)).toHaveLength(1)
  const [event] = await shop.admin`select data from conversation_events where type = 'handed_off' limit 1`
  expect(event.data).toMatchObject({ note: 'Invoice' })
})
