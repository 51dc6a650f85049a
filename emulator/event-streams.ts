import type { Change, Customer } from './records.ts'

const heartbeatMs = 15_000
/** A page that falls this far behind is cut off; it reconnects and loads everything anew. */
const backlogMax = 1_000

/** What a chat page hears: every change of the world, and what is not worth keeping. */
export type StreamedEvent =
  | Exclude<Change, { kind: 'number' }>
  | { kind: 'number'; number: unknown }
  | { kind: 'customer'; customer: Customer }
  | { kind: 'typing'; number: string; customer: string; until: number }
  | { kind: 'faults' }
  /** Something of the number has changed that is in no record, as the QR it shows. */
  | { kind: 'notice'; number: string }

const encoder = new TextEncoder()

/** Server-sent events to the open chat pages. */
export class EventStreams {
  readonly #streamsMax: number
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>()
  #heartbeat: Timer | null = null

  constructor(streamsMax: number) {
    this.#streamsMax = streamsMax
  }

  /** A new stream, or null when too many are open. */
  open(): ReadableStream<Uint8Array> | null {
    if (this.#streams.size >= this.#streamsMax) return null
    this.#heartbeat ??= setInterval(() => this.#write(': still here\n\n'), heartbeatMs)
    let opened: ReadableStreamDefaultController<Uint8Array>
    return new ReadableStream<Uint8Array>(
      {
        start: controller => {
          opened = controller
          this.#streams.add(controller)
          controller.enqueue(encoder.encode('retry: 1000\n\n'))
        },
        cancel: () => void this.#streams.delete(opened),
      },
      { highWaterMark: backlogMax },
    )
  }

  send(event: StreamedEvent): void {
    if (this.#streams.size > 0) this.#write(`data: ${JSON.stringify(event)}\n\n`)
  }

  close(): void {
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat)
    for (const stream of this.#streams) stream.close()
    this.#streams.clear()
  }

  #write(text: string): void {
    const bytes = encoder.encode(text)
    for (const stream of this.#streams) {
      if ((stream.desiredSize ?? 0) > 0) stream.enqueue(bytes)
      else this.#cutOff(stream)
    }
  }

  #cutOff(stream: ReadableStreamDefaultController<Uint8Array>): void {
    this.#streams.delete(stream)
    try {
      stream.close()
    } catch {
      // Already closed by the other side.
    }
  }
}
