import { afterEach, describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { compileFlow } from '../../src/flow/compile.ts'
import { flowDocumentSchema } from '../../src/flow/document.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { moveConversations } from '../../src/messaging/move-conversations.ts'
import { openDatabase } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'

// What becomes of conversations that run while their flow is published again.

let shop: Installation
afterEach(() => shop.stop())

const customer = '34600000001'
const say = (text: string, next = 'end') => ({ type: 'message', content: { type: 'text', text }, next })
const ask = (text: string, variable: string, next: string) => {
  return { type: 'question', content: { type: 'text', text }, variable, next }
}
const flow = (name: string, steps: Record<string, object>) => {
  return { name, start: Object.keys(steps)[0], triggers: [{ fallback: true }], steps }
}
const asking = (version: string, more: Record<string, object> = {}) =>
  flow('Flow', { ask: ask(`${version}: name?`, 'name', 'bye'), bye: say(`${version}: bye {{name}}`), ...more })

async function texts(count: number): Promise<unknown[]> {
  return (await shop.replies(customer, count)).map(reply => reply.content.text)
}

/** Publishes the next version, as the API leaves it. */
async function publish(flowId: string, version: number, document: object): Promise<void> {
  const { tenantId } = shop.shop
  await shop.admin`insert into flow_versions (tenant_id, flow_id, version, document)
    values (${tenantId}, ${flowId}, ${version}, ${JSON.stringify(document)}::text::jsonb)`
  await shop.admin`update flows set published_version = ${version}, published_name = name where tenant_id = ${tenantId} and id = ${flowId}`
}

async function addFlow(name: string, document: object): Promise<string> {
  const id = uuids.next()
  await shop.admin`insert into flows (tenant_id, id, name, document) values (${shop.shop.tenantId}, ${id}, ${name}, '{}')`
  await publish(id, 1, document)
  return id
}

/** What the API leaves in the mailbox of each conversation that can be moved. */
async function move(version: number): Promise<void> {
  const body = JSON.stringify({ flow_id: shop.shop.flowId, version })
  await shop.admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    select tenant_id, id, uuidv7(), 'move', ${body}::text::jsonb from conversations`
  await until(async () => (await shop.admin`select 1 from inbox`).length === 0)
}

async function lastEvent(): Promise<{ type: string; data: object }> {
  const [event] = await shop.admin`select type, data from conversation_events order by seq desc limit 1`
  return event
}

describe('a conversation that runs', () => {
  test('ends on the version it began with; the next run takes the published one', async () => {
    shop = await startInstallation({ flow: asking('one') })
    await shop.say(customer, 'hi')
    await shop.replies(customer, 1)
    await publish(shop.shop.flowId, 2, asking('two'))
    await shop.say(customer, 'Ana')
    expect((await texts(2))[1]).toBe('one: bye Ana')
    await shop.say(customer, 'hi again')
    expect((await texts(3))[2]).toBe('two: name?')
  })

  test('stays on the version of the flow that it called as well', async () => {
    const main = flow('Flow', {
      call: { type: 'flow', flow: 'Sub', next: 'bye' },
      bye: say('bye {{name}} of {{town}}'),
    })
    const sub = (version: string) =>
      flow('Sub', { ask: ask(`${version}: name?`, 'name', 'town'), town: ask(`${version}: town?`, 'town', 'end') })
    shop = await startInstallation({ flow: main })
    const subId = await addFlow('Sub', sub('one'))
    await shop.say(customer, 'hi')
    expect(await texts(1)).toEqual(['one: name?'])
    await publish(subId, 2, sub('two'))
    await publish(shop.shop.flowId, 2, flow('Flow', { bye: say('two: bye') }))
    await shop.say(customer, 'Ana')
    expect((await texts(2))[1]).toBe('one: town?')
    await shop.say(customer, 'Vigo')
    expect((await texts(3))[2]).toBe('bye Ana of Vigo')
    await shop.say(customer, 'hi again')
    expect((await texts(4))[3]).toBe('two: bye')
  })
})

describe('a conversation that is moved', () => {
  test('goes on in the other version from the step where it stands', async () => {
    shop = await startInstallation({ flow: asking('one') })
    await shop.say(customer, 'hi')
    await shop.replies(customer, 1)
    await publish(shop.shop.flowId, 2, asking('two'))
    await move(2)
    expect(await lastEvent()).toMatchObject({ type: 'flow.moved', data: { from_version: 1, version: 2 } })
    await shop.say(customer, 'Ana')
    expect((await texts(2))[1]).toBe('two: bye Ana')
  })

  test('goes back to a version that is published no more', async () => {
    shop = await startInstallation({ flow: asking('one') })
    await publish(shop.shop.flowId, 2, asking('two'))
    await shop.say(customer, 'hi')
    await shop.replies(customer, 1)
    await publish(shop.shop.flowId, 3, asking('three'))
    await move(1)
    expect(await lastEvent()).toMatchObject({ type: 'flow.moved', data: { from_version: 2, version: 1 } })
    await shop.say(customer, 'Ana')
    expect((await texts(2))[1]).toBe('one: bye Ana')
  })

  test('stays where its step is not there any more, and its events say why', async () => {
    shop = await startInstallation({ flow: asking('one') })
    await shop.say(customer, 'hi')
    await shop.replies(customer, 1)
    await publish(shop.shop.flowId, 2, flow('Flow', { who: ask('two: who?', 'name', 'end') }))
    await move(2)
    expect(await lastEvent()).toMatchObject({
      ...{ type: 'flow.move_refused', data: { version: 2, reason: 'it has no step "ask"' } },
    })
    await shop.say(customer, 'Ana')
    expect((await texts(2))[1]).toBe('one: bye Ana')
  })

  test('is judged by where it stands now, though its row holds where it stood some events ago', async () => {
    const one = flow('Flow', {
      what: ask('what?', 'what', 'name'),
      name: ask('name?', 'name', 'town'),
      town: ask('town?', 'town', 'end'),
    })
    let connection: PostgresConnection | undefined
    shop = await startInstallation({ flow: one, reach: async given => (connection = given) })
    await shop.say(customer, 'hi')
    await shop.replies(customer, 1)
    for (const replies of [2, 3]) {
      await shop.say(customer, 'I need '.repeat(570))
      await shop.replies(customer, replies)
    }
    const [{ unfolded }] = await shop.admin`select unfolded from conversations`
    expect(unfolded).toBeGreaterThan(0)
    if (connection === undefined) throw new Error('the installation has no database')
    const database = openDatabase(connection, makeMetrics())
    const { tenantId, flowId } = shop.shop
    const target = v.parse(flowDocumentSchema, flow('Flow', { town: ask('which town?', 'town', 'end') }))
    const move = { tenantId, flowId, from: null, to: { version: 2, flow: compileFlow(target) } }
    const told = await database.transaction({ role: 'app', tenantId }, tx =>
      moveConversations(tx, uuids, { ...move, isDryRun: true, after: null }),
    )
    await database.close()
    expect(told).toMatchObject({ movable: { count: 1 }, stuck: { count: 0 } })
  })
})
