import type { Caller } from '../identity/callers.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { SocketHandlers } from '../lib/serve.ts'
import type { Callers } from './callers.ts'
import type { GatewayOptions } from './options.ts'
import { openRoom, type Room, type Socket, SocketOwner } from './socket-room.ts'

/** The WebSockets of this process. */
export type Sockets = {
  readonly handlers: SocketHandlers
  /** How many callers have changed so far: who was read before the last of them may be out of date. */
  changes(): number
  /**
   * Has `upgrade` open a socket of the tenant, once this process hears of all that happens to it: whoever reads over the
   * API from then on misses nothing. Throws `overloaded` where there is no room for one more, or nothing is heard.
   */
  admit(tenantId: string, upgrade: () => boolean): Promise<boolean>
  /** Ends all of them, so that they are opened again elsewhere, and takes no more. */
  close(): void
}

/** Why this side closes a socket, as its code says (4000 and up are an application's own, RFC 6455). */
const closeCodes = {
  restart: [1012, 'The server restarts: connect again'],
  not_understood: [4400, 'Send nothing but {"type":"ping"}'],
  ended: [4401, 'The login or the key has changed or ended: get another ticket'],
  too_slow: [4408, 'Events were not taken fast enough: connect again, and read what was missed'],
  too_many: [4429, 'Too many sockets of this tenant, or messages on this one'],
} as const satisfies Record<string, readonly [number, string]>

const socketsPerTenantMax = 1_000
const socketsMax = 20_000
/** What may wait for one reader, beyond what the system holds for it: whoever is further behind is let go. */
const waitingBytesMax = 256 * 1024
/** The same for all together: with very many of them, each has less, but this. */
const waitingBytesOfAll = 64 * 1024 * 1024
const waitingBytesMin = 16 * 1024
const messageBytesMax = 1_024
const messagesPerLookMax = 20
/** The runtime pings 16 seconds before: often enough for proxies, which end a connection after a quiet minute. */
const idleSeconds = 60
const lookMs = 1_000
/** Where the hint of a change was lost, it counts after this long. */
const checkMs = 30_000
const closingMs = 2_000
/** Until events are heard: a round trip, where there are several processes. */
const readyMs = 2_000

export function makeSockets(options: GatewayOptions, callers: Callers): Sockets {
  const { bus, clock, log, metrics } = options
  const rooms = new Map<string, Room>()
  let [count, changes, checkedMs, isChecking, isClosing] = [0, 0, 0, false, false]
  let looking: Timer | undefined

  const unsubscribe = bus.subscribe('caller.changed', id => {
    changes++
    // What they may do now is found out with their next ticket.
    for (const [socket, { caller }] of all()) if (caller.id === id) close(socket, 'ended')
  })

  function* all(): Iterable<[Socket, SocketOwner]> {
    for (const { members } of rooms.values()) yield* members
  }

  /** Ends what has run out; from time to time also those whose change was not heard of. */
  function look(): void {
    const nowMs = clock.now()
    for (const [socket, owner] of all()) {
      owner.messages = 0
      if (owner.endsMs <= nowMs) close(socket, 'ended')
    }
    if (nowMs - checkedMs < checkMs || isChecking) return
    checkedMs = nowMs
    isChecking = true
    checkAll()
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'sockets were not checked'))
      .finally(() => {
        isChecking = false
      })
  }

  /** One caller after the other: it is not urgent. */
  async function checkAll(): Promise<void> {
    const byCaller = Map.groupBy(all(), ([, { caller }]) => `${caller.kind} ${caller.id} ${caller.loginId}`)
    for (const own of byCaller.values()) await check(own)
  }

  /** Ends the sockets of one caller who is not any more what they were. */
  async function check(own: readonly [Socket, SocketOwner][]): Promise<void> {
    const [first] = own
    if (first === undefined) return
    const now = await callers.again(first[1].caller)
    for (const [socket, { caller }] of own) if (now === null || !isSame(now, caller)) close(socket, 'ended')
  }

  function close(socket: Socket, reason: keyof typeof closeCodes): void {
    if (socket.readyState !== WebSocket.OPEN) return
    metrics.socketsClosed.inc({ reason })
    const [code, sentence] = closeCodes[reason]
    socket.close(code, sentence)
    // Who does not answer, or not even read, is cut off.
    setTimeout(() => socket.terminate(), closingMs).unref()
  }

  function roomOf(tenantId: string): Room {
    const room = rooms.get(tenantId) ?? openRoom(tenantId, options, { send, giveUp: one => close(one, 'too_slow') })
    rooms.set(tenantId, room)
    return room
  }

  function closeIfEmpty(tenantId: string): void {
    const room = rooms.get(tenantId)
    if (room === undefined || room.members.size > 0 || room.expected > 0) return
    rooms.delete(tenantId)
    room.close()
  }

  function enter(socket: Socket, owner: SocketOwner): void {
    const { members } = roomOf(owner.caller.tenantId)
    if (members.size >= socketsPerTenantMax) {
      close(socket, 'too_many')
      return
    }
    members.set(socket, owner)
    metrics.sockets.set(++count)
    looking ??= setInterval(look, lookMs).unref()
    if (owner.changesBefore !== changes) check([[socket, owner]]).catch(() => close(socket, 'restart'))
  }

  function leave(socket: Socket, { caller: { tenantId } }: SocketOwner): void {
    if (!rooms.get(tenantId)?.members.delete(socket)) return
    metrics.sockets.set(--count)
    closeIfEmpty(tenantId)
    if (count > 0) return
    clearInterval(looking)
    looking = undefined
  }

  /** Not kept for later: who does not read is let go, and reads the rest over the API. */
  function send(socket: Socket, text: string): void {
    if (socket.readyState !== WebSocket.OPEN) return
    const waitingMax = Math.max(waitingBytesMin, Math.min(waitingBytesMax, waitingBytesOfAll / count))
    if (socket.getBufferedAmount() > waitingMax || socket.send(text) === 0) close(socket, 'too_slow')
  }

  function answer(socket: Socket, owner: SocketOwner, message: string | Buffer): void {
    if (++owner.messages > messagesPerLookMax) close(socket, 'too_many')
    else if (isPing(message)) send(socket, pong)
    else close(socket, 'not_understood')
  }

  return {
    handlers: {
      open: socket => onOwn(socket, enter),
      close: socket => onOwn(socket, leave),
      message: (socket, message) => onOwn(socket, (own, owner) => answer(own, owner, message)),
      maxPayloadLength: messageBytesMax,
      idleTimeout: idleSeconds,
      sendPings: true,
      perMessageDeflate: false,
      backpressureLimit: 2 * waitingBytesMax,
    },
    changes: () => changes,
    async admit(tenantId, upgrade) {
      if (isClosing || count >= socketsMax)
        throw new AppError('overloaded', 'There is no room for more sockets here just now.')
      const room = roomOf(tenantId)
      room.expected++
      try {
        const isReady = await Promise.race([room.isReady.then(() => true), Bun.sleep(readyMs).then(() => false)])
        if (!isReady || isClosing) throw new AppError('overloaded', 'Events cannot be heard just now.')
        return upgrade()
      } finally {
        room.expected--
        closeIfEmpty(tenantId)
      }
    },
    close() {
      isClosing = true
      unsubscribe()
      for (const [socket] of [...all()]) close(socket, 'restart')
    },
  }
}

function onOwn(socket: Socket, work: (socket: Socket, owner: SocketOwner) => void): void {
  if (socket.data instanceof SocketOwner) work(socket, socket.data)
}

/** Whether a caller may still do what they could, no more and no less. */
function isSame(a: Caller, b: Caller): boolean {
  return a.role === b.role && a.sellerId === b.sellerId && a.permissions.symmetricDifference(b.permissions).size === 0
}

const pong = '{"type":"pong"}'

function isPing(message: string | Buffer): boolean {
  try {
    const { type, ...rest } = JSON.parse(String(message))
    return typeof message === 'string' && type === 'ping' && Object.keys(rest).length === 0
  } catch {
    return false
  }
}
