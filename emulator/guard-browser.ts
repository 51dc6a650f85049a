import type { MiddlewareHandler } from 'hono'
import { Refused } from './read-control.ts'

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

/**
 * Keeps other web pages, open in a browser on the same machine, away from the control API: requests from another
 * origin are refused, and those under a foreign name where the emulator listens on loopback (DNS rebinding).
 */
export function guardBrowser(listensOn: string): MiddlewareHandler {
  const isLoopback = loopbackNames.includes(listensOn) || listensOn === '::1'
  return async (context, next) => {
    const url = new URL(context.req.url)
    const origin = context.req.header('origin')
    if (origin !== undefined && origin !== url.origin) throw new Refused(403, 'Another origin may not do this.')
    if (isLoopback && !loopbackNames.includes(url.hostname)) {
      throw new Refused(403, `The emulator is not reached as ${url.hostname}: use 127.0.0.1 or localhost.`)
    }
    await next()
  }
}
