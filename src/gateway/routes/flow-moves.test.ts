import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { unknownBusiness } from '../../flow/business.ts'
import { type CompiledFlow, compileFlow } from '../../flow/compile.ts'
import { flowDocumentSchema } from '../../flow/document.ts'
import { type ConversationState, initialState } from '../../flow/state.ts'
import { step } from '../../flow/step.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const ask = (words: string) => ({
  ...{ type: 'question', content: { type: 'text', text: words }, variable: 'name', next: 'end' },
})
const flow = (steps: Record<string, object>) => ({
  ...{ name: 'Form', start: Object.keys(steps)[0], triggers: [{ fallback: true }], steps },
})
const first = flow({ ask: ask('Name?') })
const reworded = flow({ ask: ask('Your name?') })
const renamed = flow({ who: ask('Name?') })

/** A flow with these versions, the last of them published. */
async function addVersions(as: Caller, ...documents: readonly object[]): Promise<string> {
  const id = textAt(await gateway.call('POST', '/api/flows', { as, body: documents[0] }), 'id')
  for (const body of documents) {
    await gateway.call('PUT', `/api/flows/${id}`, { as, body })
    expect((await gateway.call('POST', `/api/flows/${id}/publish`, { as })).status).toBe(200)
  }
  return id
}

/** Where a conversation stands that a message has begun in a version of the flow, as the engine says. */
function begun(flow_id: string, version: number, document: object): ConversationState {
  const compiled: CompiledFlow = compileFlow(v.parse(flowDocumentSchema, document))
  const library = { byId: () => compiled, published: () => undefined }
  const content = { type: 'text', text: 'hello' } as const
  const customer = { id: 'c', name: null, phone: null, email: null, variables: {}, tags: [], opted_out: false }
  return step(
    library,
    initialState,
    { kind: 'message', message_id: 'm1', content, flows: [{ flow_id, version }] },
    { now: 0, customer, conversation: { id: 'c', bot_id: 'b' }, window_expires_at: null, business: unknownBusiness },
  ).state
}

async function addCustomer(as: Caller): Promise<string> {
  const id = gateway.ids.next()
  await gateway.admin`insert into customers (tenant_id, id) values (${as.tenantId}, ${id})`
  return id
}

async function addConversation(as: Caller, state: ConversationState, status = 'bot'): Promise<string> {
  const id = gateway.ids.next()
  const customerId = await addCustomer(as)
  await gateway.admin`insert into conversations (tenant_id, id, bot_id, customer_id, status, state, seq)
    values (${as.tenantId}, ${id}, ${gateway.ids.next()}, ${customerId}, ${status},
      ${JSON.stringify(state)}::text::jsonb, ${state.seq})`
  return id
}

const move = (as: Caller, id: string, body?: object, headers: Record<string, string> = {}) =>
  gateway.call('POST', `/api/flows/${id}/move`, { as, headers, ...(body && { body }) })
const mail = async (as: Caller): Promise<{ conversation_id: string; body: unknown }[]> =>
  await gateway.admin`select conversation_id, body from inbox where tenant_id = ${as.tenantId} and kind = 'move' order by id`

test('only who may write flows moves conversations, of their own tenant', async () => {
  const owner = await gateway.addCaller()
  const id = await addVersions(owner, first, reworded)
  expect((await gateway.call('POST', `/api/flows/${id}/move`)).status).toBe(401)
  expect((await move(await gateway.addCaller('agent', owner.tenantId), id)).status).toBe(403)
  expect((await move(await gateway.addCaller(), id)).status).toBe(404)
})

describe('conversations that stand at a step of the other version', () => {
  test('are told by a dry run, and get mail by the real one', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, first, reworded)
    const [old, current] = [begun(id, 1, first), begun(id, 2, reworded)]
    const conversation_id = await addConversation(as, old)
    await addConversation(as, current)
    await addConversation(as, old, 'closed')
    await addConversation(as, initialState)
    await addConversation(as, begun(gateway.ids.next(), 1, first))
    const rest = { stuck: { count: 0, reasons: [], examples: [] }, next_cursor: null }
    const movable = { count: 1, examples: [{ conversation_id, version: 1 }] }
    const dry = await move(as, id, { dry_run: true })
    expect([dry.status, dry.json]).toEqual([200, { version: 2, dry_run: true, movable, ...rest }])
    expect(await mail(as)).toEqual([])
    const real = await move(as, id)
    expect([real.status, real.json]).toEqual([202, { version: 2, dry_run: false, movable, ...rest }])
    expect(await mail(as)).toEqual([{ conversation_id, body: { flow_id: id, version: 2 } }])
    expect((await move(as, id)).status).toBe(202)
    expect((await mail(as)).length).toBe(1)
    const log = await gateway.call('GET', '/api/audit?resource=flows', { as })
    expect(column(log, 'action').filter(action => action === 'flow.moved').length).toBe(2)
  })

  test('go back as well, from one version only where that is wished', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, first, reworded, first)
    const conversations = [
      await addConversation(as, begun(id, 3, first)),
      await addConversation(as, begun(id, 2, first)),
    ]
    expect(at(await move(as, id, { from: 2, to: 1 }), 'movable.examples')).toEqual([
      { conversation_id: conversations[1], version: 2 },
    ])
    expect(at(await move(as, id, { to: 1 }), 'movable.count')).toBe(2)
  })

  test('count once, and under one Idempotency-Key are moved once', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, first, reworded)
    await addConversation(as, begun(id, 1, first))
    const key = { 'idempotency-key': 'move' }
    const answers = await Promise.all([move(as, id, {}, key), move(as, id, {}, key)])
    expect(answers.map(answer => answer.text)).toEqual([answers[0]?.text ?? '', answers[0]?.text ?? ''])
    await addConversation(as, begun(id, 1, first))
    expect((await move(as, id, {}, key)).text).toBe(answers[0]?.text ?? '')
    expect((await mail(as)).length).toBe(1)
    expect((await move(as, id, { dry_run: true }, key)).status).toBe(422)
  })
})

test('a conversation whose step is gone stays, and why is told', async () => {
  const as = await gateway.addCaller()
  const id = await addVersions(as, first, renamed)
  const conversation_id = await addConversation(as, begun(id, 1, first))
  const reason = 'it has no step "ask"'
  expect((await move(as, id)).json).toMatchObject({
    movable: { count: 0 },
    stuck: { count: 1, reasons: [{ reason, count: 1 }], examples: [{ conversation_id, version: 1, reason }] },
  })
  expect(await mail(as)).toEqual([])
})

test('what is not there is nothing to move to', async () => {
  const as = await gateway.addCaller()
  const id = await addVersions(as, first)
  expect((await move(as, id, { to: 2 })).status).toBe(404)
  expect((await move(as, id, { to: 0 })).status).toBe(422)
  expect((await move(as, id, { cursor: 'x' })).status).toBe(422)
  const draft = textAt(await gateway.call('POST', '/api/flows', { as, body: { name: 'Draft' } }), 'id')
  expect((await move(as, draft)).status).toBe(409)
})

test('of tens of thousands each request takes its share, and says where the next goes on', async () => {
  const as = await gateway.addCaller()
  const id = await addVersions(as, first, reworded)
  const state = JSON.stringify(begun(id, 1, first))
  await gateway.admin`insert into conversations (tenant_id, id, bot_id, customer_id, status, state, seq)
    select ${as.tenantId}, gen_random_uuid(), gen_random_uuid(), ${await addCustomer(as)}, 'bot', ${state}::text::jsonb, 3
    from generate_series(1, 20500)`
  const page = await move(as, id)
  expect([at(page, 'movable.count'), (await mail(as)).length]).toEqual([20_000, 20_000])
  expect((at(page, 'movable.examples') as unknown[]).length).toBe(100)
  const last = await move(as, id, { cursor: textAt(page, 'next_cursor') })
  expect([at(last, 'movable.count'), at(last, 'next_cursor')]).toEqual([500, null])
  expect(new Set((await mail(as)).map(row => row.conversation_id)).size).toBe(20_500)
  const running = await gateway.call('GET', `/api/flows/${id}/running`, { as })
  expect(running.json).toEqual({ data: [{ version: 1, conversations: 20_500 }] })
})
