import { UsageError } from './errors.ts'

/** An HTTP server on its address. */
export type Server = { readonly url: string; readonly port: number; stop(): Promise<void> }

/** The other end of a request's connection. */
export type Peer = { readonly peerAddress: () => string | undefined }

/** Larger bodies are cut off by the runtime; each route has its own, smaller limit with a proper answer. */
const bodyBytesMax = 64 * 1024 * 1024
const stopDeadlineMs = 5_000

/**
 * Listens. `setting` is the name of the port's setting, for the line that says that the port is taken; port 0 picks a
 * free one. `stop` answers what is under way, for five seconds at most.
 */
export function serve(options: {
  readonly host: string
  readonly port: number
  readonly setting: string
  readonly fetch: (request: Request, peer: Peer) => Response | Promise<Response>
}): Server {
  const { host, port, setting, fetch } = options
  try {
    const server = Bun.serve({
      hostname: host,
      port,
      fetch: (request, bun) => fetch(request, { peerAddress: () => bun.requestIP(request)?.address }),
      maxRequestBodySize: bodyBytesMax,
      idleTimeout: 120,
    })
    const bound = server.port ?? port
    return {
      port: bound,
      url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
      async stop() {
        await Promise.race([server.stop(), Bun.sleep(stopDeadlineMs)])
        await server.stop(true)
      },
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'EADDRINUSE') throw new UsageError(`${setting} is ${port}, but another program listens on that port`)
    if (code === 'EACCES') throw new UsageError(`${setting} is ${port}, but this user may not listen on that port`)
    throw error
  }
}
