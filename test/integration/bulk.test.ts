import { afterAll, beforeAll, expect, test } from 'bun:test'
import { uuids } from '../../src/lib/ids.ts'
import { queueMessage, reachCustomer } from '../../src/messaging/send.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { echoFlow, sealer } from '../support/seed.ts'

// A business writes to many customers at once, and one of its customers asks something meanwhile.

let shop: Installation
const perMinute = 60
beforeAll(async () => {
  const environment = { RATE_LIMIT_MESSAGES_PER_MINUTE: String(perMinute) }
  shop = await startInstallation({ flow: echoFlow, environment })
})
afterAll(() => shop.stop())

async function writeTo(customers: number): Promise<void> {
  const { tenantId, botId } = shop.shop
  await shop.app.database.transaction({ role: 'app', tenantId }, async tx => {
    for (let index = 0; index < customers; index++) {
      const identity = { kind: 'phone', value: `+346${String(10_000_000 + index)}` } as const
      const { conversationId } = await reachCustomer(tx, uuids, { tenantId, botId, identity }, sealer)
      const content = { type: 'template', name: 'offer', language: 'es', parameters: [] } as const
      const to = { tenantId, conversationId, botId, windowExpiresAt: null, nowMs: Date.now(), source: 'api' } as const
      await queueMessage(tx, uuids, { ...to, content: { ...content, parameters: [] } })
    }
  })
}

test('an answer does not wait behind what is written to many, though both keep to the limit of the tenant', async () => {
  await writeTo(200)
  // The burst is spent: what is left goes out once a second.
  await until(async () => (await shop.sends()).length >= perMinute)
  await shop.say('34699999999', 'are you open?')
  expect((await shop.replies('34699999999', 1)).map(one => one.content.text)).toEqual(['You said: are you open?'])
  const left = await shop.admin`select count(*)::int as count from outbox where urgency = 1`
  expect(left[0].count).toBeGreaterThan(100)
}, 60_000)
