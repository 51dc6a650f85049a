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

/** How long an answer that never comes keeps its connection. */
const hangMs = 600_000

/** Meta's `POST /{version}/{phone_number_id}/messages`, with the documented answers and errors, and the faults asked for. */
export function makeSendApi(parts: Parts) {
  const { world, exchange, throttle, faults, sends } = parts

  return async function send(numberId: string, request: Request): Promise<Response> {
    const text = await request.text()
    const body = parseJson(text)
    const entry = sends.begin(numberId, body ?? text)
    const number = world.number(numberId)
    const refusal = number === null ? unknownObject(numberId, 'POST') : authorize(request, number)
    if (refusal !== null || number === null) return answer(entry, refusal ?? tokenWrong)
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
    return await withFault(entry, number, customer, command, fault)
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
    if (located?.message.direction !== 'inbound') return answer(entry, invalidParameter('Unknown message_id.'))
    world.raiseStatus(command.messageId, 'read')
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
    number: BusinessNumber,
    customer: Customer,
    command: Message,
    fault: SendFault,
  ): Promise<Response> {
    const accept = () => accepted(entry, number, customer, command)
    switch (fault.kind) {
      case '429':
        return answer(entry, fault.code === 4 ? applicationLimit : rateLimit)
      case '500':
        return answer(entry, somethingWrong)
      case '503':
        return answer(entry, serviceUnavailable)
      case 'hang':
        accept()
        return await silence(entry)
      case 'hang_lost':
        return await silence(entry)
      case 'reset':
        if (fault.accepted) accept()
        return brokenOff(entry)
      case 'malformed':
        accept()
        return new Response('<html>Sorry, something went wrong.</html>', { headers: { 'content-type': 'text/html' } })
      case 'slow': {
        const response = accept()
        await Bun.sleep(fault.ms)
        return response
      }
    }
  }

  async function silence(entry: SendRequest): Promise<Response> {
    Object.assign(entry, { status: null, answer: null, duration_ms: null })
    await Bun.sleep(hangMs)
    return new Response(null, { status: 504 })
  }

  /** An answer that breaks off before its first byte: the runtime closes the connection, and says nothing of it. */
  function brokenOff(entry: SendRequest): Response {
    Object.assign(entry, { status: null, answer: null, duration_ms: null })
    const start = (controller: ReadableStreamDefaultController) => {
      setTimeout(() => controller.error(undefined), 1)
    }
    return new Response(new ReadableStream({ start }))
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

function authorize(request: Request, number: BusinessNumber): MetaError | null {
  const given = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (given === undefined) return tokenMissing
  return given === number.account.access_token ? null : tokenWrong
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
