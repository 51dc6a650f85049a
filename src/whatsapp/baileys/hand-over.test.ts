import { expect, test } from 'bun:test'
import { until } from '../../../test/support/installation.ts'
import { makeTestLog } from '../../../test/support/log.ts'
import { startHandOver } from './hand-over.ts'
import type { SessionEvents, WaitingEvent } from './session-events.ts'

const log = makeTestLog()

/** Events as the table has them, with how many wait beside those that are given. */
function eventsOf(waiting: WaitingEvent[], more = () => 0): SessionEvents {
  return {
    write: async () => undefined,
    save: async () => undefined,
    due: async limit => waiting.slice(0, limit),
    async delete(seqs) {
      for (const seq of seqs) {
        const index = waiting.findIndex(event => event.seq === seq)
        if (index >= 0) waiting.splice(index, 1)
      }
    },
    count: async () => waiting.length + more(),
  }
}

const message = (seq: number, data = `{"seq":${seq}}`): WaitingEvent => ({ seq, kind: 'message', data })
const status = (seq: number): WaitingEvent => ({ seq, kind: 'status', data: `{"seq":${seq}}` })

function handing(waiting: WaitingEvent[], answer: (body: string) => number, more = () => 0) {
  const bodies: string[] = []
  const calls = { full: 0, free: 0 }
  const handOver = startHandOver({
    botId: 'b',
    events: eventsOf(waiting, more),
    log,
    isSent: async id => id === 'sent-here',
    async post(_, body) {
      bodies.push(body)
      return answer(body)
    },
    onFull: () => calls.full++,
    onFree: () => calls.free++,
  })
  return { handOver, bodies, calls, waiting }
}

test('neighbours of one kind go together, in their order', async () => {
  const { handOver, bodies, waiting } = handing([message(1), message(2), status(3), message(4)], () => 200)
  await until(() => waiting.length === 0)
  await handOver.stop()
  expect(bodies).toEqual([
    '{"event":"messages","data":{"messages":[{"seq":1},{"seq":2}],"type":"notify"}}',
    '{"event":"statuses","data":[{"seq":3}]}',
    '{"event":"messages","data":{"messages":[{"seq":4}],"type":"notify"}}',
  ])
})

test('what is not taken is told again, before what came after it', async () => {
  let tries = 0
  const { handOver, bodies, waiting } = handing([message(1), status(2)], () => (++tries < 3 ? 503 : 200))
  await until(() => waiting.length === 0)
  await handOver.stop()
  expect(bodies.map(body => /"seq":(\d)/.exec(body)?.[1])).toEqual(['1', '1', '1', '2'])
})

test('one that can never be taken does not hold up the others', async () => {
  const answer = (body: string) => (body.includes('poison') ? 400 : 200)
  const { handOver, bodies, waiting } = handing([message(1), message(2, '"poison"'), message(3)], answer)
  await until(() => waiting.length === 0)
  await handOver.stop()
  expect(bodies.length).toBe(4)
})

test('a large batch is cut', async () => {
  const long = JSON.stringify('x'.repeat(600_000))
  const { handOver, bodies, waiting } = handing([message(1, long), message(2, long), message(3, long)], () => 200)
  await until(() => waiting.length === 0)
  await handOver.stop()
  expect(bodies.length).toBe(3)
})

test('of how the session stands only the last is told', async () => {
  let isDown = true
  const { handOver, bodies } = handing([], () => (isDown ? 500 : 200))
  handOver.tell({ kind: 'connecting', reason: 'first' })
  await until(() => bodies.length > 0)
  handOver.tell({ kind: 'connected', reason: null })
  isDown = false
  await handOver.told()
  await handOver.stop()
  expect(JSON.parse(bodies.at(-1) ?? '')).toMatchObject({ event: 'connection', data: { state: 'connected' } })
  expect(bodies.filter(body => body.includes('connected"')).length).toBe(1)
})

test('where too much waits the session is to be closed, and opened when it is told', async () => {
  let isDown = true
  let isMore = true
  const { handOver, calls, waiting } = handing(
    [message(1)],
    () => (isDown ? 503 : 200),
    () => (isMore ? 5_000 : 0),
  )
  await until(() => calls.full === 1)
  isDown = false
  isMore = false
  await until(() => calls.free === 1)
  await handOver.stop()
  expect([calls, waiting.length]).toEqual([{ full: 1, free: 1 }, 0])
})

test('what the session has sent itself is nobody’s news; what was written on the phone is', async () => {
  const own = (seq: number, id: string) => message(seq, JSON.stringify({ key: { id, fromMe: true } }))
  const quoting = message(3, JSON.stringify({ key: { id: 'sent-here', fromMe: false }, text: '"fromMe":true' }))
  const { handOver, bodies, waiting } = handing([own(1, 'sent-here'), own(2, 'phone'), quoting], () => 200)
  await until(() => waiting.length === 0)
  await handOver.stop()
  expect(bodies.map(body => JSON.parse(body).data.messages)).toEqual([
    [{ key: { id: 'phone', fromMe: true } }, { key: { id: 'sent-here', fromMe: false }, text: '"fromMe":true' }],
  ])
})
