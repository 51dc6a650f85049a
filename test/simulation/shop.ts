import type { SQL } from 'bun'
import { makeSealer } from '../../src/lib/crypto.ts'
import { encryptionKey } from '../support/seed.ts'
import { type Account, accountOf } from './outside/accounts.ts'
import { serviceOrigin } from './outside/service.ts'
import type { Plan } from './plan.ts'
import type { Random } from './world/random.ts'

/** A tenant of the world, with one bot. */
export type Shop = {
  readonly index: number
  readonly tenantId: string
  readonly botId: string
  readonly flowId: string
  readonly productId: string
  readonly account: Account
}

const longText = 'All that we have today, and more of it tomorrow. '.repeat(35)

/** Each message of a customer has one reply; an order, a question with a time-out, a text of several parts among them. */
function flowOf(productId: string) {
  const say = (text: string) => ({ type: 'message', content: { type: 'text', text }, next: 'end' })
  const isOne = (word: string, yes: string, no: string) => {
    return { type: 'decision', condition: `message.text.startsWith('${word}')`, true: yes, false: no }
  }
  return {
    name: 'Shop',
    start: 'is_order',
    triggers: [{ fallback: true }],
    steps: {
      is_order: isOne('order', 'order', 'is_ask'),
      is_ask: isOne('ask', 'ask', 'is_long'),
      is_long: isOne('long', 'long', 'is_call'),
      is_call: isOne('call', 'call', 'echo'),
      order: {
        type: 'action',
        handler: 'order.create',
        input: { items: [{ product_id: productId, quantity: 1 }] },
        variable: 'order',
        next: 'ordered',
        error: 'sold_out',
      },
      ordered: say('Order {{order.number}}'),
      sold_out: say('Sold out at {{now}}'),
      ask: {
        type: 'question',
        content: { type: 'text', text: 'What else, after {{message.text}}?' },
        variable: 'answer',
        timeout: { after: '10m', next: 'late' },
        next: 'got',
      },
      got: say('Got {{answer}}'),
      late: say('Too late at {{now}}'),
      call: {
        type: 'action',
        handler: 'http.request',
        input: {
          method: 'POST',
          url: `${serviceOrigin}/reserve`,
          body: { text: '{{message.text}}' },
          timeout: '3s',
          pick: { number: 'number' },
        },
        variable: 'answer',
        next: 'called',
        error: 'not_called',
      },
      called: say('Called {{answer.body.number}}'),
      not_called: say('Not called at {{now}}'),
      long: say(`About {{message.text}}: ${longText}`),
      echo: say('You said: {{message.text}}'),
    },
  }
}

/** Opens the shops: what the API would leave behind. */
export async function openShops(admin: SQL, random: Random, plan: Plan, now: string): Promise<readonly Shop[]> {
  const uuid = () => `01900000-${random.hex(4)}-7${random.hex(3)}-8${random.hex(3)}-${random.hex(12)}`
  const shops: Shop[] = plan.providers.map((kind, index) => {
    const [tenantId, botId, flowId, productId] = [uuid(), uuid(), uuid(), uuid()]
    return { index, tenantId, botId, flowId, productId, account: accountOf(kind, index, botId) }
  })
  for (const shop of shops) await open(admin, shop, plan.stock, now)
  return shops
}

const sealer = makeSealer(encryptionKey)

async function open(admin: SQL, shop: Shop, stock: number, now: string): Promise<void> {
  const { tenantId, botId, flowId, productId, account } = shop
  const document = JSON.stringify(flowOf(productId))
  const sealed = Buffer.from(sealer.seal(JSON.stringify(account.secrets), botId))
  await admin`insert into tenants (id, name, created_at) values (${tenantId}, ${`Shop ${shop.index}`}, ${now}::timestamptz)`
  await admin`insert into flows (tenant_id, id, name, document, published_version)
    values (${tenantId}, ${flowId}, 'Shop', ${document}::text::jsonb, 1)`
  await admin`insert into flow_versions (tenant_id, flow_id, version, document)
    values (${tenantId}, ${flowId}, 1, ${document}::text::jsonb)`
  await admin`insert into bots (tenant_id, id, name, provider, config, flow_id, status, updated_at)
    values (${tenantId}, ${botId}, 'Bot', ${account.provider}, ${JSON.stringify(account.config)}::text::jsonb, ${flowId},
      'connected', ${now}::timestamptz)`
  await admin`insert into bot_secrets (tenant_id, bot_id, key_id, sealed)
    values (${tenantId}, ${botId}, ${sealer.keyId}, ${sealed})`
  await admin`insert into products (tenant_id, id, sku, name, price_minor, currency, stock)
    values (${tenantId}, ${productId}, 'tea', 'Tea', 250, 'EUR', ${stock})`
}
