import * as v from 'valibot'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { connectionJson, type SessionConnection } from './protocol.ts'
import type { SessionEvents, WaitingEvent } from './session-events.ts'

/** Hands what came through one session over to the adapter, in order, each until it is taken. */
export type HandOver = {
  /** There is more. */
  wake(): void
  /** How the session stands now; what was not handed over before it is of no use any more. */
  tell(connection: SessionConnection): void
  /** Resolves once the adapter was told how the session stands. */
  told(): Promise<void>
  /** Begins nothing more, and waits for what is under way. */
  stop(): Promise<void>
}

/** Posts one body to the adapter, and returns the status of its answer. Rejects where there was none. */
export type PostEvent = (botId: string, body: string) => Promise<number>

/** Handed over at once. */
const batchMax = 50
const batchLengthMax = 1_000_000
/** Waiting in the database, beyond which the session is closed: WhatsApp keeps what comes then, instead of us. */
const waitingMax = 5_000
const retryMinMs = 500
const retryMaxMs = 30_000
/** Between two looks at what becomes due by itself. */
const pollMs = 10_000

type ReadableEvent = WaitingEvent & { readonly data: string }

/** The adapter's answers that mean that it will never take this one. */
const refusals: ReadonlySet<number> = new Set([400, 413, 422])

/**
 * Nothing waits in memory: what is to be handed over is in the database until it was. `onFull` and `onFree`: so much
 * waits there that the session is to be closed, and little enough again.
 */
export function startHandOver(options: {
  readonly botId: string
  readonly events: SessionEvents
  readonly post: PostEvent
  readonly log: Log
  /** Whether a message is one that this session has sent. */
  readonly isSent: (messageId: string) => Promise<boolean>
  readonly onFull: () => void
  readonly onFree: () => void
}): HandOver {
  const { botId, events, post, log, isSent, onFull, onFree } = options
  let connection: SessionConnection | null = null
  let allTold = Promise.withResolvers<void>()
  let isStopped = false
  let isWoken = true
  let failures = 0
  let isFull = false
  let rouse: () => void = () => undefined

  async function loop(): Promise<void> {
    while (!isStopped) {
      if (!isWoken) await sleep(pollMs)
      if (isStopped) return
      isWoken = false
      try {
        const isMore = await handOver()
        failures = 0
        if (isMore) isWoken = true
      } catch (error) {
        await failed(error)
      }
    }
  }

  async function handOver(): Promise<boolean> {
    await tellConnection()
    const due = within(await readable(await events.due(batchMax)))
    for (const run of runsOf(await withoutSent(due))) await handRun(run)
    if (isFull && due.length < batchMax) free()
    return due.length > 0
  }

  /** What this session has sent itself is nobody's news, should it come back. */
  async function withoutSent(due: readonly ReadableEvent[]): Promise<readonly ReadableEvent[]> {
    const sent = new Set<ReadableEvent>()
    for (const event of due) {
      const id = ownIdOf(event)
      if (id !== null && (await isSent(id))) sent.add(event)
    }
    await events.delete([...sent].map(event => event.seq))
    return due.filter(event => !sent.has(event))
  }

  async function tellConnection(): Promise<void> {
    const told = connection
    if (told === null) return
    await postOrFail('connection', JSON.stringify(connectionJson(told)))
    if (connection !== told) return
    connection = null
    allTold.resolve()
  }

  /** Without those that nobody can open any more. */
  async function readable(due: readonly WaitingEvent[]): Promise<readonly ReadableEvent[]> {
    const lost = due.filter(event => event.data === null)
    if (lost.length > 0)
      log.error({ bot_id: botId, lost: lost.length }, 'events cannot be opened: they are of another ENCRYPTION_KEY')
    await events.delete(lost.map(event => event.seq))
    return due.flatMap(({ data, ...event }) => (data === null ? [] : [{ ...event, data }]))
  }

  /** One that the adapter cannot take holds up those behind it for ever: alone, it is left out. */
  async function handRun(run: readonly ReadableEvent[]): Promise<void> {
    const status = await postRun(run)
    const [first] = run
    if (refusals.has(status) && run.length > 1) {
      for (const event of run) await handRun([event])
      return
    }
    if (refusals.has(status))
      log.error({ bot_id: botId, status, kind: first?.kind }, 'the adapter cannot take an event')
    else if (status !== 200) throw new Error(`the adapter answered ${status}`)
    await events.delete(run.map(event => event.seq))
  }

  function postRun(run: readonly ReadableEvent[]): Promise<number> {
    const data = run.map(event => event.data).join(',')
    const isMessages = run[0]?.kind === 'message'
    return isMessages
      ? postBody('messages', `{"messages":[${data}],"type":"notify"}`)
      : postBody('statuses', `[${data}]`)
  }

  function postBody(event: string, data: string): Promise<number> {
    return post(botId, `{"event":"${event}","data":${data}}`)
  }

  async function postOrFail(event: string, data: string): Promise<void> {
    const status = await postBody(event, data)
    if (status !== 200) throw new Error(`the adapter answered ${status}`)
  }

  async function failed(error: unknown): Promise<void> {
    failures++
    const delayMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 10))
    if (failures === 3) log.warn({ bot_id: botId, error: messageOf(error) }, 'what came through a session waits')
    await checkFull()
    await sleep(delayMs)
    isWoken = true
  }

  async function checkFull(): Promise<void> {
    const waiting = await events.count().catch(() => 0)
    if (isFull || waiting < waitingMax) return
    isFull = true
    log.error({ bot_id: botId, waiting }, 'the adapter takes nothing: the session is closed until it does')
    onFull()
  }

  function free(): void {
    isFull = false
    onFree()
  }

  function sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      rouse = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  const running = loop()
  return {
    wake() {
      isWoken = true
      // While the adapter is away the next try comes when it comes.
      if (failures === 0) rouse()
    },
    tell(told) {
      connection = told
      allTold = Promise.withResolvers()
      isWoken = true
      if (failures === 0) rouse()
    },
    told: () => (connection === null ? Promise.resolve() : allTold.promise),
    async stop() {
      isStopped = true
      rouse()
      await running
    },
  }
}

const ownSchema = v.object({ key: v.object({ id: v.string(), fromMe: v.literal(true) }) })

/** The id of a message that was written from the account; null where it is none. */
function ownIdOf({ kind, data }: ReadableEvent): string | null {
  if (kind !== 'message' || !data.includes('"fromMe":true')) return null
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ownSchema), data)
  return parsed.success ? parsed.output.key.id : null
}

/** As many as fit into one body. */
function within(events: readonly ReadableEvent[]): readonly ReadableEvent[] {
  let length = 0
  const end = events.findIndex((event, index) => {
    length += event.data.length
    return index > 0 && length > batchLengthMax
  })
  return end === -1 ? events : events.slice(0, end)
}

/** Neighbours of one kind, together. */
function runsOf(events: readonly ReadableEvent[]): ReadableEvent[][] {
  const runs: ReadableEvent[][] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (last?.[0]?.kind === event.kind) last.push(event)
    else runs.push([event])
  }
  return runs
}
