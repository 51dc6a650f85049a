import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { databaseUrl } from '../support/postgres.ts'
import { freePort, startProcess } from '../support/process.ts'
import { residentMb } from './cpu.ts'
import { embeddedConnection } from './embedded.ts'

export type SocketFigures = {
  /** What a thousand sockets that hear nothing add to the process, in MB. */
  readonly idleMb: number
  /** From asking one process for a change until a socket of another has heard of it. */
  readonly p50Ms: number
  readonly p95Ms: number
}

const socketsCount = 1_000
const events = 1_000
const json = { 'content-type': 'application/json' }

/** A thousand sockets on one process, and how soon they hear of what is done through another. */
export async function benchSockets(): Promise<SocketFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const [redisPort, port] = [await freePort(), await freePort()]
  const redis = Bun.spawn(['redis-server', '--port', String(redisPort), '--save', '', '--bind', '127.0.0.1'], {
    stdout: 'ignore',
  })
  const url = `http://127.0.0.1:${port}`
  const environment = {
    DASHOFFICE_DATA_DIR: dataDir,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    GATEWAY_PORT: String(port),
    RATE_LIMIT_API_PER_MINUTE: '10000000',
    LOG_LEVEL: 'warn',
  }
  const server = await startProcess(['up'], environment, `${url}/health`)
  const otherPort = await freePort()
  const otherUrl = `http://127.0.0.1:${otherPort}`
  const other = await startProcess(
    ['gateway'],
    { ...environment, DATABASE_URL: databaseUrl(embeddedConnection(dataDir)), GATEWAY_PORT: String(otherPort) },
    `${otherUrl}/health`,
  )
  const post = async (path: string, body: object, token = '') => {
    const headers = { ...json, ...(token !== '' && { authorization: `Bearer ${token}` }) }
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return await response.json()
  }
  try {
    const owner = {
      tenant_name: 'Bench',
      name: 'Bench',
      email: 'bench@example.com',
      password: 'a long password of the bench',
    }
    const { access_token: token } = await post('/api/auth/register', owner)
    const tickets = []
    for (let index = 0; index < socketsCount; index++) tickets.push((await post('/api/ws/ticket', {}, token)).ticket)
    await Bun.sleep(3_000)
    const before = residentMb(server.pid)
    const sockets = await Promise.all(tickets.map(ticket => open(`${url}/api/ws?ticket=${ticket}`)))
    await Bun.sleep(3_000)
    const idleMb = Math.round((residentMb(server.pid) - before) * 10) / 10
    for (const socket of sockets.slice(10)) socket.close()

    const heard = new Map<string, (ms: number) => void>()
    const [listening] = sockets
    if (listening !== undefined)
      listening.onmessage = message => {
        const { type, data } = JSON.parse(String(message.data))
        if (type === 'order.updated') heard.get(data.id)?.(performance.now())
      }
    const customer = await post('/api/customers', { name: 'C', phone: '+573001234567' }, token)
    const product = await post(
      '/api/products',
      { sku: 's', name: 'P', price_minor: 1, currency: 'EUR', stock: events },
      token,
    )
    const took: number[] = []
    for (let index = 0; index < events; index++) {
      const order = await post(
        '/api/orders',
        { customer_id: customer.id, items: [{ product_id: product.id, quantity: 1 }] },
        token,
      )
      const start = performance.now()
      const { promise, resolve } = Promise.withResolvers<number>()
      heard.set(order.id, resolve)
      await fetch(`${otherUrl}/api/orders/${order.id}`, {
        method: 'PUT',
        headers: { ...json, authorization: `Bearer ${token}` },
        body: JSON.stringify({ status: 'confirmed' }),
      })
      took.push((await promise) - start)
    }
    took.sort((a, b) => a - b)
    const at = (share: number) => Math.round((took[Math.floor(took.length * share)] ?? 0) * 10) / 10
    return { idleMb, p50Ms: at(0.5), p95Ms: at(0.95) }
  } finally {
    await other.stop()
    await server.stop()
    redis.kill()
    await redis.exited
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve(socket)
    socket.onerror = () => reject(new Error('a socket was refused'))
  })
}
