import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { claimConversation } from '../../messaging/claim-conversations.ts'
import { countMailFailure, mailTriesMax } from '../../messaging/mail-trouble.ts'
import { readMail } from '../../messaging/read-mail.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Desk = { readonly as: Caller; readonly botId: string; readonly path: string; readonly id: string }

const ana = '+573001110001'
const hello = { content: { type: 'text', text: 'Hello from a person' } }

/** A tenant whose one customer wrote once. */
async function openDesk(): Promise<Desk> {
  const as = await gateway.addCaller()
  const config = { phone_number_id: '1', access_token: 'a', app_secret: 'b', verify_token: 'c' }
  const body = { name: 'Shop', provider: 'meta', config }
  const botId = textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
  const id = await begin(as, botId, ana)
  return { as, botId, id, path: `/api/conversations/${id}` }
}

/** A customer writes for the first time, so many hours ago. Returns the conversation's id. */
async function begin(as: Caller, botId: string, phone: string, hours = 0): Promise<string> {
  const sender = { identities: [{ kind: 'phone' as const, value: phone }], name: 'Ana' }
  const at = new Date(Date.now() - hours * 3_600_000)
  const message = { tenantId: as.tenantId, botId, providerMessageId: crypto.randomUUID(), at, sender }
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [{ ...message, content: { type: 'text', text: 'hola' } }],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  return textAt(await gateway.call('GET', '/api/conversations?limit=1', { as }), 'data.0.id')
}

async function addSeller({ as }: Desk, name: string): Promise<string> {
  return textAt(await gateway.call('POST', '/api/sellers', { as, body: { name } }), 'id')
}

async function addTied({ as }: Desk, seller_id: string): Promise<Caller> {
  const agent = await gateway.addCaller('agent', as.tenantId)
  expect((await gateway.call('PUT', `/api/users/${agent.userId}`, { as, body: { seller_id } })).status).toBe(200)
  return agent
}

const post = (desk: Desk, command: string, body: object = {}, as = desk.as, headers = {}) =>
  gateway.call('POST', `${desk.path}/${command}`, { as, body, headers })
const read = (desk: Desk, as = desk.as) => gateway.call('GET', desk.path, { as })
const list = async (as: Caller, query = '') =>
  column(await gateway.call('GET', `/api/conversations${query}`, { as }), 'id')

const asWorker = { role: 'worker' } as const
const keyOf = ({ as, id }: Desk) => ({ tenantId: as.tenantId, conversationId: id })

/** The mail that the next turn would take. */
async function mailOf(desk: Desk) {
  return await gateway.database.transaction(asWorker, async tx => {
    const claimed = await claimConversation(tx, keyOf(desk))
    return claimed === undefined ? [] : ((await readMail(tx, [claimed], { waiting: new Set() })).get(desk.id) ?? [])
  })
}

async function giveUpMail(desk: Desk, reason: string): Promise<void> {
  for (const row of await mailOf(desk))
    for (let tries = 0; tries < mailTriesMax; tries++)
      await gateway.database.transaction(asWorker, tx => countMailFailure(tx, row, reason))
  await gateway.feed.announce(desk.as.tenantId, { changed: ['conversations'] })
}

test('a seller who is none, inactive, or another’s than one’s own is refused, and nothing is left behind', async () => {
  const desk = await openDesk()
  const [own, other] = [await addSeller(desk, 'Own'), await addSeller(desk, 'Other')]
  const agent = await addTied(desk, own)
  await post(desk, 'handoff', { seller_id: own })
  const before = (await mailOf(desk)).length
  const tried: [Caller, string][] = [
    [desk.as, crypto.randomUUID()],
    [agent, other],
  ]
  for (const [as, seller_id] of tried) {
    const answer = await post(desk, 'handoff', { seller_id }, as)
    expect([answer.status, at(answer, 'errors.0.path')]).toEqual([422, 'seller_id'])
  }
  await gateway.call('PUT', `/api/sellers/${other}`, { as: desk.as, body: { active: false } })
  expect((await post(desk, 'handoff', { seller_id: other })).status).toBe(422)
  expect(await mailOf(desk)).toHaveLength(before)
  expect(at(await read(desk), 'seller_id')).toBe(own)
})

test('handing over gives the conversation to a seller, whose agents then see it, and tells the sockets', async () => {
  const desk = await openDesk()
  const [own, other] = [await addSeller(desk, 'Own'), await addSeller(desk, 'Other')]
  const [agent, stranger] = [await addTied(desk, own), await addTied(desk, other)]
  expect(at(await read(desk), 'seller_id')).toBeNull()
  for (const as of [agent, stranger]) expect((await read(desk, as)).status).toBe(404)
  const events: unknown[] = []
  const stop = gateway.bus.subscribe(`events:${desk.as.tenantId}`, news => events.push(...JSON.parse(news)))
  expect((await post(desk, 'handoff', { note: 'VIP', seller_id: own })).status).toBe(202)
  expect((await post(desk, 'handoff', { note: 'again' })).status).toBe(202)
  await Bun.sleep(1)
  stop()
  expect(events).toMatchObject([
    { type: 'conversation.updated', data: { id: desk.id, bot_id: desk.botId, status: 'bot', seller_id: own } },
  ])
  expect(at(await read(desk, agent), 'seller_id')).toBe(own)
  expect((await read(desk, stranger)).status).toBe(404)
  const bodies = (await mailOf(desk)).filter(row => row.kind === 'handoff').map(row => row.body)
  expect(bodies).toEqual([
    { note: 'VIP', agent_id: desk.as.userId },
    { note: 'again', agent_id: desk.as.userId },
  ])
  const log = await gateway.call('GET', '/api/audit?action=conversation.handoff', { as: desk.as })
  expect(at(log, 'data.1')).toMatchObject({ before: { seller_id: null }, after: { seller_id: own, note: 'VIP' } })
  await post(desk, 'handoff', { seller_id: null })
  expect((await read(desk, agent)).status).toBe(404)
})

test('who is tied to a seller sees and writes that seller’s conversations only, whatever is asked', async () => {
  const desk = await openDesk()
  const [own, other] = [await addSeller(desk, 'Own'), await addSeller(desk, 'Other')]
  const agent = await addTied(desk, own)
  await post(desk, 'handoff', { seller_id: own })
  const theirs = { ...desk, id: await begin(desk.as, desk.botId, '+573001110002') }
  const hidden = { ...theirs, path: `/api/conversations/${theirs.id}` }
  await post(hidden, 'handoff', { seller_id: other })
  expect(await list(desk.as)).toEqual([hidden.id, desk.id])
  expect(await list(desk.as, `?seller_id=${other}`)).toEqual([hidden.id])
  expect(await list(agent)).toEqual([desk.id])
  for (const filter of [`seller_id=${own}`, 'status=bot', `bot_id=${desk.botId}`, 'q=ana'])
    expect([filter, await list(agent, `?${filter}`)]).toEqual([filter, [desk.id]])
  expect(await list(agent, `?seller_id=${other}`)).toEqual([])
  for (const rest of ['', '/messages', '/events', '/problems'])
    expect((await gateway.call('GET', `${hidden.path}${rest}`, { as: agent })).status).toBe(404)
  for (const command of ['messages', 'handoff', 'resume', 'close', 'retry'])
    expect((await post(hidden, command, command === 'messages' ? hello : {}, agent)).status).toBe(404)
  expect((await post(desk, 'messages', hello, agent)).status).toBe(202)
})

test('one who is tied to a seller takes a conversation over for that seller', async () => {
  const desk = await openDesk()
  const own = await addSeller(desk, 'Own')
  await post(desk, 'handoff', { seller_id: own })
  expect((await post(desk, 'handoff', {}, await addTied(desk, own))).status).toBe(202)
  expect(at(await read(desk), 'seller_id')).toBe(own)
})

test('under one Idempotency-Key a message is sent once, and a conversation is taken over once', async () => {
  const desk = await openDesk()
  const headers = { 'idempotency-key': 'once' }
  const sent = await Promise.all(Array.from({ length: 20 }, () => post(desk, 'messages', hello, desk.as, headers)))
  expect(new Set(sent.map(answer => `${answer.status} ${answer.text}`)).size).toBe(1)
  const messages = await gateway.call('GET', `${desk.path}/messages`, { as: desk.as })
  expect(column(messages, 'direction')).toEqual(['outbound', 'inbound'])
  const twice = { 'idempotency-key': 'twice' }
  for (let time = 0; time < 2; time++)
    expect((await post(desk, 'handoff', { note: 'mine' }, desk.as, twice)).status).toBe(202)
  expect((await mailOf(desk)).filter(row => row.kind === 'handoff')).toHaveLength(1)
})

test('free text after the 24 hours, and anything of a bot that was removed, is refused at once in plain words', async () => {
  const desk = await openDesk()
  const id = await begin(desk.as, desk.botId, '+573001110002', 25)
  const late = await post({ ...desk, path: `/api/conversations/${id}` }, 'messages', hello)
  expect([late.status, at(late, 'type')]).toEqual([409, '/problems/window_closed'])
  expect((await post(desk, 'messages', hello)).status).toBe(202)
  expect((await gateway.call('DELETE', `/api/bots/${desk.botId}`, { as: desk.as })).status).toBe(204)
  const gone = await post(desk, 'messages', hello)
  expect([gone.status, at(gone, 'type')]).toEqual([409, '/problems/conflict'])
  expect(textAt(gone, 'detail')).toBe('The bot of this conversation was removed.')
})

test('mail that was given up is counted and told with its reason, and tried again when somebody asks', async () => {
  const desk = await openDesk()
  await post(desk, 'handoff', { note: 'mine' })
  await giveUpMail(desk, 'The flow is broken')
  expect(at(await read(desk), 'problems')).toBe(2)
  expect(await mailOf(desk)).toEqual([])
  const problems = await gateway.call('GET', `${desk.path}/problems?limit=1`, { as: desk.as })
  expect(at(problems, 'data.0')).toMatchObject({
    kind: 'message',
    reason: 'The flow is broken',
    attempts: mailTriesMax,
  })
  const next = await gateway.call('GET', `${desk.path}/problems?cursor=${textAt(problems, 'next_cursor')}`, {
    as: desk.as,
  })
  expect(column(next, 'kind')).toEqual(['handoff'])
  const failed = await gateway.call('GET', `${desk.path}/messages`, { as: desk.as })
  expect(at(failed, 'data.0')).toMatchObject({
    ...{ direction: 'inbound', status: 'failed', error: { code: 'turn_failed', message: 'The flow is broken' } },
  })
  const told: string[] = []
  const stop = gateway.bus.subscribe('inbox', () => told.push('inbox'))
  const retried = await post(desk, 'retry')
  await Bun.sleep(1)
  stop()
  expect([retried.status, retried.json, told.length]).toEqual([202, { retried: 2 }, 1])
  expect((await mailOf(desk)).map(row => row.kind)).toEqual(['message', 'handoff'])
  expect(at(await read(desk), 'problems')).toBe(0)
  expect(column(await gateway.call('GET', `${desk.path}/problems`, { as: desk.as }), 'id')).toEqual([])
  const again = await gateway.call('GET', `${desk.path}/messages`, { as: desk.as })
  expect(at(again, 'data.0')).toMatchObject({ status: 'received', error: null })
})

test('what waits for its turn, and what was given up in another conversation, is not tried again', async () => {
  const [desk, other] = [await openDesk(), await openDesk()]
  await giveUpMail(other, 'Broken')
  expect((await post(desk, 'retry')).json).toEqual({ retried: 0 })
  expect(at(await read(other), 'problems')).toBe(1)
})
