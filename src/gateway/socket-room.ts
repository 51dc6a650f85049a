import type { ServerWebSocket } from 'bun'
import type { Caller } from '../identity/callers.ts'
import { makeBatcher } from '../lib/batcher.ts'
import { messageOf } from '../lib/errors.ts'
import { findSellers, type HeardEvent, mayHear, readEvents } from './audience.ts'
import type { GatewayOptions } from './options.ts'

/** Batches of events that are looked up together, and that wait for it at most. */
const batchMax = 100
const queueMax = 1_000

export type Socket = ServerWebSocket<unknown>

/** Whose socket it is: what `upgrade` is given. */
export class SocketOwner {
  readonly caller: Caller
  /** When what they asked for the ticket with runs out. */
  readonly endsMs: number
  /** How many callers had changed before this one was read. */
  readonly changesBefore: number
  /** Messages since the last look at all sockets. */
  messages = 0

  constructor(caller: Caller, endsMs: number, changesBefore: number) {
    this.caller = caller
    this.endsMs = endsMs
    this.changesBefore = changesBefore
  }
}

/** The sockets of one tenant in this process. */
export type Room = {
  readonly members: Map<Socket, SocketOwner>
  /** Those that are being opened. */
  expected: number
  /** Resolves once it hears of whatever happens to the tenant from then on. */
  readonly isReady: Promise<void>
  /** Hears of nothing any more. */
  close(): void
}

/**
 * Opens one, on the bus. `send` gives an event to a socket; `giveUp` is for one that has missed some. Events go out in
 * the order in which they came. Nobody waits for those who are tied to a seller: of their events it is looked up whose
 * they are.
 */
export function openRoom(
  tenantId: string,
  { bus, database, log }: Pick<GatewayOptions, 'bus' | 'database' | 'log'>,
  {
    send,
    giveUp,
  }: { readonly send: (socket: Socket, text: string) => void; readonly giveUp: (socket: Socket) => void },
): Room {
  const members: Room['members'] = new Map()
  const untold = makeBatcher<readonly HeardEvent[], void>({
    ...{ batchMax, queueMax },
    async work(batches) {
      await tellTied(batches.flat())
      return batches.map(() => undefined)
    },
  })

  function hear(payload: string): void {
    try {
      tell(readEvents(payload))
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the sockets could not be told of events')
    }
  }

  function tell(events: readonly HeardEvent[]): void {
    let isAnyTied = false
    for (const [socket, { caller }] of members)
      if (caller.sellerId !== null) isAnyTied = true
      else for (const event of events) if (mayHear(caller, event)) send(socket, event.text)
    if (isAnyTied) untold.add(events).catch(giveUpTied)
  }

  function* tied(): Iterable<[Socket, Caller]> {
    for (const [socket, { caller }] of members) if (caller.sellerId !== null) yield [socket, caller]
  }

  function giveUpTied(): void {
    for (const [socket] of tied()) giveUp(socket)
  }

  async function tellTied(events: readonly HeardEvent[]): Promise<void> {
    const sellerOf = await findSellers(database, tenantId, events).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'it is not known whose events are: who is tied to a seller misses them')
      return () => null
    })
    for (const [socket, caller] of tied())
      for (const event of events) {
        const seller = sellerOf(event)
        if (mayHear(caller, event) && (seller === undefined || seller === caller.sellerId)) send(socket, event.text)
      }
  }

  const { promise: isReady, resolve } = Promise.withResolvers<void>()
  return { members, expected: 0, isReady, close: bus.subscribe(`events:${tenantId}`, hear, resolve) }
}
