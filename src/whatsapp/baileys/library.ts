import { UsageError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

/** Baileys: WhatsApp Web as a library. Its libsignal is under the GPL, so it is loaded by the bridge's process alone. */
export type Library = typeof import('@whiskeysockets/baileys')

type Logger = {
  level: string
  child(): Logger
  trace(data: unknown, text?: string): void
  debug(data: unknown, text?: string): void
  info(data: unknown, text?: string): void
  warn(data: unknown, text?: string): void
  error(data: unknown, text?: string): void
}

export const libraryName = '@whiskeysockets/baileys'

export const libraryMissing = `bots of the provider baileys need the optional package ${libraryName}: run "npm ci" with optional dependencies`

/** Loads the library: half a second, and some hundred megabytes. Throws a `UsageError` where it is not installed. */
export async function loadLibrary(): Promise<Library> {
  try {
    return await import('@whiskeysockets/baileys')
  } catch (error) {
    if (!(error instanceof Error && /Cannot find (module|package)/.test(error.message))) throw error
    throw new UsageError(libraryMissing)
  }
}

/**
 * libsignal 6 tells of its sessions on the console, their private keys among it, past every logger. To be called before
 * anything of the library runs. Nothing of this program writes there.
 */
export function silenceConsole(): void {
  for (const level of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const)
    console[level] = () => undefined
}

/** Takes the library's own log: the words of what fails, and nothing of the data, which holds keys and messages. */
export function quietLogger(log: Log, botId: string): Logger {
  const ignore = () => undefined
  const tell = (_data: unknown, text?: string) => text !== undefined && log.debug({ bot_id: botId }, text)
  const logger: Logger = {
    level: 'silent',
    child: () => logger,
    ...{ trace: ignore, debug: ignore, info: ignore, warn: tell, error: tell },
  }
  return logger
}
