import type { Context } from 'hono'
import { mediaUrl } from '../media-url.ts'
import type { Answer, ReadSend } from '../read-send.ts'
import type { ChatMessage, Customer } from '../records.ts'
import { parseJson } from '../send-api.ts'
import type { Stage } from './dialect.ts'
import { type Access, type EvolutionNumber, findInstance } from './evolution-account.ts'
import { outboundData } from './evolution-build-message.ts'
import {
  answered,
  connectionClosed,
  notOnWhatsapp,
  unauthorized,
  unknownInstance,
  unknownRoute,
} from './evolution-errors.ts'
import { customerAt, phoneJid } from './evolution-jid.ts'
import { type EvolutionSend, readEvolutionSend } from './evolution-read-send.ts'

type Body = Record<string, unknown>

/** `POST /message/{kind}/{instance}`. */
export async function sendAtEvolution(stage: Stage, access: Access, context: Context): Promise<Response> {
  const kind = context.req.param('kind') ?? ''
  const name = context.req.param('name') ?? ''
  const body = await readBody(context)
  const number = findInstance(stage.world, access, name)
  return await stage.send(context.req.raw, { number: number?.id ?? '', body: { [kind]: logged(body) } }, async () => {
    if (access.kind === 'none') return answered(unauthorized())
    if (number === null) return answered(unknownInstance(name))
    return await read(stage, number, kind, body, context.req.path)
  })
}

async function read(stage: Stage, number: EvolutionNumber, kind: string, body: Body, path: string): Promise<ReadSend> {
  const send = await readEvolutionSend(stage, number, kind, body)
  if (send === null) return answered(unknownRoute(path))
  if ('status' in send) return answered(send)
  if (number.account.state !== 'open') return answered(connectionClosed())
  const customer = recipientOf(stage, send)
  if ('status' in customer) return answered(customer)
  await write(stage, number, customer, send)
  return {
    ...{ kind: 'message', number, customer, draft: { content: send.content, replyTo: send.replyTo } },
    answer: message => ({ status: 201, body: sent(stage, number, customer, message) }),
  }
}

function recipientOf({ world, exchange }: Stage, { to }: EvolutionSend): Customer | Answer {
  const customer = customerAt(world, phone => exchange.customer(phone), to)
  const jid = to.includes('@') ? to : phoneJid(to.replace(/\D/g, ''))
  return customer === null || customer.not_on_whatsapp === true ? notOnWhatsapp(jid, to) : customer
}

/** A delay shows the bot writing, and the answer waits for it. */
async function write(
  { onTyping }: Stage,
  number: EvolutionNumber,
  customer: Customer,
  { delayMs }: EvolutionSend,
): Promise<void> {
  if (delayMs === 0) return
  onTyping(number.id, customer.id)
  await Bun.sleep(delayMs)
}

function sent(
  { world, media, url }: Stage,
  number: EvolutionNumber,
  customer: Customer,
  message: ChatMessage,
): unknown {
  return outboundData(number, customer, message, {
    message: id => world.message(id)?.message ?? null,
    media: (id, mimeType) => ({ url: mediaUrl(url(), id), bytes: media.stage(mimeType, id).bytes }),
  })
}

/** JSON, or a form with a file. */
async function readBody(context: Context): Promise<Body> {
  const isForm = context.req.header('content-type')?.startsWith('multipart/form-data') === true
  if (isForm) return await context.req.parseBody().catch(() => ({}))
  const body = parseJson(await context.req.text())
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {}
}

function logged(body: Body): Body {
  const entries = Object.entries(body)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof File ? `${value.name} (${value.size} bytes)` : value]),
  )
}
