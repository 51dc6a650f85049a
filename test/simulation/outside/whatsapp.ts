import type { Shop } from '../shop.ts'
import type { Faults } from '../world/faults.ts'
import { ms, seconds, type World } from '../world/world.ts'
import type { Reply, SendRequest, Sent, Told } from './accounts.ts'

/** A message that the provider has taken: it is on its way to the phone. */
export type Accepted = Sent & { readonly shop: Shop; readonly id: string }

/** What the bot was told, as far as it heard it. */
export type Outcome = 'accepted' | 'for now' | 'for good' | 'account' | 'refused'

/**
 * The side of WhatsApp and its providers: takes sends, counts what it has accepted, and tells what becomes of it, in any
 * order and at any time: before its own answer too.
 */
export class WhatsApp {
  readonly #world: World
  readonly #faults: Faults
  readonly #shops: readonly Shop[]
  readonly #tell: (shop: Shop, told: Told, after: number) => void
  readonly accepted: Accepted[] = []
  readonly wrongs: string[] = []

  constructor(
    world: World,
    faults: Faults,
    shops: readonly Shop[],
    tell: (shop: Shop, told: Told, after: number) => void,
  ) {
    this.#world = world
    this.#faults = faults
    this.#shops = shops
    this.#tell = tell
  }

  /** Whose account a request is for, and what it asks to send; undefined for anything else that is asked. */
  read(request: SendRequest): { readonly shop: Shop; readonly sent: Sent } | undefined {
    for (const shop of this.#shops) {
      if (!request.url.startsWith(shop.account.origin)) continue
      const sent = shop.account.readSend(request)
      if (sent !== null) return { shop, sent }
    }
    return undefined
  }

  take(request: SendRequest): { readonly reply: Reply; readonly outcome: Outcome } {
    const found = this.read(request)
    if (found === undefined) return { reply: { status: 401, body: {} }, outcome: 'refused' }
    const { shop, sent } = found
    const why = this.#refusal(shop)
    if (why !== null) return { reply: shop.account.refused(why), outcome: why }
    const id = `out${this.#world.random.hex(16)}`
    this.accepted.push({ ...sent, shop, id })
    this.#world.note(`accepted ${sent.to} ${sent.text.slice(0, 60)} ${sent.reference}`)
    this.#planStatuses(shop, id, sent)
    return { reply: shop.account.accepted(id), outcome: 'accepted' }
  }

  #refusal(shop: Shop): 'for now' | 'for good' | 'account' | null {
    if (this.#faults.isAccountRefused(shop.index)) return 'account'
    if (this.#faults.happens('refusedForNow')) return 'for now'
    return this.#faults.happens('refusedForGood') ? 'for good' : null
  }

  #planStatuses(shop: Shop, id: string, { to, reference }: Sent): void {
    const { random } = this.#world
    const told = this.#faults.happens('statusFailed')
      ? (['sent', 'failed'] as const)
      : (['sent', 'delivered', 'read'] as const).slice(0, random.between(0, 3))
    for (const status of told) {
      const atMs = this.#world.clockMs(null)
      const after = random.chance(0.3) ? random.delay(2 * ms) : random.delay(1 * seconds)
      this.#tell(shop, { kind: 'status', id, to, status, reference, atMs }, after)
    }
  }
}
