// An adapter's process, as far as its bridge is concerned: keeps one running, and prints where it listens.
import { readConfig } from '../../../src/config.ts'
import { makeMetrics } from '../../../src/lib/metrics.ts'
import { openDatabase } from '../../../src/stores/postgres/database.ts'
import { startBridgeWhenNeeded } from '../../../src/whatsapp/baileys/start-bridge.ts'
import { makeTestLog } from '../log.ts'

const config = readConfig(process.env)
const database = openDatabase(config.DATABASE_URL ?? '', makeMetrics())
const bridge = startBridgeWhenNeeded({
  ...{ config, database },
  log: makeTestLog(),
  adapterUrl: () => 'http://127.0.0.1:1',
})
for (let url = await bridge.url(); ; url = await bridge.url()) {
  if (url !== null) console.log(`bridge at ${url}`)
  await Bun.sleep(200)
}
