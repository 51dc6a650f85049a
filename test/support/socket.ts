import { until } from './installation.ts'

/** A WebSocket client, and what it was told. */
export type TestSocket = {
  readonly events: { readonly type: string; readonly data: Record<string, unknown>; readonly at: string }[]
  /** The code with which it was closed; undefined while it is open. */
  readonly closed: () => number | undefined
  send(text: string): void
  close(): void
  /** Waits until `count` events have arrived, and returns them. */
  heard(count: number): Promise<TestSocket['events']>
}

/** Opens one; rejects where it is refused. */
export async function openSocket(url: string): Promise<TestSocket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'))
  const events: TestSocket['events'] = []
  let code: number | undefined
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.onopen = () => resolve()
  socket.onerror = () => reject(new Error('the socket was refused'))
  socket.onmessage = message => events.push(JSON.parse(String(message.data)))
  socket.onclose = event => {
    code = event.code
    reject(new Error(`the socket was closed: ${event.code}`))
  }
  await promise
  return {
    events,
    closed: () => code,
    send: text => socket.send(text),
    close: () => socket.close(),
    async heard(count) {
      await until(() => events.length >= count)
      return events
    },
  }
}

/** A connection that has asked for a socket, and reads only while it is not paused. */
export type RawSocket = {
  pause(): void
  /** Reads on to the end, and returns the code with which it was closed. */
  closeCode(): Promise<number | undefined>
}

export async function openRawSocket(url: string): Promise<RawSocket> {
  const { hostname, port, pathname, search } = new URL(url)
  const [opened, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let last = Buffer.alloc(0)
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_socket, chunk) {
        opened.resolve()
        last = Buffer.concat([last, chunk]).subarray(-200)
      },
      close: () => ended.resolve(),
    },
  })
  socket.write(
    `GET ${pathname}${search} HTTP/1.1\r\nhost: ${hostname}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      'sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n',
  )
  await opened.promise
  return {
    pause: () => socket.pause(),
    async closeCode() {
      socket.resume()
      await ended.promise
      // A close frame is the last one: 0x88, its length, the code (RFC 6455, section 5.5.1).
      const start = last.lastIndexOf(0x88)
      return start < 0 ? undefined : last.readUInt16BE(start + 2)
    },
  }
}
