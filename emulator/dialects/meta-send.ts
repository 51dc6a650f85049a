import type { Answer, ReadSend, Refusal, RefusedAs } from '../read-send.ts'
import type { BusinessNumber, ChatMessage, Customer } from '../records.ts'
import { parseJson } from '../send-api.ts'
import type { Stage } from './dialect.ts'
import {
  applicationLimit,
  errorBody,
  invalidParameter,
  invalidValue,
  type MetaError,
  pairRateLimit,
  rateLimit,
  sameRecipient,
  serviceUnavailable,
  somethingWrong,
  tokenMissing,
  tokenWrong,
  unknownObject,
} from './meta-errors.ts'
import { parseSend, type Recipient, type SendCommand } from './meta-parse-send.ts'

type Command = Extract<SendCommand, { kind: 'message' }>

/** Meta's `POST /{version}/{phone_number_id}/messages`, with the documented answers and errors. */
export async function sendAtMeta(stage: Stage, numberId: string, request: Request): Promise<Response> {
  const text = await request.text()
  const body = parseJson(text)
  return await stage.send(request, { number: numberId, body: body ?? text }, () => {
    const number = stage.world.number(numberId)
    const token = bearerToken(request)
    if (token === null) return refused(tokenMissing)
    if (number === null || number.account.dialect !== 'meta') return refused(unknownObject(numberId, 'POST'))
    if (token !== number.account.access_token) return refused(tokenWrong)
    return readCloudSend(stage, number, body)
  })
}

/** Reads a body of the Cloud API, for a number that may send. Whoever hosts that API takes the same bodies. */
export function readCloudSend(stage: Stage, number: BusinessNumber, body: unknown): ReadSend {
  const command = parseSend(body)
  if (command.kind === 'refused') return refused(command.error)
  if (command.kind === 'read') return markRead(stage, number, command)
  const customer = recipientOf(stage, number, command)
  if ('code' in customer) return refused(customer)
  const { content, replyTo, callbackData } = command
  return {
    ...{ kind: 'message', number, customer, draft: { content, replyTo, callbackData } },
    answer: message => accepted(command.recipient, customer, message),
  }
}

function recipientOf({ world, exchange }: Stage, number: BusinessNumber, command: Command): Customer | MetaError {
  const { recipient } = command
  if (recipient.by === 'phone')
    return recipient.phone === number.display_phone_number.replace(/\D/g, '')
      ? sameRecipient
      : exchange.customer(recipient.phone)
  return world.customer(recipient.input) ?? invalidValue('Param recipient is not known to this business')
}

function markRead(
  { world, exchange, onTyping }: Stage,
  number: BusinessNumber,
  command: Extract<SendCommand, { kind: 'read' }>,
): ReadSend {
  const located = world.message(command.messageId)
  if (located?.message.direction !== 'inbound' || located.chat.number !== number.id)
    return refused(invalidParameter('Param message_id is not the id of a message this number received.'))
  exchange.markRead(located)
  if (command.typing) onTyping(number.id, located.chat.customer)
  return { kind: 'answered', answer: { status: 200, body: { success: true } } }
}

function accepted({ by, input }: Recipient, customer: Customer, { id }: ChatMessage): Answer {
  const contact = by === 'phone' ? { input, wa_id: customer.wa_id ?? input } : { input, user_id: customer.user_id }
  return { status: 200, body: { messaging_product: 'whatsapp', contacts: [contact], messages: [{ id }] } }
}

const refusals: Readonly<Record<Refusal, MetaError>> = {
  throttled: applicationLimit,
  over_throughput: rateLimit,
  over_pair_rate: pairRateLimit,
  failing: somethingWrong,
  unavailable: serviceUnavailable,
  unauthorized: tokenWrong,
  rejected: invalidValue('The message is refused, as it was asked for here.'),
}

export function refuseAtMeta(refusal: Refusal): RefusedAs {
  return { kind: 'answered', answer: errorAnswer(refusals[refusal]) }
}

export function errorAnswer(error: MetaError): Answer {
  return { status: error.status, body: errorBody(error) }
}

function refused(error: MetaError): ReadSend {
  return { kind: 'answered', answer: errorAnswer(error) }
}

/** The token of `Authorization: Bearer …`, or null. */
export function bearerToken(request: Request): string | null {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
}
