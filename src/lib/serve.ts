import { UsageError } from './errors.ts'

/** An HTTP server on its address. */
export type Server = { readonly url: string; readonly port: number; stop(): Promise<void> }

/** The other end of a request's connection. */
export type Peer = {
  readonly peerAddress: () => string | undefined
  /** Turns the request into a WebSocket with this data. False where it does not ask for one; any answer is ignored after. */
  readonly upgrade: (data: unknown) => boolean
}

/** What is done with WebSockets, see `WebSocketHandler` of the runtime. */
export type SocketHandlers = Bun.WebSocketHandler<unknown>

/** Larger bodies are cut off by the runtime; each route has its own, smaller limit with a proper answer. */
const bodyBytesMax = 128 * 1024 * 1024
/** For what is under way at a stop. */
const stopDeadlineMs = 5_000

const noSockets: SocketHandlers = { message: socket => socket.close() }

/**
 * Listens. `setting` is the name of the port's setting, for the line that says that the port is taken; port 0 picks a
 * free one. `stop` takes no more connections, answers what is under way, for five seconds at most, and says in each answer
 * that the connection ends with it.
 */
export function serve(options: {
  readonly host: string
  readonly port: number
  readonly setting: string
  readonly fetch: (request: Request, peer: Peer) => Response | Promise<Response>
  readonly sockets?: SocketHandlers | undefined
  /** Called once nothing new comes in: what would go on for ever is ended. */
  readonly onStop?: (() => void) | undefined
}): Server {
  const { host, port, setting, fetch, sockets = noSockets, onStop } = options
  let isStopping = false
  try {
    const server = Bun.serve({
      hostname: host,
      port,
      async fetch(request, bun) {
        const answer = await fetch(request, {
          peerAddress: () => bun.requestIP(request)?.address,
          upgrade: data => bun.upgrade(request, { data }),
        })
        if (isStopping) answer.headers.set('connection', 'close')
        return answer
      },
      websocket: sockets,
      maxRequestBodySize: bodyBytesMax,
      idleTimeout: 120,
    })
    const bound = server.port ?? port
    return {
      port: bound,
      url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
      async stop() {
        isStopping = true
        const ended = server.stop()
        onStop?.()
        await Promise.race([ended, Bun.sleep(stopDeadlineMs)])
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
