import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import type { ConversationEvent } from '../../flow/events.ts'
import { foldEvents } from '../../flow/state.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'
import { saveTurns } from '../../messaging/save-turns.ts'
import { nullable, statement } from '../../stores/postgres/statement.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Desk = { readonly as: Caller; readonly botId: string }

const numbers = { next: 1 }

async function openDesk(): Promise<Desk> {
  const as = await gateway.addCaller()
  return { as, botId: await addBot(as) }
}

async function addBot(as: Caller): Promise<string> {
  const config = { phone_number_id: String(numbers.next++), access_token: 'a', app_secret: 'b', verify_token: 'c' }
  return textAt(await gateway.call('POST', '/api/bots', { as, body: { name: 'Shop', provider: 'meta', config } }), 'id')
}

/** A customer writes for the first time. Returns the conversation's id. */
async function begin({ as, botId }: Desk, name: string, phone: string, text = 'hola'): Promise<string> {
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId: as.tenantId, botId, providerMessageId: `wamid.${crypto.randomUUID()}`, at: new Date() },
        sender: { identities: [{ kind: 'phone', value: phone }], name },
        content: { type: 'text', text },
      },
    ],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  return textAt(await gateway.call('GET', '/api/conversations?limit=1', { as }), 'data.0.id')
}

/** Appends events, as a turn does. */
async function append(
  { as, botId }: Desk,
  conversationId: string,
  events: readonly ConversationEvent[],
): Promise<void> {
  const state = foldEvents(events)
  const rest = { sends: [], timer: null, doneIds: [], heldIds: [], releases: false, lastInboundAt: null, seqBefore: 0 }
  await gateway.database.transaction({ role: 'worker' }, tx =>
    saveTurns(tx, [{ tenantId: as.tenantId, conversationId, botId, state, events, ...rest }], new Date()),
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations'] })
}

const close = (desk: Desk, id: string) => append(desk, id, [{ type: 'closed', data: { reason: 'agent' } }])

const waiting = statement({
  name: 'test_waiting',
  params: ['conversation_id', 'kind'],
  row: { body: 'jsonb' },
  sql: 'select body from inbox where conversation_id = $1 and kind = $2',
})
const mailOf = (id: string, kind: string) =>
  gateway.database.transaction({ role: 'worker' }, tx => tx.run(waiting, { conversation_id: id, kind }))

const hello = { content: { type: 'text', text: 'Hello from a person' } }

test('nobody reads or writes conversations without logging in', async () => {
  const path = `/api/conversations/${crypto.randomUUID()}`
  for (const address of ['/api/conversations', path, `${path}/messages`, `${path}/events`])
    expect((await gateway.call('GET', address)).status).toBe(401)
  for (const command of ['messages', 'handoff', 'resume', 'close', 'retry'])
    expect((await gateway.call('POST', `${path}/${command}`)).status).toBe(401)
})

test('agents write, viewers read', async () => {
  const desk = await openDesk()
  const path = `/api/conversations/${await begin(desk, 'Ana', '+573001110001')}`
  const viewer = await gateway.addCaller('viewer', desk.as.tenantId)
  const agent = await gateway.addCaller('agent', desk.as.tenantId)
  expect((await gateway.call('GET', `${path}/messages`, { as: viewer })).status).toBe(200)
  for (const command of ['messages', 'handoff', 'resume', 'close'])
    expect((await gateway.call('POST', `${path}/${command}`, { as: viewer, body: {} })).status).toBe(403)
  expect((await gateway.call('POST', `${path}/messages`, { as: agent, body: hello })).status).toBe(202)
})

test("another tenant's conversation is not there", async () => {
  const [desk, other] = [await openDesk(), await openDesk()]
  const path = `/api/conversations/${await begin(desk, 'Ana', '+573001110002')}`
  for (const address of [path, `${path}/messages`, `${path}/events`])
    expect((await gateway.call('GET', address, { as: other.as })).status).toBe(404)
  expect((await gateway.call('POST', `${path}/messages`, { as: other.as, body: hello })).status).toBe(404)
  for (const command of ['handoff', 'resume', 'close'])
    expect((await gateway.call('POST', `${path}/${command}`, { as: other.as })).status).toBe(404)
  expect(column(await gateway.call('GET', '/api/conversations', { as: other.as }), 'id')).toEqual([])
})

test('a content that no provider can send, and a filter that is none, are refused', async () => {
  const desk = await openDesk()
  const path = `/api/conversations/${await begin(desk, 'Ana', '+573001110003')}/messages`
  for (const content of [{ type: 'text', text: '' }, { type: 'video' }, { type: 'smoke' }, 'text'])
    expect((await gateway.call('POST', path, { as: desk.as, body: { content } })).status).toBe(422)
  for (const filter of ['status=open', 'bot_id=1'])
    expect((await gateway.call('GET', `/api/conversations?${filter}`, { as: desk.as })).status).toBe(422)
})

test('nothing is written into a closed conversation', async () => {
  const desk = await openDesk()
  const id = await begin(desk, 'Ana', '+573001110004')
  await close(desk, id)
  const path = `/api/conversations/${id}`
  expect((await gateway.call('POST', `${path}/messages`, { as: desk.as, body: hello })).status).toBe(409)
  for (const command of ['handoff', 'resume', 'close'])
    expect((await gateway.call('POST', `${path}/${command}`, { as: desk.as })).status).toBe(409)
  expect(at(await gateway.call('GET', path, { as: desk.as }), 'status')).toBe('closed')
})

test('a conversation tells its flow, its step and what was answered, also after the run', async () => {
  const desk = await openDesk()
  const id = await begin(desk, 'Ana', '+573001110005')
  const flow_id = crypto.randomUUID()
  const path = `/api/conversations/${id}`
  expect((await gateway.call('GET', path, { as: desk.as })).json).toMatchObject({
    ...{ id, bot_id: desk.botId, status: 'bot', flow_id: null, flow_version: null, current_step: null, variables: {} },
  })
  const events: ConversationEvent[] = [
    { type: 'flow.started', data: { flow_id, name: 'Order', version: 3, trigger: 'hola' } },
    { type: 'question.asked', data: { step: 'ask', token: 't' } },
    { type: 'answer.accepted', data: { step: 'ask', variable: 'quantity', value: 2 } },
    { type: 'flow.ended', data: { reason: 'handoff' } },
    { type: 'handed_off', data: { by: 'flow', note: '' } },
  ]
  await append(desk, id, events)
  const read = await gateway.call('GET', path, { as: desk.as })
  expect(read.json).toMatchObject({
    status: 'waiting',
    flow_id,
    flow_version: 3,
    current_step: 'ask',
    variables: { quantity: 2 },
  })
  const first = await gateway.call('GET', `${path}/events?limit=2`, { as: desk.as })
  expect(column(first, 'type')).toEqual(['flow.started', 'question.asked'])
  const rest = await gateway.call('GET', `${path}/events?cursor=${textAt(first, 'next_cursor')}`, { as: desk.as })
  expect(column(rest, 'seq')).toEqual([3, 4, 5])
  expect(at(rest, 'next_cursor')).toBeNull()
})

test('a person writes: the message is queued, listed first, and the sender told', async () => {
  const desk = await openDesk()
  const path = `/api/conversations/${await begin(desk, 'Ana', '+573001110006')}`
  const told: string[] = []
  const stop = gateway.bus.subscribe('outbox', () => told.push('outbox'))
  const sent = await gateway.call('POST', `${path}/messages`, { as: desk.as, body: hello })
  expect(sent.status).toBe(202)
  const messages = await gateway.call('GET', `${path}/messages`, { as: desk.as })
  expect(at(messages, 'data.0')).toMatchObject({
    ...{ id: at(sent, 'message_id'), direction: 'outbound', status: 'queued', error: null, ...hello },
  })
  expect(at(messages, 'data.1')).toMatchObject({ direction: 'inbound', status: 'received', content: { text: 'hola' } })
  await Bun.sleep(1)
  stop()
  expect(told.length).toBeGreaterThan(0)
})

test('taking over, giving back and closing go to the mailbox with who asked', async () => {
  const desk = await openDesk()
  const id = await begin(desk, 'Ana', '+573001110007')
  const path = `/api/conversations/${id}`
  const agent = await gateway.addCaller('agent', desk.as.tenantId)
  const told: string[] = []
  const stop = gateway.bus.subscribe('inbox', () => told.push('inbox'))
  const handoff = await gateway.call('POST', `${path}/handoff`, { as: agent, body: { note: 'VIP' } })
  expect([handoff.status, handoff.json]).toEqual([202, { conversation_id: id }])
  await gateway.call('POST', `${path}/resume`, { as: agent })
  await gateway.call('POST', `${path}/close`, { as: agent, body: { reason: 'done' } })
  await Bun.sleep(1)
  stop()
  expect(told).toHaveLength(3)
  expect(await mailOf(id, 'handoff')).toEqual([{ body: { note: 'VIP', agent_id: agent.userId } }])
  expect(await mailOf(id, 'resume')).toEqual([{ body: { agent_id: agent.userId } }])
  expect(await mailOf(id, 'close')).toEqual([{ body: { reason: 'done', agent_id: agent.userId } }])
})

test('conversations are found by status, bot, customer, name and phone', async () => {
  const desk = await openDesk()
  const ana = await begin(desk, 'Ana María', '+573001110008')
  const luis = await begin(desk, 'Luis', '+573001110009')
  const other = { ...desk, botId: await addBot(desk.as) }
  const eva = await begin(other, 'Eva 100%', '+573001110010')
  await close(desk, luis)
  const list = async (query: string) =>
    column(await gateway.call('GET', `/api/conversations${query}`, { as: desk.as }), 'id')
  expect(await list('')).toEqual([eva, luis, ana])
  expect(await list('?status=bot')).toEqual([eva, ana])
  expect(await list('?status=closed')).toEqual([luis])
  expect(await list(`?bot_id=${desk.botId}`)).toEqual([luis, ana])
  expect(await list('?q=mar%C3%ADa')).toEqual([ana])
  expect(await list('?q=MARIA')).toEqual([ana])
  expect(await list('?q=0009')).toEqual([luis])
  const customer_id = textAt(await gateway.call('GET', `/api/conversations/${ana}`, { as: desk.as }), 'customer_id')
  expect(await list(`?customer_id=${customer_id}`)).toEqual([ana])
  expect(await list(`?customer_id=${customer_id}&status=closed`)).toEqual([])
  expect(await list(`?customer_id=${customer_id}&bot_id=${desk.botId}`)).toEqual([ana])
  expect(await list(`?seller_id=${crypto.randomUUID()}`)).toEqual([])
  expect(await list('?q=%25')).toEqual([eva])
  expect(await list('?status=bot&q=luis')).toEqual([])
})

test('a list is read page by page, each conversation once, while others begin', async () => {
  const desk = await openDesk()
  const ids: string[] = []
  for (let number = 0; number < 7; number++) ids.unshift(await begin(desk, `C${number}`, `+57300222000${number}`))
  const seen: unknown[] = []
  let cursor: unknown = ''
  for (let page = 0; cursor !== null; page++) {
    const answer = await gateway.call('GET', `/api/conversations?limit=3&cursor=${cursor}`.replace(/&cursor=$/, ''), {
      as: desk.as,
    })
    seen.push(...column(answer, 'id'))
    cursor = at(answer, 'next_cursor')
    await begin(desk, `Late ${page}`, `+57300333000${page}`)
  }
  expect(seen).toEqual(ids)
})

test('what waits to be sent fails when its bot is removed, and the conversation can still be read', async () => {
  const desk = await openDesk()
  const path = `/api/conversations/${await begin(desk, 'Ana', '+573001110011')}`
  await gateway.call('POST', `${path}/messages`, { as: desk.as, body: hello })
  expect((await gateway.call('DELETE', `/api/bots/${desk.botId}`, { as: desk.as })).status).toBe(204)
  const messages = await gateway.call('GET', `${path}/messages`, { as: desk.as })
  expect(at(messages, 'data.0')).toMatchObject({ status: 'failed', error: { code: 'bot_deleted' } })
  const left = statement({
    name: 'test_outbox_left',
    params: ['bot_id'],
    row: { id: nullable('uuid') },
    sql: 'select id from outbox where bot_id = $1',
  })
  expect(await gateway.database.transaction({ role: 'worker' }, tx => tx.run(left, { bot_id: desk.botId }))).toEqual([])
})
