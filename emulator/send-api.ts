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
} from './dialects/meta-errors.ts'
import { parseSend, type SendCommand } from './dialects/meta-parse-send.ts'
import type { Exchange } from './exchange.ts'
import type { FaultQueue, SendFault } from './faults.ts'
import type { BusinessNumber, Customer } from './records.ts'
import type { SendLog, SendRequest } from './send-log.ts'
import type { Throttle } from './throttle.ts'
import type { World } from './world.ts'

type Parts = {
  readonly world: World
  readonly exchange: Exchange
  readonly throttle: Throttle
  readonly faults: FaultQueue
  readonly sends: SendLog
  readonly onTyping: (number: string, customer: string) => void
}

type Message = Extract<SendCommand, { kind: 'message' }>

const malformedBody = '<html>Sorry, something went wrong.</html>'

/** Meta's `POST /{version}/{phone_number_id}/messages`, with the documented answers and errors, and the faults asked for. */
export function makeSendApi(parts: Parts) {
  const { world, exchange, throttle, faults, sends } = parts

  return async function send(numberId: string, request: Request): Promise<Response> {
    const text = await request.text()
    const body = parseJson(text)
    const entry = sends.begin(numberId, body ?? text)
    const number = world.number(numberId)
    const token = bearerToken(request)
    if (token === null) return answer(entry, tokenMissing)
    if (number === null) return answer(entry, unknownObject(numberId, 'POST'))
    if (token !== number.account.access_token) return answer(entry, tokenWrong)
    const command = parseSend(body)
    if (command.kind === 'refused') return answer(entry, command.error)
    if (command.kind === 'read') return read(entry, number, command)
    const customer = recipientOf(number, command)
    if ('code' in customer) return answer(entry, customer)
    const admitted = throttle.admit(number.id, customer.id)
    if (admitted !== 'admitted') return answer(entry, admitted === 'over_throughput' ? rateLimit : pairRateLimit)
    const fault = faults.takeSend(number.id)
    if (fault === null) return accepted(entry, number, customer, command)
    entry.fault = fault.kind
    return await withFault(entry, request, fault, () => accepted(entry, number, customer, command))
  }

  function recipientOf(number: BusinessNumber, { recipient }: Message): Customer | MetaError {
    if (recipient.by === 'phone')
      return recipient.phone === number.display_phone_number.replace(/\D/g, '')
        ? sameRecipient
        : exchange.customer(recipient.phone)
    return world.customer(recipient.input) ?? invalidValue('Param recipient is not known to this business')
  }

  function read(entry: SendRequest, number: BusinessNumber, command: Extract<SendCommand, { kind: 'read' }>): Response {
    const located = world.message(command.messageId)
    if (located?.message.direction !== 'inbound' || located.chat.number !== number.id)
      return answer(entry, invalidParameter('Param message_id is not the id of a message this number received.'))
    exchange.markRead(located)
    if (command.typing) parts.onTyping(number.id, located.chat.customer)
    return succeed(entry, { success: true })
  }

  function accepted(entry: SendRequest, number: BusinessNumber, customer: Customer, command: Message): Response {
    const message = exchange.accept(number, customer, command)
    entry.message_id = message.id
    const { by, input } = command.recipient
    const contact = by === 'phone' ? { input, wa_id: customer.wa_id ?? input } : { input, user_id: customer.user_id }
    return succeed(entry, { messaging_product: 'whatsapp', contacts: [contact], messages: [{ id: message.id }] })
  }

  async function withFault(
    entry: SendRequest,
    request: Request,
    fault: SendFault,
    accept: () => Response,
  ): Promise<Response> {
    switch (fault.kind) {
      case '429':
        return answer(entry, fault.code === 4 ? applicationLimit : rateLimit)
      case '500':
        return answer(entry, somethingWrong)
      case '503':
        return answer(entry, serviceUnavailable)
      case 'hang':
        accept()
        return await silence(entry, request.signal)
      case 'hang_lost':
        return await silence(entry, request.signal)
      case 'reset':
        if (fault.accepted) accept()
        return brokenOff(entry)
      case 'malformed':
        accept()
        sends.answered(entry, 200, malformedBody)
        return new Response(malformedBody, { headers: { 'content-type': 'text/html' } })
      case 'slow': {
        const response = accept()
        await Bun.sleep(fault.ms)
        entry.duration_ms = Date.now() - entry.at
        return response
      }
    }
  }

  /** Never answers: ends when the bot gives up. */
  function silence(entry: SendRequest, signal: AbortSignal): Promise<Response> {
    unanswered(entry)
    return new Promise(resolve => {
      signal.addEventListener('abort', () => resolve(new Response(null, { status: 504 })), { once: true })
    })
  }

  /** A body that breaks before its first byte makes the server close the connection without a word. */
  function brokenOff(entry: SendRequest): Response {
    unanswered(entry)
    return new Response(new ReadableStream({ pull: controller => controller.error(undefined) }))
  }

  function unanswered(entry: SendRequest): void {
    Object.assign(entry, { status: null, answer: null, duration_ms: null })
  }

  function succeed(entry: SendRequest, body: unknown): Response {
    sends.answered(entry, 200, body)
    return Response.json(body)
  }

  function answer(entry: SendRequest, error: MetaError): Response {
    const body = errorBody(error)
    sends.answered(entry, error.status, body)
    return Response.json(body, { status: error.status })
  }
}

/** The token of `Authorization: Bearer …`, or null. */
export function bearerToken(request: Request): string | null {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
