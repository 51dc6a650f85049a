import { createWriteStream, mkdirSync, readdirSync, rmSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'

export type Log = pino.Logger
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

const filesKeptDays = 7

/** Names under which a secret could reach a log line by mistake: replaced whatever their value, two levels deep. */
const secretNames = [
  'password',
  'access_token',
  'refresh_token',
  'app_secret',
  'verify_token',
  'api_key',
  'auth_token',
  'webhook_secret',
  'webhook_token',
  'authorization',
  'jwt_secret',
  'encryption_key',
]

type Listener = (line: string) => void

const listenersOf = new WeakMap<Log, Set<Listener>>()

/** JSON lines on stdout, and to a file a day (UTC), kept seven days, where a folder is given. */
export function makeLog(options: { readonly level: LogLevel; readonly dir: string | undefined }): Log {
  const { level } = options
  const listeners = new Set<Listener>()
  const streams: pino.StreamEntry[] = [
    { level, stream: pino.destination({ dest: 1, sync: true }) },
    { level, stream: { write: line => tell(listeners, line) } },
  ]
  if (options.dir !== undefined) streams.push({ level, stream: dailyFiles(options.dir) })
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: label => ({ level: label }) },
      redact: { paths: secretNames.flatMap(name => [name, `*.${name}`, `*.*.${name}`]), censor: '••••' },
    },
    pino.multistream(streams),
  )
  listenersOf.set(log, listeners)
  return log
}

/**
 * Calls back with each line that a log of `makeLog`, or a child of it, writes: as it is written, secrets replaced. The
 * listener must be quick, and never throws. Returns what ends it.
 */
export function listenToLines(log: Log, listener: Listener): () => void {
  const listeners = listenersOf.get(log)
  if (listeners === undefined) throw new Error('only a log of makeLog is listened to')
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

function tell(listeners: ReadonlySet<Listener>, line: string): void {
  for (const listener of listeners) listener(line)
}

function dailyFiles(dir: string): pino.DestinationStream {
  mkdirSync(dir, { recursive: true })
  let day = ''
  let file: WriteStream | undefined
  return {
    write(line) {
      const today = new Date().toISOString().slice(0, 10)
      if (today !== day) {
        day = today
        file?.end()
        file = createWriteStream(join(dir, `dashoffice-${day}.log`), { flags: 'a', mode: 0o640 })
        removeOldFiles(dir)
      }
      file?.write(line)
    },
  }
}

function removeOldFiles(dir: string): void {
  const oldest = new Date(Date.now() - filesKeptDays * 86_400_000).toISOString().slice(0, 10)
  for (const name of readdirSync(dir)) {
    const day = /^dashoffice-(\d{4}-\d{2}-\d{2})\.log$/.exec(name)?.[1]
    if (day !== undefined && day < oldest) rmSync(join(dir, name), { force: true })
  }
}
