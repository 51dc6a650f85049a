import { heapStats } from 'bun:jsc'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { bridgeToken } from '../../src/whatsapp/baileys/protocol.ts'
import type { ProviderBot, WhatsAppProvider } from '../../src/whatsapp/provider.ts'
import { until } from '../support/installation.ts'
import { databaseUrl } from '../support/postgres.ts'
import { freePort, type Process, startProcess } from '../support/process.ts'
import { encryptionKey } from '../support/seed.ts'
import type { Bridged } from '../support/whatsapp-web/bridged.ts'
import { hasBaileys } from '../support/whatsapp-web/has-baileys.ts'

// What becomes of sessions when bridges come and go: each is one bridge's at a time, nothing is lost, nothing told twice.

const isMissing = !hasBaileys('bridges to WhatsApp Web are not tried')

let bridged: Bridged

beforeAll(async () => {
  if (isMissing) return
  bridged = await (await import('../support/whatsapp-web/bridged.ts')).startBridged()
}, 60_000)

afterAll(async () => {
  await bridged?.stop()
})

const limit = () => AbortSignal.timeout(15_000)

async function isConnected(provider: WhatsAppProvider, bot: ProviderBot): Promise<boolean> {
  return (await provider.getStatus(bot, limit())).kind === 'connected'
}

function text(words: string) {
  return { content: { type: 'text' as const, text: words }, file: null }
}

test.skipIf(isMissing)(
  'of two bridges one has a session, the other says where; when it ends, the other takes over',
  async () => {
    const { web } = bridged
    const bot = await bridged.makeBot()
    const first = bridged.startBridge()
    await bridged.pair(bridged.providerOf(first.url), bot, '12025550120')
    const second = bridged.startBridge()
    const provider = bridged.providerOf(second.url)
    const ada = web.customer('12025550160')
    const to = { kind: 'phone' as const, value: '+12025550160' }
    expect((await provider.sendMessage({ to, ...text('by the first'), reference: 'a' }, bot, limit())).kind).toBe(
      'sent',
    )
    expect(second.sessions.get(bot.id)).toBeUndefined()
    await first.stop()
    await until(() => second.sessions.get(bot.id)?.connection().kind === 'connected')
    expect((await provider.sendMessage({ to, ...text('by the second'), reference: 'b' }, bot, limit())).kind).toBe(
      'sent',
    )
    await until(() => ada.received.length === 2)
    // What the first one sent is known to the second: a phone that could not read it asks for it again.
    ada.askAgain(web.account('12025550120'), ada.received[0]?.id ?? '')
    await until(() => ada.received.length === 3)
    expect(ada.received.map(one => one.message.extendedTextMessage?.text)).toEqual([
      'by the first',
      'by the second',
      'by the first',
    ])
    expect(ada.received[2]?.id).toBe(ada.received[0]?.id)
    expect(web.account('12025550120').logins()).toBe(2)
    await second.stop()
  },
)

test.skipIf(isMissing)('a bridge whose lease another one has taken closes its socket at once', async () => {
  const bot = await bridged.makeBot()
  const first = bridged.startBridge()
  await bridged.pair(bridged.providerOf(first.url), bot, '12025550121')
  await bridged.admin`update provider_sessions set owner = gen_random_uuid(), fence = fence + 1 where bot_id = ${bot.id}`
  await until(() => first.sessions.get(bot.id) === undefined)
  await until(() => !bridged.web.account('12025550121').isOnline())
  await first.stop()
  const [row] = await bridged.admin`select fence::int from provider_sessions where bot_id = ${bot.id}`
  expect(row.fence).toBe(2)
})

test.skipIf(isMissing)(
  'what the adapter does not take waits in the database, and is told once by whichever bridge is there then',
  async () => {
    const { web, adapter } = bridged
    const bot = await bridged.makeBot()
    const first = bridged.startBridge()
    await bridged.pair(bridged.providerOf(first.url), bot, '12025550122')
    adapter.refuseWith = 503
    const customer = web.customer('12025550162')
    const account = web.account('12025550122')
    const ids: string[] = []
    for (const word of ['one', 'two']) ids.push(await customer.write(account, { conversation: word }))
    await until(async () => (await waiting(bot)) === 2)
    await first.stop()
    const second = bridged.startBridge()
    await until(() => second.sessions.get(bot.id)?.connection().kind === 'connected')
    adapter.refuseWith = null
    const told = () => adapter.taken.messages.filter(message => ids.includes(message.providerMessageId))
    await until(() => told().length === 2)
    await Bun.sleep(500)
    expect(told().map(message => message.providerMessageId)).toEqual(ids)
    expect(await waiting(bot)).toBe(0)
    await second.stop()
  },
)

test.skipIf(isMissing)(
  'a session whose keys are of another ENCRYPTION_KEY says so, and is paired anew once it is logged out',
  async () => {
    const { admin, adapter } = bridged
    const bot = await bridged.makeBot()
    const first = bridged.startBridge()
    await bridged.pair(bridged.providerOf(first.url), bot, '12025550125')
    adapter.refuseWith = 503
    await bridged.web.customer('12025550165').write(bridged.web.account('12025550125'), { conversation: 'lost' })
    await until(async () => (await waiting(bot)) === 1)
    await first.stop()
    adapter.refuseWith = null
    await admin`update provider_session_keys set sealed = sealed || 'x'::bytea where bot_id = ${bot.id}`
    await admin`update provider_session_events set sealed = sealed || 'x'::bytea where bot_id = ${bot.id}`
    const second = bridged.startBridge()
    const provider = bridged.providerOf(second.url)
    await until(async () => (await provider.getStatus(bot, limit())).kind === 'refused')
    await provider.disconnect?.(bot, { isLogout: true }, limit())
    await bridged.pair(provider, bot, '12025550125')
    await until(async () => (await waiting(bot)) === 0)
    await second.stop()
  },
)

async function waiting(bot: ProviderBot): Promise<number> {
  const [row] = await bridged.admin`select count(*)::int as rows from provider_session_events where bot_id = ${bot.id}`
  return row.rows
}

type BridgeProcess = { readonly process: Process; readonly provider: WhatsAppProvider }

async function startBridgeProcess(): Promise<BridgeProcess> {
  const url = `http://127.0.0.1:${await freePort()}`
  const environment = {
    DATABASE_URL: databaseUrl(bridged.connection),
    ENCRYPTION_KEY: encryptionKey,
    BAILEYS_BRIDGE_URL: url,
    BAILEYS_WEB_SOCKET_URL: bridged.web.url,
    ADAPTER_PORT: new URL(bridged.adapter.url).port,
    DASHOFFICE_DATA_DIR: '/nonexistent',
    LOG_LEVEL: 'debug',
    ...secretsElsewhere,
  }
  const process = await startProcess(['baileys-bridge'], environment, `${url}/health`)
  return { process, provider: bridged.providerOf(url) }
}

const secretsElsewhere = { JWT_SECRET: 'a-jwt-secret-of-at-least-32-bytes!!', DATABASE_PASSWORD: 'unused' }

test.skipIf(isMissing)(
  'a bridge that is killed is followed by another, without pairing, nothing lost and nothing told twice; no secret is printed',
  async () => {
    const { web, adapter, admin } = bridged
    const bot = await bridged.makeBot()
    const first = await startBridgeProcess()
    await bridged.pair(first.provider, bot, '12025550123')
    const account = web.account('12025550123')
    const customer = web.customer('12025550163')
    adapter.refuseWith = 503
    const ids: string[] = []
    for (let index = 0; index < 20; index++)
      ids.push(await customer.write(account, { conversation: `message ${index}` }))
    await until(async () => (await waiting(bot)) >= 10)
    await first.process.kill()
    adapter.refuseWith = null
    const sentWhileDown = await customer.write(account, { conversation: 'is anybody there?' })
    const second = await startBridgeProcess()
    await until(() => isConnected(second.provider, bot), 30_000)
    const all = [...ids, sentWhileDown]
    const told = () => adapter.taken.messages.filter(message => all.includes(message.providerMessageId))
    await until(() => new Set(told().map(message => message.providerMessageId)).size === all.length, 30_000)
    await Bun.sleep(500)
    expect(told().length).toBe(all.length)
    const to = { kind: 'phone' as const, value: '+12025550163' }
    const sent = await second.provider.sendMessage({ to, ...text('here'), reference: 'r' }, bot, limit())
    expect(sent.kind).toBe('sent')
    expect(await second.process.stop()).toBe(0)
    const printed = first.process.output() + second.process.output()
    const secrets = await keysIn(admin, bot)
    expect(secrets.length).toBeGreaterThan(10)
    for (const secret of [...secrets, 'privKey', 'is anybody there?', encryptionKey, bridgeToken(encryptionKey)])
      expect(printed.includes(secret)).toBe(false)
  },
  90_000,
)

/** Every private key of a session, as it would look in a log: base64, and the beginning of its bytes as inspected. */
async function keysIn(admin: Bridged['admin'], bot: ProviderBot): Promise<string[]> {
  const { makeSealer } = await import('../../src/lib/crypto.ts')
  const sealer = makeSealer(encryptionKey)
  const rows = await admin`select type, id, sealed from provider_session_keys
    where bot_id = ${bot.id} and type in ('creds', 'session') or (bot_id = ${bot.id} and type = 'pre-key') limit 50`
  const texts: string[] = rows.map((row: { type: string; id: string; sealed: Uint8Array }) =>
    sealer.open(row.sealed, `${bot.id}/${row.type}/${row.id}`),
  )
  return texts.flatMap(json =>
    [...json.matchAll(/"data":"([A-Za-z0-9+/=]{24,})"/g)].flatMap(match => {
      const base64 = match[1] ?? ''
      const bytes = Buffer.from(base64, 'base64')
      return [
        base64,
        bytes.toString('hex'),
        [...bytes.subarray(0, 8)].map(byte => byte.toString(16).padStart(2, '0')).join(' '),
      ]
    }),
  )
}

test.skipIf(isMissing)(
  'a thousand closed connections leave nothing behind',
  async () => {
    const bot = await bridged.makeBot()
    const bridge = bridged.startBridge()
    await bridged.pair(bridged.providerOf(bridge.url), bot, '12025550124')
    const account = bridged.web.account('12025550124')
    const closes = async (count: number) => {
      for (let index = 0; index < count; index++) {
        const before = account.logins()
        account.fail('515')
        await until(() => account.logins() > before && bridge.sessions.get(bot.id)?.connection().kind === 'connected')
      }
    }
    await closes(300)
    const before = census()
    await closes(700)
    const after = census()
    expect(account.logins()).toBe(1_001)
    // Timers are not counted: queries of the last sockets wait for the end of their minute.
    expect(after.heapMb - before.heapMb).toBeLessThan(10)
    expect(after.listeners).toBe(before.listeners)
    await bridge.stop()
  },
  90_000,
)

/** What lives in this process, after garbage was collected. */
function census() {
  for (let index = 0; index < 3; index++) Bun.gc(true)
  const { heapSize } = heapStats()
  const listeners = process.eventNames().reduce((count, name) => count + process.listenerCount(name), 0)
  return { heapMb: heapSize / 1e6, listeners }
}
