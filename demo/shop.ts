import * as v from 'valibot'
import { randomToken } from '../src/lib/crypto.ts'
import { anything, call } from './http.ts'
import type { Shop } from './remember.ts'

type Urls = { readonly gateway: string; readonly adapter: string; readonly emulator: string }

const withId = v.object({ id: v.string() })
const flows = v.object({ data: v.array(v.object({ id: v.string(), name: v.string() })) })
const session = v.object({ access_token: v.string() })
const orders = v.object({
  data: v.array(
    v.object({
      number: v.number(),
      status: v.string(),
      total_minor: v.number(),
      currency: v.string(),
      items: v.array(v.object({ name: v.string(), quantity: v.number() })),
    }),
  ),
})
const conversations = v.object({ data: v.array(v.object({ id: v.string(), status: v.string() })) })

/** It takes whatever no other flow takes. */
const mainFlow = 'Bienvenida'

const products = [
  { sku: 'CAFE', name: 'Café con leche', description: 'De la casa, 25 cl', price_minor: 220, stock: 500 },
  { sku: 'TOST', name: 'Tostada con tomate', description: 'Pan de masa madre', price_minor: 350, stock: 200 },
  { sku: 'TARTA', name: 'Tarta de queso', description: 'Hecha hoy', price_minor: 480, stock: 12 },
]

/** A tenant with an owner, products and a bot that answers with the ready flows, made through the API as anyone would. */
export async function seedShop(urls: Urls, print: (line: string) => void): Promise<Shop> {
  const api = `${urls.gateway}/api`
  const shop: Omit<Shop, 'botId'> = {
    email: `demo-${randomToken(4)
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '0')}@cafe-aurora.example`,
    password: randomToken(12),
    number: '100000000000010',
    accessToken: randomToken(24),
    appSecret: randomToken(24),
    verifyToken: randomToken(12),
    customer: '34600111222',
    hasPlayed: false,
  }
  print('  making the shop "Café Aurora": owner, products, flows, bot …')
  const { access_token: token } = await call(session, 'POST', `${api}/auth/register`, {
    body: {
      tenant_name: 'Café Aurora',
      name: 'Aurora Demo',
      email: shop.email,
      password: shop.password,
      language: 'es',
    },
  })
  await call(anything, 'PUT', `${api}/tenant`, { token, body: { time_zone: 'Europe/Madrid' } })
  for (const product of products)
    await call(anything, 'POST', `${api}/products`, { token, body: { ...product, currency: 'EUR' } })
  const { data: ready } = await call(flows, 'GET', `${api}/flows`, { token })
  const [welcome, ...others] = [...ready].sort((a, b) => Number(b.name === mainFlow) - Number(a.name === mainFlow))
  const bot = await call(withId, 'POST', `${api}/bots`, {
    token,
    body: {
      name: 'Café Aurora',
      provider: 'meta',
      flow_id: welcome?.id,
      flow_ids: others.map(flow => flow.id),
      config: {
        phone_number_id: shop.number,
        access_token: shop.accessToken,
        app_secret: shop.appSecret,
        verify_token: shop.verifyToken,
      },
    },
  })
  return { ...shop, botId: bot.id }
}

/** What the owner does, logged in. */
export type Session = {
  /** Tells the emulator of the number, which then verifies the webhook as Meta does. */
  connectPhone(shop: Shop): Promise<void>
  orders(): Promise<v.InferOutput<typeof orders>['data']>
  conversations(): Promise<v.InferOutput<typeof conversations>['data']>
}

export async function logIn(urls: Urls, shop: Shop): Promise<Session> {
  const api = `${urls.gateway}/api`
  const body = { email: shop.email, password: shop.password }
  const { access_token: token } = await call(session, 'POST', `${api}/auth/login`, { body })
  return {
    async connectPhone({ number, botId, accessToken, appSecret, verifyToken }) {
      const verified = v.object({ verified: v.boolean(), reason: v.nullable(v.string()) })
      const answer = await call(verified, 'PUT', `${urls.emulator}/emulator/numbers/${number}`, {
        body: {
          display_phone_number: '34910000010',
          name: 'Café Aurora',
          webhook_url: `${urls.adapter}/webhooks/meta/${botId}`,
          access_token: accessToken,
          app_secret: appSecret,
          verify_token: verifyToken,
        },
      })
      if (!answer.verified) throw new Error(`The webhook was not verified: ${answer.reason}`)
    },
    orders: async () => (await call(orders, 'GET', `${api}/orders?limit=5`, { token })).data,
    conversations: async () => (await call(conversations, 'GET', `${api}/conversations?limit=100`, { token })).data,
  }
}

/** What an earlier start left, in a few lines. */
export async function summarize(session: Session): Promise<string[]> {
  const [placed, talks] = await Promise.all([session.orders(), session.conversations()])
  const count = `Found again: ${talks.length} ${talks.length === 1 ? 'conversation' : 'conversations'}, and these orders:`
  return [count, ...placed.map(describeOrder)]
}

/** One order in a line: "no. 1, confirmed, 2 × Café con leche, 4.40 EUR". */
export function describeOrder(order: v.InferOutput<typeof orders>['data'][number]): string {
  const items = order.items.map(item => `${item.quantity} × ${item.name}`).join(', ')
  return `  no. ${order.number}, ${order.status}: ${items}, ${(order.total_minor / 100).toFixed(2)} ${order.currency}`
}
