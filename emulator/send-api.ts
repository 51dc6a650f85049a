import type { Exchange } from './exchange.ts'
import type { FaultQueue, SendFault } from './faults.ts'
import type { Answer, Draft, ReadSend, Refusal, SendApi } from './read-send.ts'
import type { BusinessNumber } from './records.ts'
import type { SendLog, SendRequest } from './send-log.ts'
import type { Throttle } from './throttle.ts'
import type { Wording } from './wording.ts'

type Parts = {
  readonly exchange: Exchange
  readonly throttle: Throttle
  readonly faults: FaultQueue
  readonly sends: SendLog
  readonly wordingOf: (number: BusinessNumber) => Wording
}

type Message = Extract<ReadSend, { kind: 'message' }>

const malformedBody = '<html>Sorry, something went wrong.</html>'

/** What every provider's send API has in common: the log, the rates, the faults asked for, and messages that come of it. */
export function makeSendApi(parts: Parts): SendApi {
  const { exchange, throttle, faults, sends, wordingOf } = parts

  return async function send(request, logged, read) {
    const entry = sends.begin(logged.number, logged.body)
    const found = await read()
    if (found.kind === 'answered') return answered(entry, found.answer)
    const { number, customer } = found
    const admitted = wordingOf(number).hasRates ? throttle.admit(number.id, customer.id) : 'admitted'
    if (admitted !== 'admitted') return refused(entry, found, admitted)
    const fault = faults.takeSend(number.id)
    if (fault === null) return answered(entry, accept(entry, found))
    entry.fault = fault.kind
    return await withFault(entry, request, fault, found)
  }

  function accept(entry: SendRequest, { number, customer, draft, answer }: Message): Answer {
    const message = exchange.accept(number, customer, draft)
    entry.message_id = message.id
    return answer(message)
  }

  function refused(entry: SendRequest, found: Message, refusal: Refusal): Response {
    const as = wordingOf(found.number).refuse(refusal, found.number)
    if (as.kind === 'answered') return answered(entry, as.answer)
    return answered(entry, accept(entry, as.kind === 'fails' ? failing(found, as.failure) : found))
  }

  async function withFault(entry: SendRequest, request: Request, fault: SendFault, found: Message): Promise<Response> {
    switch (fault.kind) {
      case '429':
        return refused(entry, found, fault.code === 4 ? 'throttled' : 'over_throughput')
      case '500':
        return refused(entry, found, 'failing')
      case '503':
        return refused(entry, found, 'unavailable')
      case 'unauthorized':
      case 'rejected':
        return refused(entry, found, fault.kind)
      case 'undeliverable':
        return answered(entry, accept(entry, failing(found, 'undeliverable')))
      case 'hang':
        accept(entry, found)
        return await silence(entry, request.signal)
      case 'hang_lost':
        return await silence(entry, request.signal)
      case 'reset':
        if (fault.accepted) accept(entry, found)
        return brokenOff(entry)
      case 'malformed':
        sends.answered(entry, accept(entry, found).status, malformedBody)
        return new Response(malformedBody, { status: entry.status ?? 200, headers: { 'content-type': 'text/html' } })
      case 'slow': {
        const response = answered(entry, accept(entry, found))
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

  function answered(entry: SendRequest, answer: Answer): Response {
    sends.answered(entry, answer.status, answer.body)
    return respond(answer)
  }
}

/** An answer of a provider's API as JSON. */
export function respond({ status, body }: Answer): Response {
  return Response.json(body, { status })
}

function failing(found: Message, failure: NonNullable<Draft['failure']>): Message {
  return { ...found, draft: { ...found.draft, failure } }
}

/** Parses JSON; null where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
