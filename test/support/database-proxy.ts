import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'

/** A way to a PostgreSQL that a test can cut, as a network does, and mend. */
export type DatabaseProxy = {
  /** The same database, by this way. */
  readonly connection: PostgresConnection
  /** Every connection breaks, and new ones are refused. */
  cut(): Promise<void>
  mend(): Promise<void>
}

export async function startDatabaseProxy(target: PostgresConnection): Promise<DatabaseProxy> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
  }
  const server = createServer(near => {
    const { host, port } = target
    const far = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
    keep(near)
    keep(far)
    near.pipe(far)
    far.pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  const port = await listen(server, 0)
  return {
    connection: { ...target, host: '127.0.0.1', port },
    async cut() {
      const closed = new Promise(resolve => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async mend() {
      await listen(server, port)
    },
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  // An address that was listened on is no path.
  return (server.address() as AddressInfo).port
}
