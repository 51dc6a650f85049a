import { join } from 'node:path'
import { startEmulator } from '../emulator/emulator.ts'
import { startApp } from '../src/app.ts'
import type { Config } from '../src/config.ts'
import type { Log } from '../src/lib/log.ts'
import { playConversation } from './conversation.ts'
import { rememberShop, type Shop } from './remember.ts'
import { logIn, seedShop, summarize } from './shop.ts'

/** The version in Meta's addresses, as the emulator takes any. */
const graphVersion = 'v25.0'

const figuresSeconds = 5

/**
 * Starts every role in one process beside the phone emulator. At the first start it makes a shop and plays one
 * conversation through real HTTP and signed webhooks, printing it as it happens; later ones find all of it again.
 */
export async function startDemo(config: Config, log: Log, print: (line: string) => void) {
  const dataDir = config.DASHOFFICE_DATA_DIR
  const began = performance.now()
  print('DashOffice demo')
  print(`  starting PostgreSQL 18 and every role, data in ${dataDir} …`)
  const emulator = await startEmulator({
    host: config.HOST,
    port: config.EMULATOR_PORT,
    stateFile: join(dataDir, 'emulator.jsonl'),
  })
  try {
    const settings = {
      ...config,
      ALLOW_PRIVATE_URLS: true,
      META_BASE_URL: `${emulator.url}/${graphVersion}`,
      // Whoever tries it looks at the figures of what they have just written.
      ANALYTICS_INTERVAL_SECONDS: Math.min(config.ANALYTICS_INTERVAL_SECONDS, figuresSeconds),
    }
    const app = await startApp(settings, log)
    print(`  ready after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    try {
      const urls = { gateway: app.urls.gateway ?? '', adapter: app.urls.adapter ?? '', emulator: emulator.url }
      const shop = await openShop(dataDir, urls, print)
      printAddresses(urls, shop, print)
    } catch (error) {
      await app.stop()
      throw error
    }
    return {
      async stop() {
        print('\nStopping …')
        await app.stop()
        await emulator.stop()
        print('Stopped. Everything is kept: npm run demo goes on from here.')
      },
    }
  } catch (error) {
    await emulator.stop()
    throw error
  }
}

type Urls = { readonly gateway: string; readonly adapter: string; readonly emulator: string }

async function openShop(dataDir: string, urls: Urls, print: (line: string) => void): Promise<Shop> {
  const memory = rememberShop(dataDir)
  const known = memory.read()
  const shop = known ?? memory.write(await seedShop(urls, print))
  const session = await logIn(urls, shop)
  await session.connectPhone(shop)
  if (shop.hasPlayed) {
    print('')
    for (const line of await summarize(session)) print(`  ${line}`)
    return shop
  }
  await playConversation(urls, shop, session, print)
  return memory.write({ ...shop, hasPlayed: true })
}

function printAddresses(urls: Urls, shop: Shop, print: (line: string) => void): void {
  print('')
  print(`  Customer's phone   ${urls.emulator}/#${shop.number}/${shop.customer}   write there: the bot answers`)
  print(`  API docs           ${urls.gateway}/docs`)
  print(`  Log in             ${shop.email}   ${shop.password}   (POST ${urls.gateway}/api/auth/login)`)
  print('')
  print('  Ctrl-C stops everything; starting again finds it as it was.')
}
