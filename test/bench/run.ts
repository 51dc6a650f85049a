// Speed and memory, measured: `npm run bench` prints a table and writes docs/reference/bench.json. CPU time per message
// is what to compare; the rates depend on the machine, on which load, provider and database run too.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/stores/postgres/database.ts'
import { freePort, startProcess } from '../support/process.ts'
import { echoFlow, encryptionKey, seedShop } from '../support/seed.ts'
import { cpuSeconds, postgresCpuSeconds, postmasterOf, residentMb } from './cpu.ts'
import { embeddedConnection } from './embedded.ts'
import { databaseFloor } from './floors.ts'
import { benchGateway, type RequestFigures } from './gateway.ts'
import { FakeWhatsApp, type LoadResult } from './load.ts'
import { benchPureStep } from './pure-step.ts'
import { benchSockets } from './sockets.ts'

type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The bound that must hold, as the text of a comparison: "< 100". */
  readonly must?: string
  readonly aim?: string
}

const figures: Figure[] = []
const report = join(import.meta.dirname, '../../docs/reference/bench.json')

for (const { name, microseconds } of benchPureStep().slice(0, 1))
  record({ name: `${name}, CPU a call`, value: round(microseconds), unit: 'µs', must: '< 50', aim: '<= 8' })
await benchServer()
await benchBareServer()
await benchApi()
write()
process.exit(figures.some(figure => !holds(figure)) ? 1 : 0)

async function benchServer(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const whatsApp = new FakeWhatsApp()
  const adapterPort = await freePort()
  const adapterUrl = `http://127.0.0.1:${adapterPort}`
  const environment = {
    DASHOFFICE_DATA_DIR: dataDir,
    ENCRYPTION_KEY: encryptionKey,
    META_BASE_URL: whatsApp.baseUrl,
    RATE_LIMIT_MESSAGES_PER_MINUTE: '1000000',
    ADAPTER_PORT: String(adapterPort),
    LOG_LEVEL: 'warn',
  }
  const start = async (name: string, must: string) => {
    const began = performance.now()
    const server = await startProcess(['up'], environment, `${adapterUrl}/health`)
    record({ name, value: round((performance.now() - began) / 1_000), unit: 's', must })
    return server
  }
  try {
    await (await start('start to healthy, new embedded database', '< 6')).stop()
    const server = await start('start to healthy, existing database', '< 3')
    const postmaster = postmasterOf(dataDir)
    const connection = embeddedConnection(dataDir)
    const admin = connect(connection, 2)
    const shops = await Promise.all(
      Array.from({ length: 50 }, (_, index) => seedShop(admin, { number: String(1_000 + index), flow: echoFlow })),
    )
    record({ name: 'memory after the start, all roles', value: residentMb(server.pid), unit: 'MB' })

    const idle = cpuSeconds(server.pid)
    await Bun.sleep(10_000)
    record({
      name: 'idle CPU, all roles',
      value: round((cpuSeconds(server.pid) - idle) * 10),
      unit: '%',
      must: '< 2',
      aim: '< 1',
    })

    const load = { adapterUrl, shops, customersPerShop: 40, inFlightMax: 200 }
    await whatsApp.run({ ...load, messages: 1_000, perSecond: 200 })
    const steady = await measured(server.pid, postmaster, () =>
      whatsApp.run({ ...load, messages: 4_000, perSecond: 200 }),
    )
    record({ name: 'webhook to send at 200 messages a second, p50', value: steady.result.p50Ms, unit: 'ms' })
    record({
      name: 'webhook to send at 200 messages a second, p95',
      value: steady.result.p95Ms,
      unit: 'ms',
      must: '< 100',
    })
    record({ name: 'CPU a message at 200 a second, ours', value: steady.ours, unit: 'µs' })
    record({ name: "CPU a message at 200 a second, PostgreSQL's", value: steady.postgres, unit: 'µs' })

    const { answeredP50Ms, answeredP99Ms, ...busy } = await whatsApp.run({ ...load, messages: 5_000, perSecond: 500 })
    record({ name: 'webhook answered at 500 a second, p50', value: answeredP50Ms, unit: 'ms', must: '< 250' })
    record({ name: 'webhook answered at 500 a second, p99', value: answeredP99Ms, unit: 'ms', must: '< 1000' })

    const full = await measured(server.pid, postmaster, () =>
      whatsApp.run({ ...load, messages: 10_000, perSecond: null }),
    )
    record({
      name: 'memory after 20,000 messages',
      value: residentMb(server.pid),
      unit: 'MB',
      must: '< 100',
      aim: '<= 70',
    })
    record({
      name: 'messages a second, as fast as they go',
      value: perSecond(full.result),
      unit: '/s',
      must: '>= 200',
      aim: '>= 2000',
    })
    record({ name: 'CPU a message as fast as they go, ours', value: full.ours, unit: 'µs' })
    record({ name: "CPU a message as fast as they go, PostgreSQL's", value: full.postgres, unit: 'µs' })
    record({
      name: 'CPU a message as fast as they go, together',
      value: full.ours + full.postgres,
      unit: 'µs',
      aim: '<= 350',
    })
    record({
      name: 'webhooks refused',
      value: steady.result.refused + busy.refused + full.result.refused,
      unit: '',
      must: '<= 0',
    })

    const floor = await databaseFloor(connection, postmaster)
    record({ name: 'floor: the same rows without our code, client', value: floor.clientMicros, unit: 'µs' })
    record({ name: "floor: the same rows without our code, PostgreSQL's", value: floor.databaseMicros, unit: 'µs' })
    await admin.close()
    await server.stop()
  } finally {
    await whatsApp.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** The API on the real Redis; without one installed there are no figures of it. */
async function benchApi(): Promise<void> {
  if (Bun.which('redis-server') === null) {
    console.log('redis-server is not installed: no figures of the API')
    return
  }
  const figures = await benchGateway()
  const { cachedRead, bareServer, hitRate, memoryMb } = figures
  recordRequests('cached read', cachedRead, { perSecond: '>= 10000', p95: '< 10', micros: '<= 30' })
  recordRequests('uncached list of 20 among 1 M', figures.uncachedList)
  recordRequests('the same over 16 connections', figures.uncachedListOf16, { p95: '< 10' })
  recordRequests('order', figures.orderCreation)
  recordRequests('login', figures.login)
  const { idleMb, p50Ms, p95Ms } = await benchSockets()
  record({ name: 'memory of 1,000 sockets that hear nothing', value: idleMb, unit: 'MB', must: '< 20' })
  record({ name: 'from a change asked for to a socket told, p50', value: p50Ms, unit: 'ms' })
  record({ name: 'from a change asked for to a socket told, p95', value: p95Ms, unit: 'ms', must: '< 100' })
  record({ name: 'floor: the same bytes from the bare runtime, CPU', value: bareServer.cpuMicros, unit: 'µs' })
  record({ name: 'floor: the same bytes from the bare runtime', value: bareServer.perSecond, unit: '/s' })
  record({ name: 'API, answers from the cache, a write in 200 requests', value: hitRate, unit: '%', must: '>= 90' })
  record({ name: 'memory after 200,000 reads, all roles', value: memoryMb, unit: 'MB', must: '< 100' })
}

function recordRequests(
  kind: string,
  figures: RequestFigures,
  bounds: { readonly perSecond?: string; readonly p95?: string; readonly micros?: string } = {},
): void {
  const { perSecond, p95, micros } = bounds
  record({ name: `API, ${kind}`, value: figures.perSecond, unit: '/s', ...(perSecond && { must: perSecond }) })
  record({ name: `API, ${kind}, p50`, value: figures.p50Ms, unit: 'ms' })
  record({ name: `API, ${kind}, p95`, value: figures.p95Ms, unit: 'ms', ...(p95 && { must: p95 }) })
  record({ name: `API, ${kind}, p99`, value: figures.p99Ms, unit: 'ms' })
  record({ name: `API, ${kind}, CPU, ours`, value: figures.cpuMicros, unit: 'µs', ...(micros && { aim: micros }) })
}

/** What a webhook costs the bare runtime. */
async function benchBareServer(): Promise<void> {
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, 'bare-server.ts')], { stdout: 'pipe' })
  const port = new TextDecoder().decode((await child.stdout.getReader().read()).value).trim()
  const url = `http://127.0.0.1:${port}/webhooks/meta/bot`
  const body = 'x'.repeat(600)
  const post = async (count: number) => {
    for (let index = 0; index < count; index++) await (await fetch(url, { method: 'POST', body })).arrayBuffer()
  }
  await Promise.all(Array.from({ length: 50 }, () => post(40)))
  const before = cpuSeconds(child.pid)
  await Promise.all(Array.from({ length: 50 }, () => post(400)))
  record({
    name: 'floor: a bare HTTP request on the runtime',
    value: round(((cpuSeconds(child.pid) - before) * 1e6) / 20_000),
    unit: 'µs',
  })
  record({ name: 'floor: memory of the bare runtime', value: residentMb(child.pid), unit: 'MB' })
  child.kill()
  await child.exited
}

async function measured(pid: number, postmaster: number, work: () => Promise<LoadResult>) {
  const [ours, postgres] = [cpuSeconds(pid), postgresCpuSeconds(postmaster)]
  const result = await work()
  const micros = (seconds: number) => Math.round((seconds * 1e6) / result.messages)
  return {
    result,
    ours: micros(cpuSeconds(pid) - ours),
    postgres: micros(postgresCpuSeconds(postmaster) - postgres),
  }
}

function perSecond({ messages, seconds }: LoadResult): number {
  return Math.round(messages / seconds)
}

function record(figure: Figure): void {
  figures.push(figure)
  const { name, value, unit, must, aim } = figure
  const bounds = [must && `must ${must}`, aim && `aim ${aim}`].filter(Boolean).join(', ')
  const verdict = holds(figure) ? '' : '  MISSED'
  console.log(`${name.padEnd(54)} ${String(value).padStart(9)} ${unit.padEnd(3)} ${bounds}${verdict}`)
}

function holds({ value, must }: Figure): boolean {
  const [sign, bound] = must?.split(' ') ?? ['<', 'Infinity']
  const limit = Number(bound)
  return sign === '<' ? value < limit : sign === '<=' ? value <= limit : value >= limit
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function write(): void {
  const [cpu] = cpus()
  const machine = {
    cpu: cpu?.model ?? '',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1e9),
    bun: Bun.version,
  }
  mkdirSync(join(report, '..'), { recursive: true })
  writeFileSync(report, `${JSON.stringify({ measured_at: new Date().toISOString(), machine, figures }, null, 2)}\n`)
  console.log(`\nwritten to ${report}`)
}
