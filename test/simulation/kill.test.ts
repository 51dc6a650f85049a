import { expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { startEmulator } from '../../emulator/emulator.ts'
import type { ConversationEvent } from '../../src/flow/events.ts'
import { foldEvents } from '../../src/flow/state.ts'
import { stateOf, unfoldedEvents } from '../../src/messaging/conversation-states.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { startEmbeddedPostgres } from '../../src/stores/postgres/embedded.ts'
import { registerNumber } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { freePort, startProcess } from '../support/process.ts'
import { echoFlow, encryptionKey, seedShop } from '../support/seed.ts'

// The process is killed at random moments, twenty times, while customers write: nothing may be lost, nothing may
// happen twice. The seed is printed, and may be given to see the same moments again.

const rounds = 20
const messagesPerRound = 200
const customersPerRound = 20
/** More than one: what goes out by a number is paced. */
const numbers = ['100000000000010', '100000000000011', '100000000000012', '100000000000013']
const seed = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)

type Event = ConversationEvent & { readonly conversation_id: string }

/** A small generator of numbers from 0 to 1 (mulberry32), so that a run can be repeated. */
function randomFrom(start: number): () => number {
  let a = start
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

test(`kill -9 at ${rounds} random moments (seed ${seed}): no message is lost, no reply comes twice`, async () => {
  const random = randomFrom(seed)
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  chmodSync(dataDir, 0o755)
  const emulator = await startEmulator({ port: 0, rates: 'off', limits: { requestsMax: 20_000 } })
  const adapterPort = await freePort()
  const environment = {
    DASHOFFICE_DATA_DIR: dataDir,
    ENCRYPTION_KEY: encryptionKey,
    META_BASE_URL: `${emulator.url}/v25.0`,
    RATE_LIMIT_MESSAGES_PER_MINUTE: '1000000',
    SEND_TIMEOUT_SECONDS: '2',
    SEND_SETTLE_SECONDS: '2',
    ADAPTER_PORT: String(adapterPort),
    LOG_LEVEL: 'warn',
  }
  const start = () => startProcess(['up'], environment, `http://127.0.0.1:${adapterPort}/health`)

  // The first start makes the database; the shop is then put in while nothing runs.
  await (await start()).stop()
  const inDatabase = async <T>(work: (admin: ReturnType<typeof connect>) => Promise<T>): Promise<T> => {
    const { DATABASE_PASSWORD: password } = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'))
    const log = makeTestLog()
    const server = await startEmbeddedPostgres({ dataDir, password, log })
    const admin = connect(server.connection, 1)
    try {
      return await work(admin)
    } finally {
      await admin.close()
      await server.stop()
    }
  }
  const shops = await inDatabase(async admin => {
    const seeded = []
    for (const number of numbers) seeded.push(await seedShop(admin, { number, flow: echoFlow }))
    return seeded
  })
  let server = await start()
  for (const shop of shops)
    await registerNumber(emulator.url, shop, `http://127.0.0.1:${adapterPort}/webhooks/meta/${shop.botId}`)

  try {
    for (let round = 0; round < rounds; round++) {
      const killed = Bun.sleep(20 + random() * 900).then(() => server.kill())
      for (let index = 0; index < messagesPerRound; index++) {
        const place = index % customersPerRound
        const customer = `346${String(round).padStart(3, '0')}${String(place).padStart(3, '0')}`
        await write(emulator.url, {
          number: numbers[place % numbers.length] ?? '',
          customer,
          text: `r${round} m${index}`,
        })
        if (index % 10 === 9) await Bun.sleep(random() * 40)
      }
      await killed
      server = await start()
    }
    await quiet(emulator.url)
    await server.stop()

    const found = await inDatabase(async admin => {
      const conversations = await admin.unsafe(
        `select id, state, ${unfoldedEvents('c')} as unfolded_events from conversations c`,
      )
      const events: Event[] =
        await admin`select conversation_id, type, data from conversation_events order by conversation_id, seq`
      return {
        inbound: await admin`select content ->> 'text' as text, count(*)::int as n from messages
          where direction = 'inbound' group by 1`,
        outbound: await admin`select content ->> 'text' as text, status from messages where direction = 'outbound'`,
        waiting:
          await admin`select (select count(*) from inbox)::int as inbox, (select count(*) from outbox)::int as outbox`,
        conversations: [...conversations],
        events,
      }
    })
    const sent = await replies(emulator.url)
    const all = Array.from({ length: rounds }, (_, round) =>
      Array.from({ length: messagesPerRound }, (_, index) => `r${round} m${index}`),
    ).flat()

    expect(found.waiting[0]).toEqual({ inbox: 0, outbox: 0 })
    // Each message was taken once, and each has one reply of its own.
    expect(found.inbound.length).toBe(all.length)
    expect(found.inbound.filter((row: { n: number }) => row.n !== 1)).toEqual([])
    expect(found.outbound.length).toBe(all.length)
    // What the emulator got twice, or never, is only what the program says that it does not know.
    const unknown = new Set(
      found.outbound.flatMap((row: { text: string; status: string }) => (row.status === 'unknown' ? [row.text] : [])),
    )
    const doubled = [...sent].filter(([, times]) => times.length > 1).map(([text]) => text)
    const missing = all.map(text => `You said: ${text}`).filter(text => !sent.has(text))
    expect(doubled).toEqual([])
    expect(missing.filter(text => !unknown.has(text))).toEqual([])
    console.log(
      `      ${all.length} messages, ${unknown.size} of them unknown at the end, ${missing.length} never sent`,
    )
    // In order, for every customer.
    expect(outOfOrder(sent)).toEqual([])
    const byConversation = Map.groupBy(found.events, event => event.conversation_id)
    const different = found.conversations.filter(
      ({ id, ...stored }) => !isDeepStrictEqual(foldEvents(byConversation.get(id) ?? []), stateOf(stored)),
    )
    expect(found.conversations.length).toBe(rounds * customersPerRound)
    expect(different).toEqual([])
  } finally {
    await server.kill()
    await emulator.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}, 280_000)

/** Waits until webhooks have gone through and replies have ceased for longer than an unknown one takes to settle. */
async function quiet(emulatorUrl: string): Promise<void> {
  for (let [seen, since] = [-1, Date.now()]; Date.now() - since < 5_000; await Bun.sleep(500)) {
    const { pending } = await control(emulatorUrl, '/webhooks')
    const now = pending === 0 ? (await replies(emulatorUrl)).size : -1
    if (now !== seen || pending > 0) [seen, since] = [now, Date.now()]
  }
}

async function write(
  emulatorUrl: string,
  { number, customer, text }: { readonly number: string; readonly customer: string; readonly text: string },
): Promise<void> {
  const response = await fetch(`${emulatorUrl}/emulator/customers/${customer}/messages?number=${number}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'text', text }),
  })
  if (response.status !== 202) throw new Error(`the emulator answered ${response.status}`)
}

// biome-ignore lint/suspicious/noExplicitAny: the emulator's own answers, checked by what is expected of them.
async function control(emulatorUrl: string, path: string): Promise<any> {
  return await (await fetch(`${emulatorUrl}/emulator${path}`)).json()
}

/** Every reply that the emulator took, with its places among all of them. */
async function replies(emulatorUrl: string): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>()
  const { data } = await control(emulatorUrl, '/requests')
  const taken = data.filter((request: { message_id: string | null }) => request.message_id !== null)
  taken.forEach(({ body }: { body: { text: { body: string } } }, place: number) => {
    found.set(body.text.body, [...(found.get(body.text.body) ?? []), place + 1])
  })
  return found
}

/** Replies that lie on a phone before one to an earlier message of the same customer. */
function outOfOrder(sent: ReadonlyMap<string, readonly number[]>): string[] {
  const last = new Map<string, number>()
  const broken: string[] = []
  const inOrder = [...sent].sort(([a], [b]) => numberOf(a) - numberOf(b))
  for (const [text, [seq = 0]] of inOrder) {
    const customer = `${Math.floor(numberOf(text) / 1_000)} ${(numberOf(text) % 1_000) % customersPerRound}`
    if ((last.get(customer) ?? 0) > seq) broken.push(text)
    last.set(customer, seq)
  }
  return broken
}

function numberOf(text: string): number {
  const [, round, index] = /r(\d+) m(\d+)/.exec(text) ?? []
  return Number(round) * 1_000 + Number(index)
}
