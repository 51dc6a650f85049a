import { AppError } from '../../../src/lib/errors.ts'
import type { Shop } from '../shop.ts'
import type { Faults } from '../world/faults.ts'
import { ms, type Process, seconds, type World } from '../world/world.ts'
import type { Told, WebhookCall } from './accounts.ts'
import { providerPatience } from './network.ts'

/** A process that takes webhooks. */
export type Adapter = { readonly process: Process; receive(call: WebhookCall): Promise<unknown> }

/** A message on its way in: when, and by what clock, a process had it in its hands. */
export type Handled = {
  readonly process: Process
  readonly begunAt: number
  endedAt: number
  /** Of the process's clock while it had it. */
  clockLow: number
  clockHigh: number
}

type Delivery = { readonly shop: Shop; readonly told: readonly Told[]; readonly call: WebhookCall }

/** Told at once in one webhook, at most. */
const batchMax = 4

/**
 * Brings the program what providers have to tell: late, twice, in another order, several at once; and again until it is
 * answered with success, as they do.
 */
export class Webhooks {
  readonly #world: World
  readonly #faults: Faults
  readonly #adapters: () => readonly Adapter[]
  readonly #isStored: (shop: Shop, told: Told) => Promise<boolean>
  readonly #gathered = new Map<Shop, Told[]>()
  readonly #underWay = new Set<Handled>()
  #waiting = 0
  /** All that tried to take a message, by its id. */
  readonly tries = new Map<string, Handled[]>()
  /** When the provider could first be sure that a message was stored, by its id. */
  readonly takenAt = new Map<string, number>()
  /** Statuses that were answered with success. */
  readonly told: Told[] = []
  readonly wrongs: string[] = []

  constructor(
    world: World,
    faults: Faults,
    adapters: () => readonly Adapter[],
    isStored: (shop: Shop, told: Told) => Promise<boolean>,
  ) {
    this.#world = world
    this.#faults = faults
    this.#adapters = adapters
    this.#isStored = isStored
  }

  /** Nothing is on its way. */
  get isQuiet(): boolean {
    return this.#waiting === 0
  }

  tell(shop: Shop, told: Told, after: number): void {
    this.#waiting++
    this.#world.plan({ after, what: `is told of ${told.kind}`, happen: () => this.#gather(shop, told) })
  }

  /** A clock was changed: what a process has in its hands was made by the old one or by the new one. */
  noteClocks(): void {
    for (const handled of this.#underWay) this.#noteClock(handled)
  }

  /** Twilio tells one thing at a time; the others what has gathered. */
  #gather(shop: Shop, told: Told): void {
    const gathered = [...(this.#gathered.get(shop) ?? []), told]
    this.#gathered.set(shop, gathered)
    const waits = shop.account.isBatched && gathered.length < batchMax && this.#world.random.chance(0.3)
    const after = waits ? this.#world.random.delay(20 * ms) : 1
    this.#world.plan({ after, what: 'webhook', happen: () => this.#flush(shop) })
  }

  #flush(shop: Shop): void {
    const gathered = this.#gathered.get(shop) ?? []
    this.#gathered.set(shop, [])
    const batches = shop.account.isBatched ? [gathered] : gathered.map(one => [one])
    for (const told of batches) if (told.length > 0) this.#send({ shop, told, call: shop.account.webhook(told) })
  }

  #send(delivery: Delivery): void {
    this.#world.plan({
      after: this.#faults.networkDelay(),
      what: 'webhook arrives',
      happen: () => this.#arrive(delivery),
    })
  }

  #arrive(delivery: Delivery): void {
    const adapters = this.#adapters()
    if (adapters.length === 0) this.#again(delivery)
    else this.#hand(delivery, this.#world.random.pick(adapters))
  }

  /** Until it is answered, its process dies, or the provider's patience ends. */
  #hand(delivery: Delivery, { process, receive }: Adapter): void {
    const handled: Handled = {
      ...{ process, begunAt: this.#world.now, endedAt: 0 },
      ...{ clockLow: Number.POSITIVE_INFINITY, clockHigh: Number.NEGATIVE_INFINITY },
    }
    this.#noteClock(handled)
    this.#underWay.add(handled)
    for (const { id } of delivery.told) this.tries.set(id, [...(this.tries.get(id) ?? []), handled])
    const end = (outcome: 'taken' | 'not taken') => {
      if (!this.#underWay.delete(handled)) return
      timeout.isCancelled = true
      this.#noteClock(handled)
      handled.endedAt = this.#world.now
      const happen = () => (outcome === 'taken' ? this.#answered(delivery) : this.#again(delivery))
      this.#world.plan({ after: 1, what: `webhook ${outcome}`, happen })
    }
    process.onDeath.push(() => end('not taken'))
    const giveUp = () => end('not taken')
    const timeout = this.#world.plan({ after: providerPatience, what: 'webhook time-out', happen: giveUp })
    this.#world.plan({
      ...{ after: 1, what: 'receives', process },
      happen: () => {
        receive(delivery.call).then(
          () => end('taken'),
          (error: unknown) => {
            this.#noteRefusal(error)
            end('not taken')
          },
        )
      },
    })
  }

  /** Nothing is wrong with what the provider brought: it may only be asked to come again. */
  #noteRefusal(error: unknown): void {
    const mayComeAgain = error instanceof AppError && error.status === 503
    if (!mayComeAgain) this.wrongs.push(`no silent drop: a webhook was refused: ${error}`)
  }

  async #answered(delivery: Delivery): Promise<void> {
    const { shop, told } = delivery
    this.#world.progressAt = this.#world.now
    for (const one of told) {
      if (!(await this.#isStored(shop, one)))
        this.wrongs.push(`durable before 200: a webhook was answered before its ${one.kind} ${one.id} was stored`)
      if (one.kind === 'status') this.told.push(one)
      else if (!this.takenAt.has(one.id)) this.takenAt.set(one.id, this.#world.now)
    }
    if (this.#faults.happens('webhookAnswerLost') || this.#faults.happens('webhookTwice')) this.#again(delivery)
    else this.#waiting -= told.length
  }

  #again(delivery: Delivery): void {
    const after = this.#world.random.delay(this.#world.random.chance(0.3) ? 50 * ms : 1 * seconds)
    this.#world.plan({ after, what: 'webhook again', happen: () => this.#send(delivery) })
  }

  #noteClock(handled: Handled): void {
    const now = this.#world.clockMs(handled.process)
    handled.clockLow = Math.min(handled.clockLow, now)
    handled.clockHigh = Math.max(handled.clockHigh, now)
  }
}
