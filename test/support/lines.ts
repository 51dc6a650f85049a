import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import type { ProviderName } from '../../src/messaging/bot-config.ts'
import { findPairing } from '../../src/messaging/bot-pairings.ts'
import { createBot } from '../../src/messaging/bots.ts'
import { type ChatMessage, type Installation, phoneOf, until } from './installation.ts'
import { encryptionKey } from './seed.ts'
import type { WhatsAppWeb } from './whatsapp-web/server.ts'

/** The program's address as the providers know it: the emulator delivers to where it really is. */
export const publicUrl = 'https://hooks.example.test'

/** A bot of the shop at some provider, and a customer's phone at the other end. */
export type Line = {
  readonly botId: string
  /** The customer's, as the provider writes it: digits. */
  readonly customer: string
  /** The customer writes; resolves once the webhook was answered. */
  say(content: string | object): Promise<void>
  /** Waits until the customer's phone shows at least `count` messages of the bot, and returns them all. */
  shown(count: number): Promise<readonly ChatMessage[]>
  /** The business writes to the customer on its own phone. Returns what the provider calls the message. */
  writeFromPhone(text: string): Promise<string>
  /** The customer opens the chat. */
  read(): Promise<void>
  /** What goes wrong at the provider next, with this bot. */
  addFaults(faults: readonly object[]): Promise<void>
  /** The provider takes the bot's key no more. */
  revoke(): Promise<void>
}

/** One way to WhatsApp, and how a bot gets there in a test. */
export type Side = {
  readonly name: string
  readonly provider: ProviderName
  /** What the customer's phone shows of buttons and lists. */
  readonly choices: 'tapped' | 'numbered'
  /** Whether the provider tells of what the business writes on its own phone. */
  readonly tellsOfPhone: boolean
  /** A fault by which the provider says, at once, that it is too busy just now; null where there is no such thing. */
  readonly busy: object | null
  open(shop: Installation, customer: string): Promise<Line>
}

type EmulatedSide = {
  readonly name: string
  readonly provider: ProviderName
  readonly choices: 'tapped' | 'numbered'
  readonly config: (emulatorUrl: string, id: string) => Readonly<Record<string, string>>
  /** What the emulator is told of the number, besides its address. */
  readonly number: (config: Readonly<Record<string, string>>) => object
  /** What a key is changed to at the provider, so that the bot's is refused. */
  readonly revoked: object
  readonly busy?: object
  /** Whether a phone has to scan a QR code first. */
  readonly isScanned?: boolean
  readonly tellsOfPhone?: boolean
  /** Whether the provider takes the address of webhooks from the bot. */
  readonly tellsWebhook: boolean
}

const hex = (id: string) => id.padStart(32, '0')

const emulated: readonly EmulatedSide[] = [
  {
    ...{ name: 'meta', provider: 'meta', choices: 'tapped', tellsWebhook: false, tellsOfPhone: true },
    config: (_, id) => ({ phone_number_id: id, access_token: 'token', app_secret: 'secret', verify_token: 'verify' }),
    number: ({ access_token, app_secret, verify_token }) => ({
      dialect: 'meta',
      access_token,
      app_secret,
      verify_token,
    }),
    revoked: { access_token: 'another' },
  },
  {
    ...{ name: 'official d360', provider: 'official', choices: 'tapped', tellsWebhook: true, tellsOfPhone: true },
    config: (_, id) => ({ api_key: `d360-${id}`, webhook_secret: 'webhook-secret', flavour: 'd360' }),
    number: ({ api_key }) => ({ dialect: 'd360', api_key }),
    revoked: { api_key: 'another-d360' },
  },
  {
    ...{ name: 'official legacy', provider: 'official', choices: 'tapped', tellsWebhook: true },
    config: (_, id) => ({ api_key: `legacy-${id}`, webhook_secret: 'webhook-secret', flavour: 'legacy' }),
    number: ({ api_key }) => ({ dialect: 'legacy', api_key }),
    revoked: { api_key: 'another-legacy' },
  },
  {
    ...{ name: 'twilio', provider: 'twilio', choices: 'tapped', tellsWebhook: false },
    config: (_, id) => ({
      account_sid: `AC${hex(id)}`,
      auth_token: '0123456789abcdef0123456789abcdef',
      from: `+${id}`,
    }),
    number: ({ account_sid, auth_token }) => ({ dialect: 'twilio', account_sid, auth_token }),
    revoked: { auth_token: 'fedcba9876543210fedcba9876543210' },
    busy: { kind: '429', code: 4 },
  },
  {
    ...{ name: 'evolution', provider: 'evolution', choices: 'numbered', tellsWebhook: true, isScanned: true },
    tellsOfPhone: true,
    config: (emulatorUrl, id) => ({
      ...{ base_url: `${emulatorUrl}/evolution`, api_key: `evolution-${id}`, instance: `shop-${id}` },
      webhook_token: 'webhook-token',
    }),
    number: ({ api_key, instance }) => ({ dialect: 'evolution', api_key, instance, state: 'absent' }),
    revoked: { api_key: 'another-evolution', state: 'open' },
    // Evolution knows no rates: it is broken twice.
    busy: { kind: '500' },
  },
]

export const emulatedSides: readonly Side[] = emulated.map(side => ({
  name: side.name,
  provider: side.provider,
  choices: side.choices,
  tellsOfPhone: side.tellsOfPhone ?? false,
  busy: side.busy ?? { kind: '429', code: 130429 },
  open: (shop, customer) => open(side, shop, customer),
}))

let numbers = 34_910_000_100

async function open(side: EmulatedSide, shop: Installation, customer: string): Promise<Line> {
  const id = String(numbers++)
  const emulatorUrl = shop.emulator.url
  const config = side.config(emulatorUrl, id)
  const control = `${emulatorUrl}/emulator`
  const register = (more: object) =>
    put(`${control}/numbers/${id}`, {
      ...{ display_phone_number: id, deliver_to: shop.app.urls.adapter },
      ...side.number(config),
      ...more,
    })
  await register(side.tellsWebhook ? {} : { webhook_url: `${publicUrl}/webhooks/${side.provider}/00000000` })
  const botId = await addBot(shop, side, config)
  const webhook = side.tellsWebhook ? {} : { webhook_url: `${publicUrl}/webhooks/${side.provider}/${botId}` }
  if (!side.tellsWebhook) await register(webhook)
  if (side.isScanned === true) {
    await until(async () => (await statusOf(shop, botId)) === 'qr', 10_000)
    await post(`${control}/numbers/${id}/scan`, { phone: id })
  }
  await until(async () => (await statusOf(shop, botId)) === 'connected', 5_000)
  const phone = phoneOf(emulatorUrl, { ...shop.shop, number: { ...shop.shop.number, phone_number_id: id } })
  return {
    botId,
    customer,
    say: content => phone.say(customer, content),
    shown: count => phone.replies(customer, count),
    async writeFromPhone(text) {
      const url = `${control}/chats/${id}/${customer}/phone?wait=delivered`
      const answer = await send('POST', url, { type: 'text', text })
      if (answer.delivered !== true) throw new Error('the webhook of the phone was not taken')
      return answer.id
    },
    read: async () => void (await fetch(`${control}/chats/${id}/${customer}/read`, { method: 'POST' })),
    addFaults: faults =>
      post(
        `${control}/faults`,
        faults.map(fault => ({ ...fault, number: id })),
      ),
    revoke: async () => void (await register({ ...webhook, ...side.revoked })),
  }
}

/** WhatsApp Web, by way of the bridge: the real library, and a server of our own at the other end. */
export function webSide(web: WhatsAppWeb): Side {
  const side = { name: 'baileys', provider: 'baileys', choices: 'numbered', tellsOfPhone: true, busy: null } as const
  return { ...side, open: (shop, customer) => openWeb(side, web, shop, customer) }
}

async function openWeb(
  side: Pick<Side, 'name' | 'provider'>,
  web: WhatsAppWeb,
  shop: Installation,
  phone: string,
): Promise<Line> {
  const account = web.account(String(numbers++))
  const customer = web.customer(phone)
  const botId = await addBot(shop, side, {})
  await until(async () => (await statusOf(shop, botId)) === 'qr', 30_000)
  const { tenantId } = shop.shop
  const pairing = await shop.app.database.transaction({ role: 'worker' }, tx =>
    findPairing(tx, makeSealer(encryptionKey), tenantId, botId),
  )
  account.scan(pairing?.qr ?? '')
  await until(async () => (await statusOf(shop, botId)) === 'connected')
  await until(() => account.hasKeys())
  const told = new Set<string>()
  return {
    botId,
    customer: phone,
    async say(content) {
      if (typeof content !== 'string') throw new Error('a customer writes texts here')
      await customer.write(account, { conversation: content })
    },
    async shown(count) {
      await until(() => customer.received.length >= count)
      // As a phone does: what it shows, it has.
      for (const { id } of customer.received.filter(one => !told.has(one.id))) customer.receipt(account, id)
      for (const { id } of customer.received) told.add(id)
      return customer.received.map(({ id, message }, seq) => ({
        ...{ seq, id, direction: 'outbound', status: 'delivered' },
        content: { ...message, type: 'web', text: message.extendedTextMessage?.text ?? message.conversation ?? '' },
      }))
    },
    writeFromPhone: text => account.write(customer, { conversation: text }),
    async read() {
      for (const { id } of customer.received) customer.receipt(account, id, 'read')
    },
    async addFaults(faults) {
      for (const fault of faults) {
        if (!('kind' in fault) || fault.kind !== 'undeliverable') throw new Error('there is no such fault here')
        customer.refuse('479')
      }
    },
    revoke: async () => account.logOut(),
  }
}

async function addBot(
  shop: Installation,
  { name, provider }: Pick<Side, 'name' | 'provider'>,
  config: Readonly<Record<string, string>>,
): Promise<string> {
  const { tenantId, flowId } = shop.shop
  const fields = { name, provider, config, flow_id: flowId }
  const made = await shop.app.database.transaction({ role: 'app', tenantId }, tx =>
    createBot(tx, uuids, makeSealer(encryptionKey), tenantId, fields),
  )
  if (made.kind !== 'written') throw new Error(`the bot at ${name} was refused: ${JSON.stringify(made)}`)
  return made.bot.id
}

export async function statusOf(shop: Installation, botId: string): Promise<string> {
  return (await shop.admin`select status from bots where id = ${botId}`)[0]?.status
}

async function post(url: string, body: object): Promise<void> {
  await send('POST', url, body)
}

async function put(url: string, body: object): Promise<void> {
  await send('PUT', url, body)
}

// biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is checked by the test.
async function send(method: string, url: string, body: object): Promise<any> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
  return text === '' ? null : JSON.parse(text)
}
