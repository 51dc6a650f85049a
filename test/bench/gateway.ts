import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/stores/postgres/database.ts'
import { freePort, startProcess } from '../support/process.ts'
import { cpuSeconds, residentMb } from './cpu.ts'
import { embeddedConnection } from './embedded.ts'
import { type HttpLoad, loadHttp } from './http-load.ts'

/** What one kind of request costs. */
export type RequestFigures = HttpLoad & { readonly cpuMicros: number }

export type GatewayFigures = {
  readonly cachedRead: RequestFigures
  readonly bareServer: RequestFigures
  readonly uncachedList: RequestFigures
  /** The same over 16 connections: the machine is not full then. */
  readonly uncachedListOf16: RequestFigures
  readonly orderCreation: RequestFigures
  readonly login: RequestFigures
  /** Of reads that are seldom interrupted by a write, the share answered from the cache, in percent. */
  readonly hitRate: number
  readonly memoryMb: number
}

const connections = 64
const productsStored = 1_000_000
const password = 'a long password of the bench'

/** The API alone, on the real Redis: limits, tokens and cache as in production, only that the limits are never reached. */
export async function benchGateway(): Promise<GatewayFigures> {
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
    RATE_LIMIT_AUTH_PER_5_MINUTES: '1000000',
    LOG_LEVEL: 'warn',
  }
  const server = await startProcess(['up'], environment, `${url}/health`)
  try {
    const owner = { name: 'Bench', email: 'bench@example.com', password }
    const session = await post(`${url}/api/auth/register`, { tenant_name: 'Bench', ...owner })
    const authorization = `Bearer ${session.access_token}`
    const headers = { authorization }
    const productIds = await storeProducts(dataDir, session.tenant.id)
    const customer = await post(`${url}/api/customers`, { name: 'C', phone: '+573001234567' }, headers)
    const measure = (requests: number, request: Parameters<typeof loadHttp>[0]['request']) =>
      measured(server.pid, { port, connections, requests, request })

    const list = () => ({ method: 'GET', path: '/api/products?limit=20', headers })
    await measure(20_000, list)
    const cachedRead = await measure(200_000, list)
    await Bun.sleep(2_000)
    const memoryMb = residentMb(server.pid)
    const kept = await (await fetch(`${url}/api/products?limit=20`, { headers })).text()
    const bareServer = await benchSameBytes(kept)

    const cursors = productIds.map(id => Buffer.from(JSON.stringify([id])).toString('base64url'))
    const uncachedList = await measure(5_000, index => ({
      method: 'GET',
      path: `/api/products?limit=20&cursor=${cursors[(index * 7_919) % cursors.length]}`,
      headers,
    }))
    const uncachedListOf16 = await measured(server.pid, {
      ...{ port, connections: 16, requests: 5_000 },
      request: index => ({
        method: 'GET',
        path: `/api/products?limit=20&cursor=${cursors[(index * 7_919 + 13) % cursors.length]}&active=true`,
        headers,
      }),
    })
    const before = await hits(url)
    await measure(20_000, index =>
      index % 200 === 0
        ? put(productIds[index % productIds.length] ?? '', headers, { description: `Changed ${index}` })
        : { method: 'GET', path: `/api/products?limit=${1 + (index % 8)}`, headers },
    )
    const after = await hits(url)
    const [hit, missed] = [after.hits - before.hits, after.misses - before.misses]
    const orderCreation = await measure(2_000, index => ({
      method: 'POST',
      path: '/api/orders',
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': `bench-${index}` },
      body: JSON.stringify({
        customer_id: customer.id,
        items: [{ product_id: productIds[index % productIds.length], quantity: 1 }],
      }),
    }))
    const login = await measured(server.pid, {
      port,
      connections: 4,
      requests: 20,
      request: () => ({
        method: 'POST',
        path: '/api/auth/login',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: owner.email, password }),
      }),
    })
    const hitRate = Math.round((hit / (hit + missed)) * 1_000) / 10
    return { cachedRead, bareServer, uncachedList, uncachedListOf16, orderCreation, login, hitRate, memoryMb }
  } finally {
    await server.stop()
    redis.kill()
    await redis.exited
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function put(id: string, headers: Record<string, string>, body: object) {
  return {
    method: 'PUT',
    path: `/api/products/${id}`,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}

async function measured(pid: number, load: Parameters<typeof loadHttp>[0]): Promise<RequestFigures> {
  const before = cpuSeconds(pid)
  const result = await loadHttp(load)
  const failed = Object.entries(result.statuses).filter(([status]) => Number(status) >= 400)
  if (failed.length > 0) throw new Error(`requests of the bench failed: ${JSON.stringify(result.statuses)}`)
  return { ...result, cpuMicros: Math.round(((cpuSeconds(pid) - before) * 1e7) / load.requests) / 10 }
}

/** The same bytes from the bare runtime: how far we are from the floor. */
async function benchSameBytes(text: string): Promise<RequestFigures> {
  const script = join(import.meta.dirname, 'bare-server.ts')
  const child = Bun.spawn([process.execPath, script], { stdout: 'pipe', env: { ...process.env, BARE_BODY: text } })
  const port = Number(new TextDecoder().decode((await child.stdout.getReader().read()).value).trim())
  const request = () => ({ method: 'GET', path: '/api/products?limit=20', headers: { authorization: 'Bearer x' } })
  await loadHttp({ port, connections, requests: 20_000, request })
  const figures = await measured(child.pid, { port, connections, requests: 100_000, request })
  child.kill()
  await child.exited
  return figures
}

/** A million products of the tenant. Returns the ids of a thousand of them, spread evenly. */
async function storeProducts(dataDir: string, tenantId: string): Promise<readonly string[]> {
  const admin = connect(embeddedConnection(dataDir), 1)
  await admin`insert into products (tenant_id, id, sku, name, description, price_minor, currency, stock)
    select ${tenantId}, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'sku-' || n, 'Product ' || n,
      'What it is made of', 100 + n % 1000, 'EUR', 1000
    from generate_series(1, ${productsStored}::int) as n`
  await admin`analyze products`
  const rows: { id: string }[] = await admin`
    select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id
    from generate_series(1000, ${productsStored}::int, 1000) as n`
  await admin.close()
  return rows.map(row => row.id)
}

async function hits(url: string): Promise<{ readonly hits: number; readonly misses: number }> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const read = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { hits: read('cache_hits_total'), misses: read('cache_misses_total') }
}

// biome-ignore lint/suspicious/noExplicitAny: what the bench reads of an answer is used at once, or fails.
async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<any> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return await response.json()
}
