import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import type { ConversationEvent } from '../../flow/events.ts'
import { foldEvents } from '../../flow/state.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'
import { saveTurns } from '../../messaging/save-turns.ts'

// What people and programs write and do in a conversation, as the conversation's mailbox has it.

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Desk = { readonly as: Caller; readonly botId: string; readonly path: string; readonly id: string }

const content = { type: 'text', text: 'Hello from a person' }

/** A tenant whose one customer wrote once. */
async function openDesk(): Promise<Desk> {
  const as = await gateway.addCaller()
  const config = { phone_number_id: '1', access_token: 'a', app_secret: 'b', verify_token: 'c' }
  const bot = await gateway.call('POST', '/api/bots', { as, body: { name: 'Shop', provider: 'meta', config } })
  const botId = textAt(bot, 'id')
  const sender = { identities: [{ kind: 'phone' as const, value: '+573001110001' }], name: 'Ana' }
  const message = { tenantId: as.tenantId, botId, providerMessageId: crypto.randomUUID(), at: new Date(), sender }
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [{ ...message, content: { type: 'text', text: 'hola' } }],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  const id = textAt(await gateway.call('GET', '/api/conversations?limit=1', { as }), 'data.0.id')
  await gateway.admin`delete from inbox where conversation_id = ${id}`
  return { as, botId, id, path: `/api/conversations/${id}` }
}

const post = (desk: Desk, command: string, body: object = {}, as = desk.as) =>
  gateway.call('POST', `${desk.path}/${command}`, { as, body })

async function keyOf({ as }: Desk): Promise<Record<string, string>> {
  const body = { name: 'Shop', scopes: ['conversations:write'] }
  return { 'x-api-key': textAt(await gateway.call('POST', '/api/api-keys', { as, body }), 'key') }
}

const mail = async ({ id }: Desk): Promise<{ kind: string; body: object }[]> => [
  ...(await gateway.admin`select kind, body from inbox where conversation_id = ${id} order by id`),
]

/** As if a turn had written these events. */
async function play(desk: Desk, events: readonly ConversationEvent[]): Promise<void> {
  const state = foldEvents(events)
  const key = { tenantId: desk.as.tenantId, conversationId: desk.id, botId: desk.botId }
  const nothing = { sends: [], timer: undefined, doneIds: [], heldIds: [], releases: false, lastInboundAt: null }
  await gateway.database.transaction({ role: 'worker' }, tx =>
    saveTurns(tx, [{ ...key, state, seqBefore: 0, events, ...nothing }], new Date()),
  )
  await gateway.feed.announce(desk.as.tenantId, { changed: ['conversations'] })
}

const takenBy = (agent_id: string): ConversationEvent => ({
  type: 'handed_off',
  data: { by: 'agent', note: '', agent_id },
})

test('what an agent writes is told to the turn as theirs, and takes the conversation over where they say so', async () => {
  const desk = await openDesk()
  const first = await post(desk, 'messages', { content })
  const second = await post(desk, 'messages', { content, take_over: true })
  const body = { agent_id: desk.as.userId, source: 'api' }
  expect(await mail(desk)).toEqual([
    { kind: 'agent_message', body: { ...body, message_id: at(first, 'message_id'), takes_over: false } },
    { kind: 'agent_message', body: { ...body, message_id: at(second, 'message_id'), takes_over: true } },
  ])
  const messages = await gateway.call('GET', `${desk.path}/messages`, { as: desk.as })
  expect([at(messages, 'data.0.source'), at(messages, 'data.2.source')]).toEqual(['agent', null])
})

test('what a program sends is nobody’s answer, unless it takes the conversation over', async () => {
  const desk = await openDesk()
  const headers = await keyOf(desk)
  const send = (body: object) => gateway.call('POST', `${desk.path}/messages`, { headers, body })
  expect((await send({ content })).status).toBe(202)
  expect(await mail(desk)).toEqual([])
  expect((await send({ content, take_over: true })).status).toBe(202)
  expect(await mail(desk)).toMatchObject([{ kind: 'agent_message', body: { source: 'api', takes_over: true } }])
  const messages = await gateway.call('GET', `${desk.path}/messages`, { as: desk.as })
  expect(at(messages, 'data.0.source')).toBe('api')
})

test('a conversation that an agent has, or is about to have, is not taken by another one by accident', async () => {
  const desk = await openDesk()
  const [ana, luis] = [
    await gateway.addCaller('agent', desk.as.tenantId),
    await gateway.addCaller('agent', desk.as.tenantId),
  ]
  expect((await post(desk, 'handoff', {}, ana)).status).toBe(202)
  for (const [command, body] of [
    ['handoff', {}],
    ['messages', { content, take_over: true }],
  ] as const) {
    const refused = await post(desk, command, body, luis)
    expect([refused.status, at(refused, 'type')]).toEqual([409, '/problems/conflict'])
    expect(textAt(refused, 'detail')).toStartWith('agent has this conversation')
  }
  // Twice the same, or a word in between, is nobody's loss.
  expect((await post(desk, 'handoff', {}, ana)).status).toBe(202)
  expect((await post(desk, 'messages', { content }, luis)).status).toBe(202)
  await gateway.admin`delete from inbox where conversation_id = ${desk.id}`
  await play(desk, [takenBy(ana.userId)])
  expect((await post(desk, 'handoff', {}, luis)).status).toBe(409)
  expect((await post(desk, 'handoff', {}, ana)).status).toBe(202)
  expect((await post(desk, 'handoff', { force: true }, luis)).status).toBe(202)
  // From then on it is his.
  expect((await post(desk, 'handoff', {}, ana)).status).toBe(409)
  expect((await post(desk, 'resume', {}, luis)).status).toBe(202)
  expect((await post(desk, 'handoff', {}, ana)).status).toBe(202)
})

test('of many who take one conversation at the same moment, one has it', async () => {
  const desk = await openDesk()
  const agents = await Promise.all(Array.from({ length: 8 }, () => gateway.addCaller('agent', desk.as.tenantId)))
  const answers = await Promise.all(agents.map(agent => post(desk, 'handoff', {}, agent)))
  expect(answers.map(answer => answer.status).sort()).toEqual([202, ...Array.from({ length: 7 }, () => 409)])
  expect(await mail(desk)).toHaveLength(1)
})

test('one that somebody answered from the phone is nobody’s in particular', async () => {
  const desk = await openDesk()
  await play(desk, [{ type: 'handed_off', data: { by: 'agent', note: '' } }])
  expect((await post(desk, 'handoff', {})).status).toBe(202)
})

test('a conversation goes back to the bot at a step of the flow that it is in, and at no other', async () => {
  const desk = await openDesk()
  const { as } = desk
  const steps = {
    hello: { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'ask_size' },
    ask_size: {
      ...{ type: 'question', content: { type: 'text', text: 'Which size?' }, variable: 'size', next: 'end' },
    },
  }
  const flow = { name: 'Sizes', start: 'hello', triggers: [{ fallback: true }], steps }
  const flow_id = textAt(await gateway.call('POST', '/api/flows', { as, body: flow }), 'id')
  expect((await gateway.call('POST', `/api/flows/${flow_id}/publish`, { as })).status).toBe(200)
  const never = await post(desk, 'resume', { step: 'hello' })
  expect([never.status, at(never, 'errors.0.path')]).toEqual([422, 'step'])
  const started = { flow_id, name: 'Sizes', version: 1, trigger: 'fallback' }
  await play(desk, [{ type: 'flow.started', data: started }])
  const wrong = await post(desk, 'resume', { step: 'ask_siz' })
  expect([wrong.status, at(wrong, 'errors.0.message')]).toEqual([
    422,
    'Is no step of the flow "Sizes"; did you mean "ask_size"?',
  ])
  expect((await post(desk, 'resume', { step: 'ask_size' })).status).toBe(202)
  expect((await post(desk, 'resume')).status).toBe(202)
  expect(await mail(desk)).toEqual([
    { kind: 'resume', body: { agent_id: as.userId, step: 'ask_size' } },
    { kind: 'resume', body: { agent_id: as.userId } },
  ])
})

test('a conversation that waits for a person says since when', async () => {
  const desk = await openDesk()
  expect(at(await gateway.call('GET', desk.path, { as: desk.as }), 'waiting_since')).toBeNull()
  await play(desk, [{ type: 'handed_off', data: { by: 'flow', note: '' } }])
  const waiting = await gateway.call('GET', '/api/conversations?status=waiting', { as: desk.as })
  expect(Date.parse(textAt(waiting, 'data.0.waiting_since'))).toBeGreaterThan(Date.now() - 60_000)
})
