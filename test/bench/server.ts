import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/stores/postgres/database.ts'
import { freePort, startProcess } from '../support/process.ts'
import { echoFlow, encryptionKey, seedShop } from '../support/seed.ts'
import { cpuSeconds, postgresCpuSeconds, postmasterOf, residentMb } from './cpu.ts'
import { embeddedConnection } from './embedded.ts'
import { record } from './figures.ts'
import { databaseFloor } from './floors.ts'
import { FakeWhatsApp, type LoadResult } from './load.ts'

/** The whole server: its start, its memory, messages from the webhook to the send. */
export async function benchServer(): Promise<void> {
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
    record({ name, value: (performance.now() - began) / 1_000, unit: 's', must })
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
      value: (cpuSeconds(server.pid) - idle) * 10,
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

    let mostMb = 0
    const looking = setInterval(() => {
      mostMb = Math.max(mostMb, residentMb(server.pid))
    }, 100)
    const full = await measured(server.pid, postmaster, () =>
      whatsApp.run({ ...load, messages: 10_000, perSecond: null }),
    )
    clearInterval(looking)
    record({ name: 'memory at most, as fast as they go', value: mostMb, unit: 'MB' })
    await Bun.sleep(2_000)
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

/** What a webhook costs the bare runtime. */
export async function benchBareServer(): Promise<void> {
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
    value: ((cpuSeconds(child.pid) - before) * 1e6) / 20_000,
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
