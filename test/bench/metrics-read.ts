import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { Redis } from 'ioredis'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { windows } from '../../src/messaging/analytics/kpis.ts'
import { readMetrics } from '../../src/messaging/analytics/read-figures.ts'
import { connect, openDatabase } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { freePort, startProcess } from '../support/process.ts'
import { cpuSeconds } from './cpu.ts'
import { embeddedConnection } from './embedded.ts'
import { type HttpLoad, loadHttp } from './http-load.ts'
import { register } from './register.ts'

export type MetricsReadFigures = {
  /** Reads of what is kept in Redis, over 16 connections. */
  readonly kept: HttpLoad & { readonly cpuMicros: number }
  /** One read after the other of thirty days that are not kept: out of the rollups. */
  readonly missedP95Ms: number
  /** All three windows of a tenant, as a pass works them out. */
  readonly refreshMs: number
  readonly rollups: number
}

const bots = 20
const days = 30
const steps = 40
const misses = 200
const refreshes = 50

/** Reading the figures of a tenant that has many bots, and thirty days of rollups. */
export async function benchMetricsRead(): Promise<MetricsReadFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const [redisPort, port, adapterPort] = [await freePort(), await freePort(), await freePort()]
  const redis = Bun.spawn(['redis-server', '--port', String(redisPort), '--save', '', '--bind', '127.0.0.1'], {
    stdout: 'ignore',
  })
  const url = `http://127.0.0.1:${port}`
  const environment = {
    ...{ DASHOFFICE_DATA_DIR: dataDir, REDIS_URL: `redis://127.0.0.1:${redisPort}`, LOG_LEVEL: 'warn' },
    ...{ GATEWAY_PORT: String(port), ADAPTER_PORT: String(adapterPort), ORCHESTRATOR_PORT: '0', ANALYTICS_PORT: '0' },
    ...{ RATE_LIMIT_API_PER_MINUTE: '10000000', RATE_LIMIT_AUTH_PER_5_MINUTES: '1000000' },
    // No pass meanwhile: this is about reading.
    ANALYTICS_INTERVAL_SECONDS: '86400',
  }
  const server = await startProcess(['up'], environment, `${url}/health`)
  const asking = new Redis(redisPort, '127.0.0.1')
  try {
    const { tenantId, headers } = await register(url)
    const connection = embeddedConnection(dataDir)
    const admin = connect(connection, 1)
    const rollups = await storeRollups(admin, tenantId)
    const load = (requests: number) =>
      loadHttp({
        ...{ port, connections: 16, requests },
        request: () => ({ method: 'GET', path: '/api/analytics/metrics?window=30d', headers }),
      })
    await load(2_000)
    const before = cpuSeconds(server.pid)
    const read = await load(20_000)
    if (Object.keys(read.statuses).some(status => status !== '200')) throw new Error(JSON.stringify(read.statuses))
    const kept = { ...read, cpuMicros: Math.round(((cpuSeconds(server.pid) - before) * 1e7) / 20_000) / 10 }
    const missedP95Ms = await benchMisses(asking, `${url}/api/analytics/metrics?window=30d`, headers, tenantId)
    const refreshMs = await benchRefresh(connection, tenantId)
    await admin.close()
    return { kept, missedP95Ms, refreshMs, rollups }
  } finally {
    asking.disconnect()
    await server.stop()
    redis.kill()
    await redis.exited
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** For each hour and bot the messages, and for each hour the steps of a flow. */
async function storeRollups(admin: SQL, tenantId: string): Promise<number> {
  const hours = days * 24
  await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    select ${tenantId}, date_trunc('hour', now()) - h * interval '1 hour',
      ('01900000-0000-7000-8000-' || lpad(b::text, 12, '0'))::uuid, t.type, t.key, 100, 50000,
      case t.type when 'inbound' then '{25,25,25,25}'::bigint[] when 'accepted' then '{10,20,30,20,5,5,4,3,2,1}'::bigint[]
        else '{}' end
    from generate_series(0, ${hours}::int - 1) h cross join generate_series(1, ${bots}::int) b
      cross join (values ('inbound', 'meta'), ('accepted', 'meta'), ('delivered', 'meta'), ('read', 'meta'),
        ('failed', 'meta 131047'), ('conversation.opened', ''), ('conversion', 'f')) t (type, key)`
  await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    select ${tenantId}, date_trunc('hour', now()) - h * interval '1 hour', '01900000-0000-7000-8000-000000000001',
      'question.asked', 'flow step_' || s, 10, 0, '{}'
    from generate_series(0, ${hours}::int - 1) h cross join generate_series(1, ${steps}::int) s`
  await admin`vacuum (analyze) analytics_rollups`
  const [{ count }] = await admin`select count(*)::int as count from analytics_rollups`
  return count
}

async function benchMisses(
  redis: Redis,
  url: string,
  headers: Record<string, string>,
  tenantId: string,
): Promise<number> {
  const times: number[] = []
  for (let index = 0; index < misses; index++) {
    await redis.del(`analytics:metrics:{${tenantId}}:30d`)
    const start = performance.now()
    await (await fetch(url, { headers })).arrayBuffer()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return Math.round((times[Math.floor(misses * 0.95)] ?? 0) * 10) / 10
}

async function benchRefresh(connection: PostgresConnection, tenantId: string): Promise<number> {
  const database = openDatabase(connection, makeMetrics())
  const read = () =>
    database.transaction({ role: 'app', tenantId }, tx => readMetrics(tx, { tenantId, windows, nowMs: Date.now() }))
  await read()
  const start = performance.now()
  for (let index = 0; index < refreshes; index++) await read()
  const ms = (performance.now() - start) / refreshes
  await database.close()
  return Math.round(ms * 10) / 10
}

if (import.meta.main) console.log(await benchMetricsRead())
