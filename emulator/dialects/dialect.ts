import type { Hono } from 'hono'
import type * as v from 'valibot'
import type { WebhookDeliveries } from '../deliver-webhooks.ts'
import type { Exchange } from '../exchange.ts'
import type { MediaStore } from '../media-store.ts'
import type { Answer, SendApi } from '../read-send.ts'
import type { BusinessNumber } from '../records.ts'
import type { Wording } from '../wording.ts'
import type { World } from '../world.ts'
import type { DialectName } from './accounts.ts'

/** What a dialect works with. */
export type Stage = {
  readonly world: World
  readonly exchange: Exchange
  readonly media: MediaStore
  readonly deliveries: WebhookDeliveries
  readonly send: SendApi
  readonly now: () => number
  /** The emulator's own address. */
  readonly url: () => string
  /** The bot shows that it writes. */
  readonly onTyping: (number: string, customer: string) => void
  /** Something about the number has changed that is in no record: open pages look again. */
  readonly onNotice: (number: string) => void
  /** Aborted when the emulator stops. */
  readonly signal: AbortSignal
}

/** What runs of a dialect in one emulator. */
export type Mounted = {
  /** The provider's API, under the dialect's prefix. */
  readonly api: Hono
  /** Its own part of the control API, under `/emulator`. */
  readonly control?: Hono
  /** Forgets all that is in no record. */
  readonly clear?: () => void
}

/** A number as `PUT /emulator/numbers/{id}` gives it. */
export type NumberDraft = Omit<BusinessNumber, 'id'>

/** Whether a webhook's address passed the provider's own check; `reason` says why not. */
export type Verification = { readonly verified: boolean; readonly reason: string | null }

/**
 * A provider's way to talk. A dialect is written from the provider's documents and knows nothing of the program that
 * is tried with it. It guarantees:
 * - What is refused is refused with the provider's own status, code and words, and leaves nothing behind.
 * - What is accepted is told to `send` as one message, so that faults, rates, logs, chats and statuses are the same in
 *   all dialects; only their wording differs.
 * - Webhooks are built from the records alone, so that a retry or a restart builds the same again.
 * - Secrets come from the number's account and appear in no answer of the control API.
 * - Whatever it keeps besides the records is bounded and may be lost.
 */
export interface Dialect extends Wording {
  readonly name: DialectName
  /** The path that its API lives under; empty for Meta's. */
  readonly prefix: string
  /** What `PUT /emulator/numbers/{id}` takes for this dialect, `dialect` itself left out. */
  numberInput(id: string): v.GenericSchema<unknown, NumberDraft>
  /** What is shown of a number besides its name, phone and webhook. */
  shown(number: BusinessNumber): object
  /** The provider's check of a webhook's address; null where it makes none. */
  readonly verify: ((number: BusinessNumber) => Promise<Verification>) | null
  /** The answer where the API has no such path. */
  unknownPath(path: string): Answer
  mount(stage: Stage): Mounted
}
