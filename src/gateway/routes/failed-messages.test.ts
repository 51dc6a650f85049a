import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

let numbers = 100
let phones = 57_300_500_0000

async function addBot(as: Caller): Promise<string> {
  const config = { phone_number_id: String(numbers++), access_token: 'a', app_secret: 'b', verify_token: 'c' }
  return textAt(await gateway.call('POST', '/api/bots', { as, body: { name: 'B', provider: 'meta', config } }), 'id')
}

/** A customer has written `hoursAgo`, and a message to them ended like this. */
async function addMessage(as: Caller, botId: string, status: 'failed' | 'unknown' | 'sent', hoursAgo = 0) {
  const { tenantId } = as
  const at = new Date(Date.now() - hoursAgo * 3_600_000)
  const { stored } = await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId, botId, providerMessageId: crypto.randomUUID(), at },
        sender: { identities: [{ kind: 'phone', value: `+${phones++}` }], name: null },
        content: { type: 'text', text: 'hola' },
      },
    ],
    gateway.sealer,
  )
  const [conversationId, id] = [stored[0]?.conversationId ?? '', gateway.ids.next()]
  await gateway.admin`insert into messages
      (tenant_id, conversation_id, id, bot_id, direction, content, status, error, provider_message_id)
    values (${tenantId}, ${conversationId}, ${id}, ${botId}, 'outbound', ${{ type: 'text', text: 'x' }}, ${status},
      ${{ code: '131026', message: 'It cannot be delivered.' }}, ${`wamid.${id}`})`
  return { id, conversationId }
}

const retry = (as: Caller, id: string) => gateway.call('POST', `/api/failed-messages/${id}/retry`, { as })
const list = (as: Caller, query = '') => gateway.call('GET', `/api/failed-messages${query}`, { as })

test('what did not go out is listed with its reason, newest first, by status and by bot', async () => {
  const as = await gateway.addCaller()
  const [one, two] = [await addBot(as), await addBot(as)]
  const failed = await addMessage(as, one, 'failed')
  const unknown = await addMessage(as, two, 'unknown')
  await addMessage(as, one, 'sent')
  const all = await list(as)
  expect(column(all, 'id')).toEqual([unknown.id, failed.id])
  expect(at(all, 'data.1')).toMatchObject({ conversation_id: failed.conversationId, bot_id: one, status: 'failed' })
  expect(at(all, 'data.1.error')).toEqual({ code: '131026', message: 'It cannot be delivered.' })
  expect(column(await list(as, '?status=unknown'), 'id')).toEqual([unknown.id])
  expect(column(await list(as, `?bot_id=${one}`), 'id')).toEqual([failed.id])
  const first = await list(as, '?limit=1')
  expect(column(await list(as, `?limit=1&cursor=${textAt(first, 'next_cursor')}`), 'id')).toEqual([failed.id])
})

test('who is tied to a seller sees, and retries, only what that seller talked about', async () => {
  const owner = await gateway.addCaller()
  const bot = await addBot(owner)
  const [own, other] = [await addMessage(owner, bot, 'failed'), await addMessage(owner, bot, 'failed')]
  const seller = textAt(await gateway.call('POST', '/api/sellers', { as: owner, body: { name: 'S' } }), 'id')
  await gateway.admin`update conversations set seller_id = ${seller} where id = ${own.conversationId}`
  const agent = await gateway.addCaller('agent', owner.tenantId)
  await gateway.admin`update users set seller_id = ${seller} where id = ${agent.userId}`
  expect(column(await list(agent), 'id')).toEqual([own.id])
  expect((await retry(agent, other.id)).status).toBe(404)
  expect((await retry(agent, own.id)).status).toBe(202)
})

test('a message is sent once more, and what was said of the first try is forgotten', async () => {
  const as = await gateway.addCaller()
  const { id, conversationId } = await addMessage(as, await addBot(as), 'failed')
  expect((await retry(as, id)).json).toEqual({ message_id: id })
  const [row] = await gateway.admin`select m.status, m.error, m.provider_message_id, o.state, o.attempts
    from messages m join outbox o using (tenant_id, conversation_id, id) where m.id = ${id}`
  expect(row).toEqual({ status: 'queued', error: null, provider_message_id: null, state: 'queued', attempts: 0 })
  expect((await retry(as, id)).status).toBe(404)
  expect(column(await list(as), 'id')).toEqual([])
  const audit = await gateway.call('GET', '/api/audit', { as })
  expect(at(audit, 'data.0')).toMatchObject({ action: 'message.retried', resource_id: conversationId })
})

test('what would fail again for certain is refused, and stays as it was', async () => {
  const as = await gateway.addCaller()
  const bot = await addBot(as)
  const late = await addMessage(as, bot, 'failed', 25)
  expect(at(await retry(as, late.id), 'type')).toContain('window_closed')
  const gone = await addMessage(as, bot, 'unknown')
  await gateway.call('DELETE', `/api/bots/${bot}`, { as })
  expect((await retry(as, gone.id)).status).toBe(409)
  expect(column(await list(as), 'status')).toEqual(['unknown', 'failed'])
})

test('what was written on the phone is shown where it failed, and sent again from there alone', async () => {
  const as = await gateway.addCaller()
  const { id } = await addMessage(as, await addBot(as), 'failed')
  await gateway.admin`update messages set source = 'phone', content = ${{ type: 'unsupported', reason: 'poll' }}
    where id = ${id}`
  expect(at(await list(as), 'data.0')).toMatchObject({ id, source: 'phone' })
  const refused = await retry(as, id)
  expect([refused.status, at(refused, 'type')]).toEqual([409, '/problems/conflict'])
})

test('the id of the first try stays known as ours: what comes back under it is nobody’s message', async () => {
  const as = await gateway.addCaller()
  const { id } = await addMessage(as, await addBot(as), 'failed')
  await gateway.admin`update messages set provider_message_id = 'first' where id = ${id}`
  expect((await retry(as, id)).status).toBe(202)
  const known = await gateway.admin`select provider_message_id from own_message_ids where message_id = ${id}`
  expect([...known]).toEqual([{ provider_message_id: 'first' }])
})
