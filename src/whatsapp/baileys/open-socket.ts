import type { BaileysEventMap, BinaryNode, WASocket } from '@whiskeysockets/baileys'
import type { Log } from '../../lib/log.ts'
import type { AuthState } from './auth-state.ts'
import { makeBoundedCache } from './bounded-cache.ts'
import { type Library, quietLogger } from './library.ts'
import { makeMessageNotes } from './note-messages.ts'
import { eventOf, isIgnored, readReceipt } from './read-received.ts'
import type { SentMessages } from './sent-messages.ts'
import type { SessionEvent } from './session-events.ts'

export type ConnectionUpdate = BaileysEventMap['connection.update']

/** What a session does with what comes through its socket. */
export type SocketHandlers = {
  onConnection(update: ConnectionUpdate): void
  /** Something is to be written, and then handed over. Where it rejects, WhatsApp is not told that it arrived. */
  onEvent(event: SessionEvent): Promise<void>
  /** A message was written, together with the keys that decrypted it. */
  onNoted(): void
  /** WhatsApp has taken one of our messages; `error`: or refuses it. */
  onAck(id: string, error: string | null): void
  /** A message of ours is encrypted: from now on it may have left. */
  onEncrypted(): void
  /** Something could not be written: the socket must not go on. */
  onFailure(error: unknown): void
}

const minuteMs = 60_000
/** How long the library may hold back what it tells of by itself: it forgets to, up to half a minute (7.0.0-rc14). */
const flushMs = 300

/** For one message, before the next is begun all the same: the library may wait a minute for an answer. */
const stuckMs = 10_000

export type Caches = ReturnType<typeof makeCaches>

/** What outlives one socket of a session. */
export function makeCaches() {
  return {
    msgRetryCounterCache: makeBoundedCache(1_000, 60 * minuteMs),
    userDevicesCache: makeBoundedCache(2_000, 5 * minuteMs),
    callOfferCache: makeBoundedCache(200, 5 * minuteMs),
    placeholderResendCache: makeBoundedCache(500, 60 * minuteMs),
  }
}

/**
 * Opens a socket. A message is written where it is decrypted, and a receipt taken from its stanza, each before it is
 * acknowledged: what WhatsApp believes to be here is here.
 */
export function openSocket(options: {
  readonly library: Library
  readonly auth: AuthState
  readonly sent: SentMessages
  readonly caches: Caches
  readonly handlers: SocketHandlers
  readonly log: Log
  readonly botId: string
  /** Null: WhatsApp's own. */
  readonly webSocketUrl: string | null
}): WASocket {
  const { library, auth, sent, caches, handlers, log, botId, webSocketUrl } = options
  const { FULL, RECENT } = library.proto.HistorySync.HistorySyncType
  const { onNoted, onEncrypted } = handlers
  const notes = makeMessageNotes({ library, auth, onNoted, onEncrypted })
  const socket = library.makeWASocket({
    auth: { creds: auth.creds, keys: auth.keys },
    ...(webSocketUrl === null ? {} : { waWebSocketUrl: webSocketUrl }),
    ...caches,
    logger: quietLogger(log, botId),
    // Else the phone shows no notifications any more.
    markOnlineOnConnect: false,
    syncFullHistory: false,
    // The other kinds tell whose each linked identity is.
    shouldSyncHistoryMessage: ({ syncType }) => syncType !== FULL && syncType !== RECENT,
    emitOwnEvents: false,
    shouldIgnoreJid: jid => isIgnored(library, jid),
    getMessage: key => sent.find(key.id ?? ''),
    // What cannot be written ends the socket; the session tries again, not the library.
    transactionOpts: { maxCommitRetries: 1, delayBetweenTriesMs: 1 },
    makeSignalRepository: (signalAuth, logger, lidsOf) =>
      notes.wrap(library.DEFAULT_CONNECTION_CONFIG.makeSignalRepository(signalAuth, logger, lidsOf), signalAuth),
  })

  async function tellReceipt(stanza: BinaryNode): Promise<void> {
    for (const { id, status, ...receipt } of readReceipt(library, stanza)) {
      const reference = await sent.reference(id)
      await handlers.onEvent({
        kind: 'status',
        id: `${id}/${status}`,
        data: JSON.stringify({ ...receipt, reference }),
        waitMs: 0,
      })
    }
  }

  function tellMessages({ messages }: BaileysEventMap['messages.upsert']): void {
    const { me } = auth.creds
    if (me === undefined) return
    for (const message of messages) {
      const event = eventOf(library, message, me)
      if (event !== null && !notes.has(event.id)) handlers.onEvent(event).catch(handlers.onFailure)
    }
  }

  socket.ev.on('connection.update', handlers.onConnection)
  socket.ev.on('creds.update', () => void auth.save().catch(handlers.onFailure))
  socket.ev.on('messages.upsert', tellMessages)
  socket.ws.on('CB:ack,class:message', (node: BinaryNode) =>
    handlers.onAck(node.attrs.id ?? '', node.attrs.error ?? null),
  )
  firstOf(socket, 'CB:receipt', tellReceipt, handlers.onFailure)
  oneByOne(socket, 'CB:message', notes.read)
  flushSoon(socket)
  return socket
}

/** Has `work` done on each stanza before the library gets it, in order; where that fails, it does not get it at all. */
function firstOf(
  { ws }: WASocket,
  event: string,
  work: (stanza: BinaryNode) => Promise<void>,
  onFailure: (error: unknown) => void,
): void {
  const library = ws.listeners(event)
  let last = Promise.resolve()
  ws.removeAllListeners(event)
  ws.on(event, (stanza: BinaryNode) => {
    last = last
      .then(() => work(stanza))
      .then(() => {
        for (const listener of library) Reflect.apply(listener, ws, [stanza])
      })
      .catch(onFailure)
  })
}

/**
 * Has the library take one stanza after the other, `look` before each. By itself it begins with the next before it is done
 * with the last, and a customer's second message may come before the first; those that waited while the device was away it
 * takes beside the new ones. So they too come as if they were new (7.0.0-rc14, `processNode`).
 */
function oneByOne({ ws }: WASocket, event: string, look: (stanza: BinaryNode) => void): void {
  const library = ws.listeners(event)
  let last: Promise<unknown> = Promise.resolve()
  ws.removeAllListeners(event)
  ws.on(event, (stanza: BinaryNode) => {
    look(stanza)
    delete stanza.attrs.offline
    const take = () => Promise.allSettled(library.map(listener => Reflect.apply(listener, ws, [stanza])))
    last = last.then(() => atMost(stuckMs, take()))
  })
}

/** Resolves with the work, or after a while without it. */
function atMost(ms: number, work: Promise<unknown>): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const timer = setTimeout(resolve, ms)
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}

/** Has the library tell of what it holds back, a moment after each message. */
function flushSoon({ ws, ev }: WASocket): void {
  let isPending = false
  ws.on('CB:message', () => {
    if (isPending) return
    isPending = true
    setTimeout(() => {
      isPending = false
      ev.flush()
    }, flushMs).unref()
  })
}
