import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { OutboundContent } from '../../src/flow/content.ts'
import { uuids } from '../../src/lib/ids.ts'
import { queueMessage, reachCustomer } from '../../src/messaging/send.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { emulatedSides, type Line, publicUrl, type Side, statusOf, webSide } from '../support/lines.ts'
import { sealer } from '../support/seed.ts'
import { hasBaileys } from '../support/whatsapp-web/has-baileys.ts'

// What every provider must do, whichever it is: the same conversations, seen from the customer's phone and from the
// database, with the whole program in between.

/** Asks with buttons, asks with a list, and says back everything else. */
const flow = {
  name: 'Contract',
  start: 'menu',
  triggers: [{ fallback: true }],
  steps: {
    menu: { type: 'decision', condition: "message.text == 'menu'", true: 'tap', false: 'rows' },
    rows: { type: 'decision', condition: "message.text == 'list'", true: 'pick', false: 'echo' },
    tap: {
      type: 'question',
      content: {
        type: 'buttons',
        text: 'Tea or coffee?',
        buttons: [
          { id: 't', title: 'Tea' },
          { id: 'c', title: 'Coffee' },
        ],
      },
      variable: 'drink',
      answer: { type: 'choice' },
      next: 'chosen',
    },
    pick: {
      type: 'question',
      content: {
        type: 'list',
        text: 'Which cake?',
        button: 'Cakes',
        sections: [
          { title: 'Sweet', rows: [{ id: 'apple', title: 'Apple', description: 'with cream' }] },
          { title: 'Salty', rows: [{ id: 'leek', title: 'Leek' }] },
        ],
      },
      variable: 'drink',
      answer: { type: 'choice' },
      next: 'chosen',
    },
    chosen: { type: 'message', content: { type: 'text', text: 'You chose {{drink}}.' }, next: 'end' },
    echo: { type: 'message', content: { type: 'text', text: 'You said: {{message.text}}' }, next: 'end' },
  },
}

// WhatsApp Web is there where the library is, which is optional.
const isWithoutWeb = !hasBaileys('the contract is not tried with WhatsApp Web')
const web = isWithoutWeb ? null : (await import('../support/whatsapp-web/server.ts')).startWhatsAppWeb()
const sides: readonly Side[] = web === null ? emulatedSides : [...emulatedSides, webSide(web)]

let shop: Installation
beforeAll(async () => {
  if (web !== null) process.env.BAILEYS_WEB_SOCKET_URL = web.url
  shop = await startInstallation({
    flow,
    environment: { PUBLIC_URL: publicUrl, ALLOW_PRIVATE_URLS: 'true', SEND_TIMEOUT_SECONDS: '2' },
  })
})
afterAll(async () => {
  delete process.env.BAILEYS_WEB_SOCKET_URL
  await shop.stop()
  await web?.stop()
})

let customers = 34_600_100_000
const texts = (messages: readonly { content: { text?: string } }[]) => messages.map(one => one.content.text)

async function queue(line: Line, content: OutboundContent): Promise<string> {
  const { tenantId } = shop.shop
  return await shop.app.database.transaction({ role: 'app', tenantId }, async tx => {
    const identity = { kind: 'phone', value: `+${line.customer}` } as const
    const to = { tenantId, botId: line.botId, identity }
    const { conversationId } = await reachCustomer(tx, uuids, to, sealer)
    const windowExpiresAt = new Date(Date.now() + 3_600_000)
    const message = {
      tenantId,
      conversationId,
      botId: line.botId,
      content,
      windowExpiresAt,
      nowMs: Date.now(),
      source: 'api' as const,
    }
    return (await queueMessage(tx, uuids, message)).id
  })
}

async function statusesOf(line: Line): Promise<string[]> {
  const rows = await shop.admin`select status from messages
    where bot_id = ${line.botId} and direction = 'outbound' order by id`
  return rows.map((row: { status: string }) => row.status)
}

async function settled(line: Line, status: string): Promise<void> {
  await until(async () => (await statusesOf(line)).every(one => one === status))
}

function describeSide(side: Side): void {
  describe(side.name, () => {
    const { busy } = side
    const open = () => side.open(shop, String(customers++))

    // The others say nothing of it.
    if (side.tellsOfPhone)
      test.concurrent('what the business writes on its own phone is shown as such, and the bot is silent from then on', async () => {
        const line = await open()
        await line.say('hello')
        await line.shown(1)
        const id = await line.writeFromPhone('I will look into it')
        const written = () => shop.admin`select content, direction, source, status from messages
        where bot_id = ${line.botId} and provider_message_id = ${id}`
        await until(async () => (await written()).length === 1)
        expect((await written())[0]).toMatchObject({
          ...{ direction: 'outbound', source: 'phone', content: { type: 'text', text: 'I will look into it' } },
        })
        const conversation = async () => {
          const [row] = await shop.admin`select c.id, c.status, count(e.*)::int as answers,
            (select count(*)::int from inbox i where i.conversation_id = c.id) as mail
          from conversations c left join conversation_events e on e.conversation_id = c.id and e.type = 'agent.replied'
          where c.bot_id = ${line.botId} group by c.id, c.status`
          return row
        }
        await until(async () => (await conversation()).status === 'agent')
        await line.say('thank you')
        await until(async () => (await conversation()).mail === 0)
        expect(await conversation()).toMatchObject({ status: 'agent', answers: 1 })
        const [sent] = await shop.admin`select count(*)::int as messages from messages
        where bot_id = ${line.botId} and direction = 'outbound'`
        expect(sent.messages).toBe(2)
        // WhatsApp Web's customer shows only what a bot sent.
        if (side.provider !== 'baileys') await until(async () => (await written())[0].status === 'delivered')
      })

    test.concurrent('a message is taken and answered, and its ticks climb to read', async () => {
      const line = await open()
      await line.say('hello')
      expect(texts(await line.shown(1))).toEqual(['You said: hello'])
      await settled(line, 'delivered')
      await line.read()
      await settled(line, 'read')
      const [row] =
        await shop.admin`select k.name, k.phone from customers k join conversations c on c.customer_id = k.id
        where c.bot_id = ${line.botId}`
      expect(row.phone).toBe(`+${line.customer}`)
      expect(row.name).not.toBe('')
    }, 30_000)

    test.concurrent('buttons and lists can be answered, tapped or by their number', async () => {
      const line = await open()
      const answer = (id: string, title: string, number: string) =>
        line.say(side.choices === 'tapped' ? { type: 'choice', id, title } : number)
      await line.say('menu')
      const [asked] = await line.shown(1)
      if (side.choices === 'numbered') expect(asked?.content.text).toBe('Tea or coffee?\n\n1. Tea\n2. Coffee')
      await answer('c', 'Coffee', '2')
      expect(texts(await line.shown(2)).at(-1)).toBe('You chose c.')
      await line.say('list')
      await line.shown(3)
      await answer('leek', 'Leek', '2')
      expect(texts(await line.shown(4)).at(-1)).toBe('You chose leek.')
    }, 30_000)

    if (busy !== null) {
      test.concurrent('a message that comes many times is answered once', async () => {
        const line = await open()
        await line.addFaults([{ kind: 'duplicate', copies: 10, count: 1 }])
        await line.say('hello')
        await line.say('again')
        expect(texts(await line.shown(2))).toEqual(['You said: hello', 'You said: again'])
      }, 30_000)

      test.concurrent('a provider that is busy, then broken, gets the answer once, after the tries', async () => {
        const line = await open()
        await line.addFaults([busy, { kind: '500' }])
        await line.say('hello')
        expect(texts(await line.shown(1))).toEqual(['You said: hello'])
        await settled(line, 'delivered')
      }, 30_000)

      test.concurrent('an answer that never comes leaves a message unknown, never sent twice', async () => {
        const line = await open()
        await line.addFaults([{ kind: 'hang' }])
        await line.say('hello')
        await until(async () => ['unknown', 'delivered'].includes((await statusesOf(line))[0] ?? ''))
        expect(texts(await line.shown(1))).toEqual(['You said: hello'])
        await Bun.sleep(2_500)
        expect((await line.shown(1)).length).toBe(1)
      }, 30_000)
    }

    test.concurrent('a key that is refused stops the bot with a reason, and what it has to say waits', async () => {
      const line = await open()
      await line.say('hello')
      await line.shown(1)
      await line.revoke()
      await queue(line, { type: 'text', text: 'are you there?' })
      await until(async () => ['error', 'logged_out'].includes(await statusOf(shop, line.botId)))
      const [row] = await shop.admin`select status_reason from bots where id = ${line.botId}`
      expect(row.status_reason).not.toBe('')
      expect((await statusesOf(line)).at(-1)).toBe('queued')
    }, 30_000)

    test.concurrent('what a customer cannot be reached by fails with a reason', async () => {
      const line = await open()
      await line.addFaults([{ kind: 'undeliverable' }])
      await line.say('hello')
      await until(async () => (await statusesOf(line))[0] === 'failed')
      const [row] = await shop.admin`select error from messages where bot_id = ${line.botId} and direction = 'outbound'`
      expect(row.error.message.length).toBeGreaterThan(10)
    }, 30_000)

    test.concurrent('a place, contacts and a long text are shown, in their order', async () => {
      const line = await open()
      await line.say('hello')
      await line.shown(1)
      await queue(line, {
        type: 'location',
        latitude: 51.4779,
        longitude: -0.0015,
        name: 'Observatory',
        address: 'Road 1',
      })
      await queue(line, { type: 'contacts', contacts: [{ name: 'Ada Shop', phones: ['+34600000009'] }] })
      await queue(line, { type: 'text', text: `${'long '.repeat(500)}end` })
      const shown = (await line.shown(4)).slice(1)
      expect(JSON.stringify(shown[0]?.content)).toContain('51.4779')
      expect(JSON.stringify(shown[1]?.content)).toContain('600000009')
      await until(
        async () =>
          texts(await line.shown(4))
            .at(-1)
            ?.endsWith('end') === true,
      )
      const words = texts((await line.shown(4)).slice(3))
        .join(' ')
        .split(/\s+/)
      expect(words.length).toBe(501)
    }, 30_000)
  })
}

for (const side of sides) describeSide(side)
