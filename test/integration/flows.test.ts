import { afterEach, describe, expect, test } from 'bun:test'
import { uuids } from '../../src/lib/ids.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'

let shop: Installation

afterEach(() => shop.stop())

const customer = '34600000001'
const text = (words: string) => ({ type: 'text', text: words })
const say = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })

async function texts(count: number): Promise<unknown[]> {
  return (await shop.replies(customer, count)).map(reply => reply.content.text)
}

async function conversation() {
  const [row] = await shop.admin`select * from conversations order by id desc limit 1`
  return row
}

/** What the API, an adapter or a timer leaves in the mailbox. */
async function post(kind: string, body: object): Promise<void> {
  const { tenant_id, id } = await conversation()
  await shop.admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${tenant_id}, ${id}, uuidv7(), ${kind}, ${JSON.stringify(body)}::text::jsonb)`
}

/** The time of the conversation's timer is over. */
async function passTime(): Promise<void> {
  await until(async () => (await shop.admin`update timers set due_at = now() returning 1`).length === 1)
}

/** Adds a published flow to the bot, behind its main one. */
async function addFlow(document: { readonly name: string; readonly [key: string]: unknown }): Promise<void> {
  const { tenantId, botId } = shop.shop
  const [id, json] = [uuids.next(), JSON.stringify(document)]
  await shop.admin`insert into flows (tenant_id, id, name, document, published_version, published_name)
    values (${tenantId}, ${id}, ${document.name}, ${json}::text::jsonb, 1, ${document.name})`
  await shop.admin`insert into flow_versions (tenant_id, flow_id, version, document)
    values (${tenantId}, ${id}, 1, ${json}::text::jsonb)`
  await shop.admin`update bots set flow_ids = flow_ids || ${id}::uuid where id = ${botId}`
}

async function setSettings(settings: object): Promise<void> {
  await shop.admin`update tenants set settings = ${JSON.stringify(settings)}::text::jsonb`
}

test('of several flows the first whose trigger fits answers; what takes anything comes last', async () => {
  const main = {
    name: 'Main',
    start: 'a',
    triggers: [{ fallback: true }, { keywords: ['menu'] }],
    steps: { a: say('main') },
  }
  shop = await startInstallation({ flow: main })
  await addFlow({ name: 'Hours', start: 'a', triggers: [{ keywords: ['hours'] }], steps: { a: say('nine to five') } })
  await addFlow({ name: 'Tap', start: 'a', triggers: [{ buttons: ['order:*'] }], steps: { a: say('tapped') } })
  await shop.say(customer, 'anything')
  expect(await texts(1)).toEqual(['main'])
  await shop.say(customer, 'what are your HOURS?')
  expect(await texts(2)).toEqual(['main', 'nine to five'])
  await shop.say(customer, 'menu')
  expect((await texts(3))[2]).toBe('main')
  const [started] = await shop.admin`
    select array_agg(data ->> 'name' order by seq) as names from conversation_events where type = 'flow.started'`
  expect(started.names).toEqual(['Main', 'Hours', 'Main'])
})

test('a flow may answer only while the business is closed, in its own time zone', async () => {
  const main = {
    name: 'Main',
    start: 'open',
    triggers: [{ fallback: true, hours: 'open' }],
    steps: { open: say('{{business.open ? "open" : "closed"}}') },
  }
  shop = await startInstallation({ flow: main })
  await addFlow({
    name: 'Closed',
    start: 'a',
    triggers: [{ fallback: true, hours: 'closed' }],
    steps: { a: say('we are closed') },
  })
  await setSettings({ hours: {} })
  await shop.say(customer, 'hi')
  expect(await texts(1)).toEqual(['we are closed'])
})

describe('a wait', () => {
  const flow = {
    name: 'Remind',
    start: 'hi',
    triggers: [{ fallback: true }],
    steps: {
      hi: say('I come back', 'wait'),
      wait: { type: 'wait', for: '2d', on_message: 'back', next: 'remind' },
      remind: {
        ...say('still there?'),
        template: { type: 'template', name: 'still_there', language: 'en', parameters: ['{{customer.id}}'] },
      },
      back: say('you are back'),
    },
  }

  test('goes on when its time is over, with a template where the window has closed by then', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'hi')
    expect(await texts(1)).toEqual(['I come back'])
    await until(async () => (await shop.admin`select from timers`).length === 1)
    const [timer] = await shop.admin`select due_at > now() + interval '47 hours' as is_late from timers`
    expect(timer.is_late).toBe(true)
    await shop.admin`update conversations set window_expires_at = now() - interval '1 minute'`
    await passTime()
    expect((await shop.replies(customer, 2))[1]?.content).toMatchObject({ type: 'template', name: 'still_there' })
  })

  test('goes another way when the customer writes, and leaves no timer', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'hi')
    await texts(1)
    await shop.say(customer, 'here I am')
    expect(await texts(2)).toEqual(['I come back', 'you are back'])
    await shop.settled()
    expect(await shop.admin`select from timers`).toEqual([])
  })
})

describe('who asks to be left alone', () => {
  const flow = {
    name: 'Ask',
    start: 'ask',
    triggers: [{ fallback: true }],
    steps: {
      ask: {
        type: 'question',
        content: text('Your name?'),
        variable: 'name',
        timeout: { after: '1h', next: 'end' },
        next: 'end',
      },
    },
  }

  test('is told so once, and hears nothing until they want to again', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'hola')
    await texts(1)
    await shop.say(customer, '¡Baja!')
    const [, stopped] = await texts(2)
    expect(stopped).toContain('ALTA')
    await shop.say(customer, 'hola')
    await shop.settled()
    expect((await shop.replies(customer, 2)).length).toBe(2)
    const [row] = await shop.admin`select opted_out_at is not null as is_out from customers`
    expect(row.is_out).toBe(true)
    await shop.say(customer, 'alta')
    await shop.say(customer, 'hola')
    expect((await texts(4))[3]).toBe('Your name?')
    const kinds = await shop.admin`select kind, source, word from consents order by id`
    expect([...kinds]).toEqual([
      { kind: 'opted_out', source: 'customer', word: expect.stringMatching(/baja/i) },
      { kind: 'opted_in', source: 'customer', word: expect.stringMatching(/alta/i) },
    ])
  })

  test('in the same breath as other things is left alone from there on', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'hola')
    await shop.settled()
    const { id } = await conversation()
    await shop.admin.begin(async tx => {
      // All three are in one turn.
      await tx`select from conversations where id = ${id} for update`
      await shop.say(customer, 'STOP')
      await shop.say(customer, 'hola')
      await shop.say(customer, 'hola?')
    })
    await shop.settled()
    expect((await shop.replies(customer, 2)).length).toBe(2)
  })
})

describe('a person', () => {
  const flow = {
    name: 'Help',
    start: 'person',
    triggers: [{ fallback: true }],
    steps: {
      person: {
        type: 'handoff',
        note: 'help',
        next: 'again',
        timeout: { after: '10m', next: 'nobody' },
        agent_timeout: { after: '5m', next: 'silent' },
      },
      nobody: say('nobody is there'),
      silent: say('they are busy'),
      again: say('welcome back'),
      chosen: say('chosen'),
    },
  }

  test('who does not come: the bot goes on; since when the customer waits is known', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'help')
    await until(async () => (await conversation())?.status === 'waiting')
    expect((await conversation()).waiting_since).toBeInstanceOf(Date)
    await passTime()
    expect(await texts(1)).toEqual(['nobody is there'])
    expect(await conversation()).toMatchObject({ status: 'bot', waiting_since: null })
  })

  test('who takes it, is written to and does not answer: the bot takes it back', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'help')
    await until(async () => (await conversation())?.status === 'waiting')
    await post('handoff', { note: '', agent_id: uuids.next() })
    await until(async () => (await conversation()).status === 'agent')
    await shop.say(customer, 'hello?')
    await passTime()
    expect(await texts(1)).toEqual(['they are busy'])
  })

  test('who answers from the phone has it: the bot is silent until it is given back at a step', async () => {
    shop = await startInstallation({ flow })
    await shop.say(customer, 'help')
    await until(async () => (await conversation())?.status === 'waiting')
    await post('agent_message', { message_id: uuids.next(), agent_id: null, source: 'phone', takes_over: true })
    await until(async () => (await conversation()).status === 'agent')
    await shop.say(customer, 'thanks')
    await shop.settled()
    await post('resume', { step: 'chosen' })
    expect(await texts(1)).toEqual(['chosen'])
  })
})
