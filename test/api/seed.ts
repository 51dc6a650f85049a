import { createHmac } from 'node:crypto'
import { uuids } from '../../src/lib/ids.ts'
import { emptyReport } from '../../src/messaging/analytics/reports.fixture.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { until } from '../support/installation.ts'

/** What the requests of a run can be about; test/api/hooks.py reads it. */
export type Facts = {
  readonly url: string
  readonly owner: { readonly email: string; readonly password: string }
  readonly owner_id: string
  readonly token: string
  /** One of each resource that stays as it is, by the resource's name. */
  readonly ids: Readonly<Record<string, string>>
  /** Those that may be changed in a way that makes them unfit for other requests. */
  readonly changed_ids: Readonly<Record<string, string>>
  /** The phone of a customer who has just written. */
  readonly writer: string
  /** Open ones. */
  readonly conversations: readonly string[]
}

type Api = {
  add(path: string, body: object): Promise<string>
  get(path: string): Promise<Page>
}
type Page = { readonly data: readonly { readonly id: string }[]; readonly next_cursor: string | null }

const conversationsCount = 100
const config = { phone_number_id: '1', access_token: 'token', app_secret: 'secret', verify_token: 'verify' }

/** A new tenant. */
export async function register(url: string, owner: Facts['owner']): Promise<{ id: string; token: string }> {
  const names = { tenant_name: 'Schemathesis', name: 'Owner' }
  const { user, access_token } = await ask(`${url}/api/auth/register`, { body: { ...names, ...owner } })
  return { id: user.id, token: access_token }
}

/** Makes one of each resource. */
export async function seed(
  { url, adapterUrl, database }: { url: string; adapterUrl: string; database: PostgresConnection },
  owner: Facts['owner'],
): Promise<Facts> {
  const { id: owner_id, token } = await register(url, owner)
  const api: Api = {
    add: async (path, body) => (await ask(`${url}${path}`, { token, body })).id,
    get: async path => await ask(`${url}${path}`, { token }),
  }
  const ids = {
    ...{
      products: await api.add('/api/products', product('1')),
      sellers: await api.add('/api/sellers', { name: 'S' }),
    },
    flows: await api.add('/api/flows', flow('Published')),
    bots: await api.add('/api/bots', { name: 'Bot', provider: 'meta', config }),
    fallback_bots: await api.add('/api/bots', {
      name: 'Second',
      provider: 'meta',
      config: { ...config, phone_number_id: '2' },
    }),
    customers: await api.add('/api/customers', { name: 'Customer', phone: '+573001234567' }),
    erasures: await addErasure(api),
    users: await api.add('/api/users', { name: 'Agent', email: 'agent@example.com', role: 'agent' }),
    // A JSON document is a file like any other.
    media: await api.add('/api/media', {}),
    'api-keys': await api.add('/api/api-keys', { name: 'Key', scopes: ['bots:read'] }),
    secrets: await api.add('/api/secrets', { name: 'TOKEN', value: 'a secret value' }),
    webhooks: await api.add('/api/webhooks', webhook),
  }
  // Twice, so that there is a version to go back to.
  for (let version = 1; version <= 2; version++) await ask(`${url}/api/flows/${ids.flows}/publish`, { token, body: {} })
  const item = { product_id: ids.products, quantity: 1 }
  const orders = await api.add('/api/orders', { customer_id: ids.customers, items: [item] })
  const [conversation, ...conversations] = await writeFrom(api, `${adapterUrl}/webhooks/meta/${ids.bots}`)
  return {
    ...{ url, owner, owner_id, token, conversations, writer: phoneOf(0) },
    ids: {
      ...ids,
      orders,
      conversations: conversation ?? '',
      'failed-messages': await addFailedMessage(api, url, token),
      reports: await addReport(database, ids.products),
      deliveries: (await ask(`${url}/api/webhooks/${ids.webhooks}/test`, { token, body: {} })).delivery_id,
    },
    changed_ids: {
      products: await api.add('/api/products', product('2')),
      sellers: await api.add('/api/sellers', { name: 'Changed' }),
      flows: await api.add('/api/flows', flow('Changed')),
      secrets: await api.add('/api/secrets', { name: 'CHANGED', value: 'a secret value' }),
      webhooks: await api.add('/api/webhooks', webhook),
    },
  }
}

/** A message whose bot was removed before it went out. */
async function addFailedMessage(api: Api, url: string, token: string): Promise<string> {
  const bot = await api.add('/api/bots', {
    name: 'Removed',
    provider: 'meta',
    config: { ...config, phone_number_id: '9' },
  })
  const content = { type: 'template', name: 'hello', language: 'en', parameters: [] }
  const body = { to: '+573001112233', content }
  const { message_id } = await ask(`${url}/api/bots/${bot}/messages`, { token, body })
  const headers = { authorization: `Bearer ${token}` }
  await fetch(`${url}/api/bots/${bot}`, { method: 'DELETE', headers })
  return message_id
}

/** What the engine makes once a day is over. */
async function addReport(database: PostgresConnection, productId: string): Promise<string> {
  const [admin, id] = [connect(database, 1), uuids.next()]
  await admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    select tenant_id, ${id}, 'daily', now(), now(), now(), 'UTC', ${JSON.stringify(emptyReport)}::text::jsonb
    from products where id = ${productId}`
  await admin.close()
  return id
}

async function addErasure(api: Api): Promise<string> {
  const customer = await api.add('/api/customers', { name: 'Erased', phone: '+573001112244' })
  return await api.add(`/api/customers/${customer}/erase`, {})
}

/** Nobody is there. */
const webhook = { url: 'http://127.0.0.1:9/hook' }

function product(sku: string): object {
  return { sku, name: 'Product', price_minor: 100, currency: 'EUR', stock: 1_000_000 }
}

function flow(name: string): object {
  const hello = { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'end' }
  return { name, start: 'a', triggers: [{ fallback: true }], steps: { a: hello } }
}

function phoneOf(customer: number): string {
  return `+57301${String(customer).padStart(7, '0')}`
}

/** Many customers write to the bot, by a webhook as Meta signs it. Returns their conversations, the first one's first. */
async function writeFrom(api: Api, webhookUrl: string): Promise<string[]> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const messages = Array.from({ length: conversationsCount }, (_, customer) => ({
    ...{ id: `wamid.${customer}`, from: phoneOf(customer).slice(1), timestamp },
    ...{ type: 'text', text: { body: 'Hello' } },
  }))
  const value = { metadata: { phone_number_id: config.phone_number_id }, messages }
  const entry = [{ id: '1', changes: [{ field: 'messages', value }] }]
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry })
  const signature = createHmac('sha256', config.app_secret).update(body).digest('hex')
  const headers = { 'x-hub-signature-256': `sha256=${signature}` }
  const taken = await fetch(webhookUrl, { method: 'POST', body, headers })
  if (!taken.ok) throw new Error(`the webhook was answered ${taken.status}: ${await taken.text()}`)
  const first = `/api/conversations?q=${encodeURIComponent(phoneOf(0))}`
  await until(async () => (await api.get(first)).data.length === 1 && (await allOf(api)).length === conversationsCount)
  const [written] = (await api.get(first)).data
  const others = (await allOf(api)).filter(id => id !== written?.id)
  return written === undefined ? others : [written.id, ...others]
}

async function allOf(api: Api): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page = await api.get(`/api/conversations?limit=100${cursor && `&cursor=${cursor}`}`)
    ids.push(...page.data.map(one => one.id))
    cursor = page.next_cursor
  }
  return ids
}

// biome-ignore lint/suspicious/noExplicitAny: what is read of the answer is used at once, or fails.
async function ask(url: string, { token, body }: { token?: string; body?: object }): Promise<any> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return await response.json()
}
