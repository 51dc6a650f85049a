import { type Context, Hono } from 'hono'
import type { ChatMessage, Content, Customer } from '../records.ts'
import { respond } from '../send-api.ts'
import { accountOf } from './accounts.ts'
import type { Dialect, Mounted, Stage } from './dialect.ts'
import { newSid, signedIn, twilioNumberInput } from './twilio-account.ts'
import { twilioWebhooks } from './twilio-build-webhook.ts'
import { contentApi, Templates } from './twilio-content.ts'
import { invalidParameter, notFound, refuseAtTwilio, unauthorized } from './twilio-errors.ts'
import { twilioMedia } from './twilio-media.ts'
import { isMedia, messageResource, sendAtTwilio } from './twilio-send.ts'

/** Twilio's Programmable Messaging for WhatsApp. One base address stands for its three hosts. */
export const twilio: Dialect = {
  name: 'twilio',
  prefix: '/twilio',
  numberInput: () => twilioNumberInput,
  shown: number => ({ dialect: 'twilio', account_sid: accountOf(number, 'twilio').account_sid }),
  verify: null,
  tellsOfPhone: false,
  hasRates: true,
  hasWindow: true,
  messageId: newMessageSid,
  mediaId: () => newSid('ME'),
  announce: (customer: Customer, message: ChatMessage, at: number) => [
    { kind: 'status', customer, message, status: 'queued', at },
  ],
  webhooks: twilioWebhooks,
  refuse: refuseAtTwilio,
  unknownPath: notFound,
  mount,
}

/** Messages with a file have sids of their own kind. */
function newMessageSid(_: ChatMessage['direction'], content: Content): string {
  return newSid(isMedia(content) ? 'MM' : 'SM')
}

function mount(stage: Stage): Mounted {
  const templates = new Templates()
  const api = new Hono()
  const account = '/2010-04-01/Accounts/:account'
  api.post(`${account}/Messages.json`, context =>
    sendAtTwilio(stage, templates, context.req.param('account'), context.req.raw),
  )
  api.get(`${account}/Messages/:file{(SM|MM)[0-9a-f]{32}\\.json}`, context => showMessage(stage, context))
  api.get('/2010-04-01/Accounts/:file{AC[0-9a-fA-F]{32}\\.json}', context => showAccount(stage, context))
  api.post('/v2/Indicators/Typing.json', context => showTyping(stage, context))
  api.route('/', twilioMedia(stage))
  api.route('/', contentApi(stage.world, templates))
  return { api, clear: () => templates.clear() }
}

function showMessage({ world }: Stage, context: Context): Response {
  const mine = signedIn(world, context.req.raw, context.req.param('account') ?? '')
  if (mine === null) return respond(unauthorized())
  const located = world.message((context.req.param('file') ?? '').replace('.json', ''))
  const number = mine.find(({ id }) => id === located?.chat.number)
  const customer = world.customer(located?.chat.customer ?? '')
  if (located === null || number === undefined || customer === null) return respond(notFound(context.req.path))
  return context.json(messageResource(number, customer, located.message))
}

function showAccount({ world }: Stage, context: Context): Response {
  const sid = (context.req.param('file') ?? '').replace('.json', '')
  const [number] = signedIn(world, context.req.raw, sid) ?? []
  if (number === undefined) return respond(unauthorized())
  return context.json({ sid, friendly_name: number.name, status: 'active', type: 'Full', owner_account_sid: sid })
}

/** The only read mark there is at Twilio. */
async function showTyping({ world, exchange, onTyping }: Stage, context: Context): Promise<Response> {
  const mine = signedIn(world, context.req.raw, null)
  if (mine === null) return respond(unauthorized())
  const form = new URLSearchParams(await context.req.text())
  if (form.get('channel') !== 'whatsapp') return respond(invalidParameter('channel takes whatsapp'))
  const located = world.message(form.get('messageId') ?? '')
  const isInbound = located?.message.direction === 'inbound' && mine.some(({ id }) => id === located.chat.number)
  if (located === null || !isInbound) return respond(notFound(context.req.path))
  exchange.markRead(located)
  onTyping(located.chat.number, located.chat.customer)
  return context.json({ success: true })
}
