import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../src/config.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { type BridgeProcesses, startBridgeWhenNeeded } from '../../src/whatsapp/baileys/start-bridge.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { databaseUrl } from '../support/postgres.ts'
import { encryptionKey } from '../support/seed.ts'
import type { Bridged } from '../support/whatsapp-web/bridged.ts'
import { hasBaileys } from '../support/whatsapp-web/has-baileys.ts'

// The bridge as a process of the adapter's: there when a bot needs it, and gone with the adapter.

const isMissing = !hasBaileys('the process of the bridge to WhatsApp Web is not tried')

let bridged: Bridged
let database: Database
const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))

beforeAll(async () => {
  if (isMissing) return
  bridged = await (await import('../support/whatsapp-web/bridged.ts')).startBridged()
  database = openDatabase(bridged.connection, makeMetrics())
  process.env.BAILEYS_WEB_SOCKET_URL = bridged.web.url
}, 60_000)

afterAll(async () => {
  delete process.env.BAILEYS_WEB_SOCKET_URL
  await database?.close()
  await bridged?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const environment = () => ({
  DATABASE_URL: databaseUrl(bridged.connection),
  DASHOFFICE_DATA_DIR: folder,
  ENCRYPTION_KEY: encryptionKey,
  LOG_LEVEL: 'error',
})

function startOne(more: Readonly<Record<string, string>> = {}): BridgeProcesses {
  return startBridgeWhenNeeded({
    config: readConfig({ ...environment(), ...more }),
    database,
    log: makeTestLog(),
    adapterUrl: () => bridged.adapter.url,
    limits: { idleMs: 500, lookMs: 100 },
  })
}

const limit = () => AbortSignal.timeout(15_000)

test.skipIf(isMissing)('a bridge that runs by itself is asked at its address, and none is started', async () => {
  const bridge = startOne({ BAILEYS_BRIDGE_URL: 'http://127.0.0.1:3013' })
  expect(await bridge.url()).toBe('http://127.0.0.1:3013')
  expect(bridge.token).toBe(bridged.token)
  await bridge.stop()
})

test.skipIf(isMissing)(
  'a bridge starts with the first bot that needs it, starts again when it is killed, and ends with the last',
  async () => {
    const bridge = startOne()
    expect(await bridge.url()).toBeNull()
    await Bun.sleep(500)
    expect(await bridge.url()).toBeNull()
    const bot = await bridged.makeBot()
    await until(async () => (await bridge.url()) !== null, 30_000)
    const first = await bridge.url()
    let at = first
    const provider = bridged.providerOf(() => at)
    await bridged.pair(provider, bot, '12025550130')
    const pid = bridge.pid()
    if (pid === null) throw new Error('no bridge runs')
    process.kill(pid, 'SIGKILL')
    await until(async () => {
      at = await bridge.url()
      return at !== null && at !== first
    }, 30_000)
    await until(async () => (await provider.getStatus(bot, limit())).kind === 'connected', 30_000)
    expect(bridged.web.account('12025550130').logins()).toBe(2)
    await bridged.admin`update bots set status = 'disconnected'`
    await until(async () => (await bridge.url()) === null)
    await until(() => !bridged.web.account('12025550130').isOnline())
    await bridge.stop()
  },
  90_000,
)

test.skipIf(isMissing)(
  'a bridge ends when the process that started it is killed',
  async () => {
    await bridged.makeBot()
    const adapter = Bun.spawn(
      [process.execPath, join(import.meta.dirname, '../support/whatsapp-web/spawn-bridge.ts')],
      {
        env: { PATH: process.env.PATH, ...environment(), BAILEYS_WEB_SOCKET_URL: bridged.web.url },
        stdout: 'pipe',
        stderr: 'ignore',
      },
    )
    let printed = ''
    const reading = (async () => {
      for await (const chunk of adapter.stdout) printed += new TextDecoder().decode(chunk)
    })()
    await until(() => printed.includes('bridge at'), 30_000)
    const url = /bridge at (\S+)/.exec(printed)?.[1] ?? ''
    expect((await fetch(`${url}/health`)).status).toBe(200)
    adapter.kill('SIGKILL')
    await adapter.exited
    await until(
      async () =>
        await fetch(`${url}/health`).then(
          () => false,
          () => true,
        ),
      20_000,
    )
    await reading
  },
  90_000,
)
