import {
  type AuthenticationCreds,
  initAuthCreds,
  makeWASocket,
  proto,
  type SignalKeyStore,
  type WAMessage,
  type WASocket,
} from '@whiskeysockets/baileys'
import { memoryKeys, silentLogger } from './contact.ts'

/** A linked device as the library alone makes it: nothing of ours is in it. */
export type TestDevice = {
  socket(): WASocket
  qr(): string | undefined
  isOpen(): boolean
  received(): readonly WAMessage[]
  statuses(): readonly number[]
  closedWith(): number | undefined
  /** Connects again with what it knows. */
  reopen(): Promise<void>
  close(): Promise<void>
}

export function openDevice(url: string): TestDevice {
  const creds: AuthenticationCreds = initAuthCreds()
  const keys: SignalKeyStore = memoryKeys()
  const received: WAMessage[] = []
  const statuses: number[] = []
  let [socket, qr, isOpen] = [open(), undefined as string | undefined, false]
  let closedWith: number | undefined

  function open(): WASocket {
    const made = makeWASocket({
      auth: { creds, keys },
      waWebSocketUrl: url,
      logger: silentLogger,
      // Else it waits twenty seconds for the phone's history before it tells of anything.
      shouldSyncHistoryMessage: ({ syncType }) => syncType !== proto.HistorySync.HistorySyncType.RECENT,
    })
    made.ev.on('messages.upsert', ({ messages }) => received.push(...messages))
    made.ev.on('messages.update', updates => statuses.push(...updates.map(({ update }) => update.status ?? -1)))
    made.ev.on('connection.update', update => {
      qr = update.qr ?? qr
      if (update.connection !== undefined) isOpen = update.connection === 'open'
      if (update.connection !== 'close') return
      closedWith = codeOf(update.lastDisconnect?.error)
      if (closedWith === 515) socket = open()
    })
    return made
  }

  /** The library may hold events back for half a minute (7.0.0-rc14: a timer that it takes for set). */
  function told<T>(values: readonly T[]): readonly T[] {
    socket.ev.flush()
    return values
  }

  return {
    socket: () => socket,
    qr: () => qr,
    isOpen: () => isOpen,
    received: () => told(received),
    statuses: () => told(statuses),
    closedWith: () => closedWith,
    async reopen() {
      await socket.end(undefined)
      socket = open()
    },
    close: () => socket.end(undefined),
  }
}

function codeOf(error: unknown): number | undefined {
  const output: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'output') : undefined
  const code: unknown = typeof output === 'object' && output !== null ? Reflect.get(output, 'statusCode') : undefined
  return typeof code === 'number' ? code : undefined
}
