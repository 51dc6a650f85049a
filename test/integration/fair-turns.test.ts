import { afterEach, beforeEach, expect, test } from 'bun:test'
import { uuids } from '../../src/lib/ids.ts'
import { turnsBatchMax } from '../../src/orchestrator/run-turns.ts'
import { echoFlow, type Shop, seedShop } from '../support/seed.ts'
import { drain, openTestTurns, type TestTurns } from '../support/turns.ts'

// Who has a lot of mail delays themselves: each bot has its share of every batch, and so has each tenant.

let turns: TestTurns
let shop: Shop

beforeEach(async () => {
  turns = await openTestTurns()
  shop = await seedShop(turns.admin, { number: '100000000000010', flow: echoFlow })
})
afterEach(() => turns.close())

/** More bots of the shop, with the same flow. */
async function addBots(count: number): Promise<{ tenantId: string; botId: string }[]> {
  const { tenantId, botId } = shop
  const ids = Array.from({ length: count }, () => uuids.next())
  await turns.admin`insert into bots (tenant_id, id, name, provider, config, flow_id, status)
    select tenant_id, g.id, 'Bot', provider, config, flow_id, status
    from bots b cross join unnest(${`{${ids}}`}::uuid[]) as g (id) where b.tenant_id = ${tenantId} and b.id = ${botId}`
  return ids.map(id => ({ tenantId, botId: id }))
}

/** How many replies each bot has given. */
async function replies(): Promise<Map<string, number>> {
  const rows =
    await turns.admin`select bot_id, count(*)::int as n from messages where direction = 'outbound' group by 1`
  return new Map(rows.map((row: { bot_id: string; n: number }) => [row.bot_id, row.n]))
}

test('a bot with one message is answered at once, although 5,000 customers have just written to another of the shop', async () => {
  const [quiet] = await addBots(1)
  if (quiet === undefined) throw new Error('no bot')
  await turns.sayMany(shop, { from: 0, count: 5_000 })
  const runner = turns.runner()
  await runner.runBatch()
  await turns.sayMany(quiet, { from: 0, count: 1 })
  for (let batch = 0; batch < 2; batch++) await runner.runBatch()
  const answered = await replies()
  expect(answered.get(quiet.botId)).toBe(1)
  // The other one is not held up either.
  expect(answered.get(shop.botId)).toBeGreaterThanOrEqual(3 * turnsBatchMax - 10)
}, 60_000)

test('120 bots of one shop are all answered before any has had three turns', async () => {
  const bots = [shop, ...(await addBots(119))]
  // The first ones have ten times as much as the last ones.
  for (const [index, bot] of bots.entries()) await turns.sayMany(bot, { from: 0, count: index < 20 ? 40 : 4 })
  const runner = turns.runner()
  let batches = 0
  while ((await replies()).size < bots.length && batches < 50) {
    await runner.runBatch()
    batches++
  }
  // One of each makes two and a half batches.
  expect(batches).toBeLessThanOrEqual(5)
  expect(Math.max(...(await replies()).values())).toBeLessThanOrEqual(3)
  await drain(runner)
  expect((await replies()).get(shop.botId)).toBe(40)
})

test('a shop with one bot is answered at once, although another has a hundred, all with a lot of mail', async () => {
  for (const bot of [shop, ...(await addBots(99))]) await turns.sayMany(bot, { from: 0, count: 10 })
  const other = await seedShop(turns.admin, { number: '100000000000011', flow: echoFlow })
  await turns.sayMany(other, { from: 0, count: 1 })
  const runner = turns.runner()
  for (let batch = 0; batch < 5; batch++) await runner.runBatch()
  expect((await replies()).get(other.botId)).toBe(1)
})

test('two runners at the same time take nothing twice, and leave nothing', async () => {
  const bots = [shop, ...(await addBots(9))]
  for (const bot of bots) await turns.sayMany(bot, { from: 0, count: 60 })
  await Promise.all([drain(turns.runner()), drain(turns.runner())])
  await drain(turns.runner())
  expect([...(await replies()).values()]).toEqual(bots.map(() => 60))
  const [left] = await turns.admin`select count(*)::int as n from inbox`
  expect(left.n).toBe(0)
})
