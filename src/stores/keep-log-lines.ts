import { AppError, messageOf } from '../lib/errors.ts'
import { type Ids, isUuid } from '../lib/ids.ts'
import { type Log, listenToLines } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { LogEntry, LogStore } from './log-store.ts'

/** Lines that wait to be written, and their characters: what comes beyond either is dropped. */
const linesMax = 2_000
const charactersMax = 1_000_000
const batchMax = 500
/** Between two batches: a thousand lines a second at most, so that a flood of them costs the database little. */
const pauseMs = 500
/** After a batch that could not be written; twice as long each time. */
const retryMaxMs = 30_000
const stopMs = 900

/**
 * Writes the lines of this process's log into `system_logs` too, in batches, on the side: whoever logs never waits. While
 * the store is away, lines wait as far as there is room; how many were dropped is counted, and told by a line of its own.
 * `role` is for lines that name none. `stop` writes what waits, for a second at most.
 */
export function keepLogLines(options: {
  readonly log: Log
  readonly store: LogStore
  readonly metrics: Metrics
  readonly ids: Ids
  readonly role: string
}): { stop(): Promise<void> } {
  const { log, store, metrics, ids, role } = options
  let lines: string[] = []
  let characters = 0
  let dropped = 0
  /** What is being written, or is to be written again. */
  let batch: readonly LogEntry[] = []
  let failures = 0
  let isTelling = false
  let isStopped = false
  let timer: Timer | undefined
  let writing: Promise<void> | undefined
  const stopListening = listenToLines(log, take)

  function take(line: string): void {
    if (isTelling) return
    const hasRoom = lines.length < linesMax && characters + line.length <= charactersMax
    if (hasRoom) {
      lines.push(line)
      characters += line.length
    } else drop(1)
    writeSoon()
  }

  function drop(count: number): void {
    dropped += count
    metrics.systemLogLines.inc({ outcome: 'dropped' }, count)
  }

  function writeSoon(): void {
    if (isStopped || timer !== undefined || writing !== undefined) return
    timer = setTimeout(
      () => {
        timer = undefined
        writing = writeBatch().finally(() => {
          writing = undefined
          if (isLeft()) writeSoon()
        })
      },
      Math.min(pauseMs * 2 ** failures, retryMaxMs),
    )
    timer.unref()
  }

  function isLeft(): boolean {
    return batch.length > 0 || lines.length > 0 || dropped > 0
  }

  async function writeBatch(): Promise<void> {
    if (batch.length === 0) batch = nextBatch()
    try {
      await store.append('system_logs', batch)
      metrics.systemLogLines.inc({ outcome: 'kept' }, batch.length)
      batch = []
      if (failures > 0) tell(() => log.info('lines of the log are kept in system_logs again'))
      failures = 0
    } catch (error) {
      if (failures++ === 0) tell(() => log.warn({ error: messageOf(error) }, 'lines of the log wait for system_logs'))
      // One that another try cannot mend must not hold up those behind it.
      if (error instanceof AppError) return
      drop(batch.length)
      batch = []
    }
  }

  function nextBatch(): LogEntry[] {
    const taken = lines.slice(0, batchMax)
    lines = lines.slice(batchMax)
    for (const line of taken) characters -= line.length
    const entries = taken.map(line => entryOf(line, ids.next(), role))
    if (dropped > 0) entries.push(entryOf(droppedLine(dropped), ids.next(), role))
    dropped = 0
    return entries
  }

  /** What is said of the keeping itself is not kept: it would go round in circles. */
  function tell(say: () => void): void {
    isTelling = true
    say()
    isTelling = false
  }

  async function writeRest(): Promise<void> {
    await writing
    while (isLeft() && failures === 0) await writeBatch()
  }

  return {
    async stop() {
      stopListening()
      isStopped = true
      clearTimeout(timer)
      failures = 0
      await Promise.race([writeRest(), Bun.sleep(stopMs)])
      drop(batch.length + lines.length)
    },
  }
}

function droppedLine(count: number): string {
  const message = `${count} lines were dropped: more came than could be kept`
  return JSON.stringify({ level: 'warn', time: new Date().toISOString(), message, dropped: count })
}

function entryOf(line: string, id: string, ownRole: string): LogEntry {
  const { level, time, message, role = ownRole, ...fields } = fieldsOf(line)
  return {
    id,
    tenant_id: null,
    created_at: timeOf(time),
    log_type: typeof level === 'string' ? level : 'info',
    bot_id: uuidOf(fields.bot_id),
    conversation_id: uuidOf(fields.conversation_id),
    ...{ key: '', value: null, bucket: null },
    data: { role, message, ...fields },
  }
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(line)
    return typeof fields === 'object' && fields !== null ? { ...fields } : { message: line }
  } catch {
    return { message: line }
  }
}

function timeOf(time: unknown): Date {
  const date = new Date(typeof time === 'string' ? time : Number.NaN)
  return Number.isNaN(date.getTime()) ? new Date() : date
}

function uuidOf(value: unknown): string | null {
  return typeof value === 'string' && isUuid(value) ? value : null
}
