import type { Faults } from '../world/faults.ts'
import type { World } from '../world/world.ts'
import type { Reply } from './accounts.ts'

/** Where flows ask: a service of somebody else. */
export const serviceOrigin = 'https://stock.test'

/** A service that does what it is asked, and counts it. */
export class Service {
  readonly #world: World
  readonly #faults: Faults
  #done = 0

  constructor(world: World, faults: Faults) {
    this.#world = world
    this.#faults = faults
  }

  take(): { readonly reply: Reply; readonly outcome: 'accepted' | 'for now' | 'for good' } {
    if (this.#faults.happens('refusedForNow')) return { reply: { status: 503, body: {} }, outcome: 'for now' }
    if (this.#faults.happens('refusedForGood')) return { reply: { status: 409, body: {} }, outcome: 'for good' }
    this.#done++
    this.#world.note(`the outside has done ${this.#done}`)
    return { reply: { status: 200, body: { number: this.#done } }, outcome: 'accepted' }
  }
}
