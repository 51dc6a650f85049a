import { AsyncLocalStorage } from 'node:async_hooks'
import type { WASocket } from '@whiskeysockets/baileys'
import type { Sealer } from '../../lib/crypto.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Database } from '../../stores/postgres/database.ts'
import { makeAcks } from './acks.ts'
import { type AuthState, isHalfPaired, isPaired, loadAuthState } from './auth-state.ts'
import { makeBoundedCache } from './bounded-cache.ts'
import { type AfterClose, afterClose, type Failures, noFailures } from './close-policy.ts'
import { codeOf, endQueries } from './close-socket.ts'
import { type PostEvent, startHandOver } from './hand-over.ts'
import { type Claimed, type Lease, LeaseLost, releaseLease, type Standstill } from './leases.ts'
import type { Library } from './library.ts'
import { type ConnectionUpdate, makeCaches, openSocket, type SocketHandlers } from './open-socket.ts'
import type { SessionConnection } from './protocol.ts'
import { ackReceipt } from './read-received.ts'
import type { Sending } from './send-message.ts'
import { makeSentMessages } from './sent-messages.ts'
import { makeSessionEvents } from './session-events.ts'
import { makeSessionRows, UnreadableRow } from './session-rows.ts'

/** What all sessions of a bridge share. */
export type SessionParts = {
  readonly library: Library
  readonly database: Database
  readonly sealer: Sealer
  readonly log: Log
  readonly post: PostEvent
  /** Another WhatsApp Web, for tests; null: WhatsApp's own. */
  readonly webSocketUrl: string | null
  /** Another host for files, for tests; null: WhatsApp's own. */
  readonly mediaOrigin: string | null
}

/** One account's session, for as long as this process has its lease. */
export type Session = {
  readonly lease: Lease
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>
  connection(): SessionConnection
  /** Resolves at the next change of the connection, or after a while. */
  changed(ms: number): Promise<void>
  /** What a send takes; null while the socket is not open. */
  sending(): Sending | null
  /** Pairs by a code for this number (E.164), or by a QR code, from now on. Changes nothing in a session that is paired. */
  pairBy(phone: string | null): Promise<void>
  /** Closes the socket and gives the lease back: for anybody, or with a standstill. `logsOut`: the phone forgets the device. */
  end(options: { readonly standstill: Standstill | null; readonly logsOut?: boolean }): Promise<void>
  /** The lease is lost: closes the socket at once, and writes nothing any more. */
  abandon(): void
}

const dayMs = 86_400_000
/** How long WhatsApp shows the first code of a socket, and each of the five after it (Baileys 7.0.0-rc14, `qrTimeout`). */
const [firstCodeMs, nextCodeMs, codesMs] = [60_000, 20_000, 160_000]
/** Shorter breaks are nobody's news. */
const breakMs = 3_000
/** For a socket to close in good order. */
const closeMs = 2_000
/** For the adapter to hear of the end. */
const tellMs = 3_000

const connecting: SessionConnection = { kind: 'connecting', reason: 'The bot is connecting to WhatsApp.' }
const reconnecting: SessionConnection = { kind: 'connecting', reason: 'The connection to WhatsApp is down just now.' }
const held: SessionConnection = {
  kind: 'connecting',
  reason: 'Too much waits to be taken in: WhatsApp keeps what comes until that is done.',
}

const unreadable: Standstill = {
  state: 'refused',
  reason:
    'The keys of the session are of another ENCRYPTION_KEY: give this installation that one back, or log the bot out and pair it again.',
}

/** `onGone`: the lease is given back, or lost. */
export function startSession(parts: SessionParts, { lease, pairingPhone }: Claimed, onGone: () => void): Session {
  const { library, database, sealer, log, post, webSocketUrl, mediaOrigin } = parts
  const { botId } = lease
  const rows = makeSessionRows(database, sealer, lease)
  const events = makeSessionEvents(database, sealer, lease)
  const sent = makeSentMessages(library, rows)
  const caches = makeCaches()
  const addresses = makeBoundedCache(1_000, dayMs)
  const uploads = makeBoundedCache(200, dayMs / 4)
  const acks = makeAcks()
  const encryption = new AsyncLocalStorage<{ hasEncrypted: boolean }>()
  const isSent = async (messageId: string) => (await sent.reference(messageId)) !== null
  const handOver = startHandOver({ botId, events, post, log, isSent, onFull: hold, onFree: resume })

  let state: 'running' | 'held' | 'ended' = 'running'
  let auth: AuthState | undefined
  let socket: WASocket | undefined
  let connection = connecting
  let changes = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let failures: Failures = noFailures
  let openedAt: number | null = null
  let codes = 0
  let phone = pairingPhone
  let timer: Timer | undefined
  let newsTimer: Timer | undefined

  async function open(): Promise<void> {
    try {
      if (auth === undefined || isHalfPaired(auth.creds))
        auth = await loadAuthState({ library, rows, events, onFailure: fail })
      // Something may not have been written when the socket before closed.
      else await auth.save()
    } catch (error) {
      if (error instanceof UnreadableRow) return await finish(unreadable, false)
      return fail(error)
    }
    if (state !== 'running' || socket !== undefined) return
    codes = 0
    openedAt = null
    const mine: { socket?: WASocket } = {}
    const handlers = handlersOf(() => mine.socket !== undefined && mine.socket === socket)
    mine.socket = openSocket({ library, auth, sent, caches, handlers, log, botId, webSocketUrl })
    socket = mine.socket
  }

  /** What a socket tells after its end is of no use. */
  function handlersOf(isCurrent: () => boolean): SocketHandlers {
    return {
      onConnection: update => (isCurrent() ? onConnection(update) : undefined),
      async onEvent(event) {
        await events.save(event)
        handOver.wake()
      },
      onNoted: handOver.wake,
      onAck: (id, error) => (acks.settle(id, error) ? undefined : void onLateAck(id, error).catch(fail)),
      onEncrypted() {
        const watched = encryption.getStore()
        if (watched !== undefined) watched.hasEncrypted = true
      },
      onFailure: error => (isCurrent() ? fail(error) : undefined),
    }
  }

  function onConnection({ qr, connection: change, lastDisconnect }: ConnectionUpdate): void {
    if (qr !== undefined) void showCode(qr).catch(fail)
    if (change === 'open') onOpen()
    if (change === 'close') onClose(codeOf(lastDisconnect?.error))
  }

  function onOpen(): void {
    openedAt = performance.now()
    set({ kind: 'connected', reason: null })
  }

  async function showCode(qr: string): Promise<void> {
    codes++
    if (phone === null) {
      const expiresAt = new Date(Date.now() + (codes === 1 ? firstCodeMs : nextCodeMs))
      return set({ kind: 'pairing', qr, pairingCode: null, expiresAt })
    }
    if (codes > 1) return
    const pairingCode = await socket?.requestPairingCode(phone.replace(/\D/g, ''))
    const expiresAt = new Date(Date.now() + codesMs)
    if (pairingCode !== undefined) set({ kind: 'pairing', qr: null, pairingCode, expiresAt })
  }

  /** Nobody waited for it: what it says is told as a status. */
  async function onLateAck(id: string, error: string | null): Promise<void> {
    const reference = await sent.reference(id)
    if (reference === null) return
    const { status, ...receipt } = ackReceipt(id, error, Date.now())
    const data = JSON.stringify({ ...receipt, reference })
    await events.save({ kind: 'status', id: `${id}/${status}`, data, waitMs: 0 })
    handOver.wake()
  }

  function onClose(code: number): void {
    const openMs = openedAt === null ? 0 : performance.now() - openedAt
    const isKnown = auth !== undefined && isPaired(auth.creds)
    const closed = forgetSocket()
    if (closed !== undefined) endQueries(closed)
    log.info({ bot_id: botId, code }, 'a session closed')
    const next = afterClose({ code, isPaired: isKnown, openMs }, failures, Math.random())
    void goOn(next)
  }

  async function goOn(next: AfterClose): Promise<void> {
    if (next.kind === 'reconnect') {
      failures = next.failures
      return openIn(next.delayMs)
    }
    log.warn({ bot_id: botId, reason: next.standstill.reason }, 'a session has ended')
    await finish(next.standstill, next.forgets)
  }

  function openIn(delayMs: number): void {
    if (state !== 'running') return
    set(reconnecting)
    clearTimeout(timer)
    timer = setTimeout(() => {
      timer = undefined
      void open()
    }, delayMs)
  }

  /** The session's rows cannot be written: without them the socket must not go on. */
  function fail(error: unknown): void {
    const isWaiting = socket === undefined && timer !== undefined
    if (state === 'ended' || isWaiting) return
    if (error instanceof LeaseLost) abandon()
    else {
      log.warn({ bot_id: botId, error: messageOf(error) }, 'a session is closed for a while')
      void closeSocket()
      void goOn(afterClose({ code: 428, isPaired: true, openMs: 0 }, failures, Math.random()))
    }
  }

  function forgetSocket(): WASocket | undefined {
    const before = socket
    socket = undefined
    acks.loseAll()
    return before
  }

  async function closeSocket(): Promise<void> {
    const closing = forgetSocket()
    if (closing === undefined) return
    await Promise.race([closing.end(undefined), Bun.sleep(closeMs)])
    endQueries(closing)
  }

  function hold(): void {
    if (state !== 'running') return
    state = 'held'
    set(held)
    void closeSocket()
  }

  function resume(): void {
    if (state !== 'held') return
    state = 'running'
    void open()
  }

  function set(next: SessionConnection): void {
    connection = next
    changes.resolve()
    changes = Promise.withResolvers()
    clearTimeout(newsTimer)
    if (next.kind === 'connecting') newsTimer = setTimeout(() => handOver.tell(next), breakMs)
    else handOver.tell(next)
  }

  function stopTimers(): void {
    state = 'ended'
    clearTimeout(timer)
    clearTimeout(newsTimer)
  }

  /** Where the database cannot be reached, the lease runs out by itself, and whoever takes it next comes to the same end. */
  async function finish(standstill: Standstill | null, forgets: boolean): Promise<void> {
    stopTimers()
    await closeSocket()
    try {
      await releaseLease(database, lease, standstill, forgets)
    } catch (error) {
      log.warn({ bot_id: botId, error: messageOf(error) }, 'the end of a session could not be written')
    }
    onGone()
    if (standstill !== null && standstill.state !== 'ended') {
      set({ kind: standstill.state, reason: standstill.reason })
      await Promise.race([handOver.told(), Bun.sleep(tellMs)])
    }
    await handOver.stop()
    ended.resolve()
  }

  function abandon(): void {
    if (state === 'ended') return
    stopTimers()
    log.warn({ bot_id: botId }, 'a session was given up: its lease is lost, or could not be renewed')
    onGone()
    void Promise.all([closeSocket(), handOver.stop()]).then(() => ended.resolve())
  }

  void open()
  return {
    lease,
    ended: ended.promise,
    connection: () => connection,
    changed: ms => Promise.race([changes.promise, Bun.sleep(ms)]),
    sending() {
      if (socket === undefined || connection.kind !== 'connected') return null
      return { library, socket, sent, addresses, uploads, mediaOrigin, waitForAck: acks.wait, watchEncryption }
    },
    async pairBy(asked) {
      if (asked === phone || (auth !== undefined && isPaired(auth.creds))) return
      phone = asked
      clearTimeout(timer)
      timer = undefined
      await closeSocket()
      set(connecting)
      await open()
    },
    async end({ standstill, logsOut = false }) {
      if (state === 'ended') return
      stopTimers()
      if (logsOut) await socket?.logout().catch(() => undefined)
      await finish(standstill, logsOut)
    },
    abandon,
  }

  async function watchEncryption<T>(work: () => Promise<T>) {
    const watched = { hasEncrypted: false }
    const [result] = await Promise.allSettled([encryption.run(watched, work)])
    return { result, hasEncrypted: watched.hasEncrypted }
  }
}
