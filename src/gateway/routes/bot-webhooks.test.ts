import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { keepIgnored } from '../../messaging/ignored-webhooks.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

async function addBot() {
  const as = await gateway.addCaller()
  const bot = await gateway.call('POST', '/api/bots', { as, body: { name: 'B', provider: 'baileys', config: {} } })
  const id = textAt(bot, 'id')
  const keep = (parts: readonly { reason: string; raw: unknown }[]) =>
    gateway.database.transaction({ role: 'worker' }, tx =>
      keepIgnored(tx, gateway.ids, { tenantId: as.tenantId, id }, parts),
    )
  const list = (query = '') => gateway.call('GET', `/api/bots/${id}/ignored-webhooks${query}`, { as })
  return { as, id, keep, list }
}

test('what could not be taken is listed as it came, newest first, in pages', async () => {
  const { keep, list } = await addBot()
  expect((await list()).json).toEqual({ data: [], next_cursor: null })
  await keep([{ reason: 'malformed', raw: { a: [1, 'x\u0000'] } }])
  await keep([{ reason: 'unknown_event', raw: undefined }])
  const first = await list('?limit=1')
  expect(column(first, 'raw')).toEqual([null])
  const second = await list(`?limit=1&cursor=${textAt(first, 'next_cursor')}`)
  expect([column(second, 'raw'), column(second, 'reason')]).toEqual([[{ a: [1, 'x\ufffd'] }], ['malformed']])
  expect(at(second, 'next_cursor')).toBeNull()
})

test('a long one is cut, and the oldest go when there are too many', async () => {
  const { keep, list } = await addBot()
  await keep([{ reason: 'malformed', raw: 'first' }])
  await keep([{ reason: 'malformed', raw: { text: 'x'.repeat(100_000) } }])
  expect(String(column(await list(), 'raw')[0]).length).toBe(32_768)
  await keep(Array.from({ length: 999 }, (_, index) => ({ reason: 'malformed', raw: index })))
  const [row] = await gateway.admin`select count(*)::int as count, bool_or(raw = '"first"') as has_first
    from ignored_webhooks group by bot_id order by count(*) desc limit 1`
  expect(row).toEqual({ count: 1_000, has_first: false })
})
