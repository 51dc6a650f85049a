import type { WASocket } from '@whiskeysockets/baileys'

/**
 * Ends the queries that wait for an answer which cannot come any more. At its end a socket takes no notice of its own
 * close (Baileys 7.0.0-rc14), so that they, and all that they hold, would stay for the minute of a query.
 */
export function endQueries({ ws }: WASocket): void {
  if (ws.listenerCount('error') > 0) ws.emit('error', new Error('The connection to WhatsApp has closed'))
}

/** The library's errors have the code in `output`; 500 stands for those that have none, as in the library. */
export function codeOf(error: unknown): number {
  const output: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'output') : undefined
  const code: unknown = typeof output === 'object' && output !== null ? Reflect.get(output, 'statusCode') : undefined
  return typeof code === 'number' ? code : 500
}
