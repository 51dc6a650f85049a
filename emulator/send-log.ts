import { BoundedLog } from './bounded-log.ts'

/** One request to a provider's send API, as `GET /emulator/requests` shows it. */
export interface SendRequest {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The id of the number, registered or not; empty where the request names none. */
  readonly number: string
  /** The body as JSON, or as text where it is not JSON; of long texts, as files in base64, the beginning. */
  readonly body: unknown
  /** HTTP status of the answer; null while it is not given, and for ever where it never is. */
  status: number | null
  answer: unknown
  /** The fault it met. */
  fault: string | null
  /** The id the message got, where it was accepted: also when the answer never came. */
  message_id: string | null
  duration_ms: number | null
}

const textCharactersMax = 10_000

/** The newest send requests of all numbers. */
export class SendLog {
  readonly #log: BoundedLog<SendRequest>
  readonly #now: () => number

  constructor(entriesMax: number, now: () => number) {
    this.#log = new BoundedLog(entriesMax)
    this.#now = now
  }

  get total(): number {
    return this.#log.total
  }

  /** The returned entry is completed by whoever answers. */
  begin(number: string, body: unknown): SendRequest {
    const entry: SendRequest = {
      at: this.#now(),
      number,
      body: shortened(body),
      status: null,
      answer: null,
      fault: null,
      message_id: null,
      duration_ms: null,
    }
    this.#log.add(entry)
    return entry
  }

  answered(entry: SendRequest, status: number, answer: unknown): void {
    entry.status = status
    entry.answer = answer
    entry.duration_ms = this.#now() - entry.at
  }

  entries(number: string | null): SendRequest[] {
    return this.#log.entries().filter(entry => number === null || entry.number === number)
  }

  clear(): void {
    this.#log.clear()
  }
}

/** Files are sent as base64 in JSON: a log of them would fill the memory. */
function shortened(value: unknown): unknown {
  if (typeof value === 'string') return shortenedText(value)
  if (Array.isArray(value)) return value.map(shortened)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shortened(each)]))
}

function shortenedText(text: string): string {
  if (text.length <= textCharactersMax) return text
  return `${text.slice(0, textCharactersMax)}… (${text.length} characters)`
}
