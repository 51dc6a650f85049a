/** What came of a load. */
export type HttpLoad = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<number, number>>
}

/**
 * Sends the same kind of request over some connections, one at a time on each. Plain sockets: `fetch` would cost more
 * than the server that is measured.
 */
export async function loadHttp(options: {
  readonly port: number
  readonly connections: number
  readonly requests: number
  readonly request: (index: number) => { method: string; path: string; headers: Record<string, string>; body?: string }
}): Promise<HttpLoad> {
  const { port, connections, requests } = options
  const tookMs: number[] = []
  const statuses: Record<number, number> = {}
  let next = 0
  const start = performance.now()
  await Promise.all(Array.from({ length: connections }, () => connection()))
  const seconds = (performance.now() - start) / 1_000
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => Math.round((tookMs[Math.floor(tookMs.length * share)] ?? 0) * 100) / 100
  return { perSecond: Math.round(requests / seconds), p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), statuses }

  function connection(): Promise<void> {
    return new Promise((resolve, reject) => {
      let sentAt = 0
      let received = ''
      const send = (socket: { write(data: string): number; end(): void }) => {
        if (next >= requests) return socket.end()
        sentAt = performance.now()
        socket.write(encode(options.request(next++)))
      }
      Bun.connect({
        hostname: '127.0.0.1',
        port,
        socket: {
          open: send,
          data(socket, chunk) {
            // One character a byte, so that lengths are in bytes.
            received += chunk.toString('latin1')
            const head = received.indexOf('\r\n\r\n')
            if (head < 0) return
            const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? 0)
            if (received.length < head + 4 + length) return
            const status = Number(received.slice(9, 12))
            statuses[status] = (statuses[status] ?? 0) + 1
            tookMs.push(performance.now() - sentAt)
            received = received.slice(head + 4 + length)
            send(socket)
          },
          close: () => resolve(),
          error: (_socket, error) => reject(error),
          connectError: (_socket, error) => reject(error),
        },
      }).catch(reject)
    })
  }
}

function encode({ method, path, headers, body = '' }: ReturnType<Parameters<typeof loadHttp>[0]['request']>): string {
  const all = {
    host: '127.0.0.1',
    ...headers,
    ...(body !== '' && { 'content-length': String(Buffer.byteLength(body)) }),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
