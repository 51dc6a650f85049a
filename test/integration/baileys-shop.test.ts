import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { type App, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { makeSealer } from '../../src/lib/crypto.ts'
import { findPairing } from '../../src/messaging/bot-pairings.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { echoFlow, encryptionKey, type Shop, seedShop } from '../support/seed.ts'
import { hasBaileys } from '../support/whatsapp-web/has-baileys.ts'
import type { WhatsAppWeb } from '../support/whatsapp-web/server.ts'

// A shop on WhatsApp Web: the whole program, which starts the bridge by itself, from the scan of the code to the answer.

const isMissing = !hasBaileys('a shop on WhatsApp Web is not tried')
const number = '12025550140'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let web: WhatsAppWeb
let app: App
let shop: Shop
const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))

beforeAll(async () => {
  if (isMissing) return
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  web = (await import('../support/whatsapp-web/server.ts')).startWhatsAppWeb()
  process.env.BAILEYS_WEB_SOCKET_URL = web.url
  shop = await seedShop(admin, { number: '100000000000010', flow: echoFlow })
  await admin`update bots set provider = 'baileys', config = '{}', status = 'connecting'`
  await start()
}, 60_000)

async function start(): Promise<void> {
  const config = readConfig({
    DATABASE_URL: databaseUrl(created.connection),
    DASHOFFICE_DATA_DIR: folder,
    ENCRYPTION_KEY: encryptionKey,
    RATE_LIMIT_MESSAGES_PER_MINUTE: '100000',
    LOG_LEVEL: 'error',
    ...Object.fromEntries(['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS'].map(role => [`${role}_PORT`, '0'])),
  })
  app = await startApp(config, makeTestLog())
}

afterAll(async () => {
  delete process.env.BAILEYS_WEB_SOCKET_URL
  await app?.stop()
  await web?.stop()
  await admin?.close()
  await created?.drop()
  rmSync(folder, { recursive: true, force: true })
})

const statusOfBot = async () => (await admin`select status from bots where id = ${shop.botId}`)[0]?.status

test.skipIf(isMissing)(
  'the code is scanned, a customer writes, and is answered; the message is delivered and read',
  async () => {
    await until(async () => (await statusOfBot()) === 'qr', 30_000)
    const pairing = await app.database.transaction({ role: 'worker' }, tx =>
      findPairing(tx, makeSealer(encryptionKey), shop.tenantId, shop.botId),
    )
    const account = web.account(number)
    account.scan(pairing?.qr ?? '')
    await until(async () => (await statusOfBot()) === 'connected')
    await until(() => account.hasKeys())
    const ada = web.customer('12025550170')
    await ada.write(account, { conversation: 'hello' })
    await until(() => ada.received.length === 1)
    expect(ada.received[0]?.message.extendedTextMessage?.text).toBe('You said: hello')
    for (const status of ['delivered', 'read'] as const) {
      ada.receipt(account, ada.received[0]?.id ?? '', status === 'read' ? 'read' : undefined)
      await until(async () => (await admin`select 1 from messages where status = ${status}`).length === 1)
    }
  },
  60_000,
)

test.skipIf(isMissing)(
  'what is written while the program is down is answered once it is up again, without pairing',
  async () => {
    await app.stop()
    const account = web.account(number)
    expect(account.isOnline()).toBe(false)
    const ada = web.customer('12025550170')
    await ada.write(account, { conversation: 'still there?' })
    await start()
    await until(() => ada.received.length === 2, 30_000)
    expect(ada.received[1]?.message.extendedTextMessage?.text).toBe('You said: still there?')
    expect(account.logins()).toBe(2)
  },
  60_000,
)

test.skipIf(isMissing)('the phone removes the bot: its messages are held, and it says so', async () => {
  web.account(number).logOut()
  await until(async () => (await statusOfBot()) === 'logged_out')
})
