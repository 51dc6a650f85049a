import type { Chances, Plan } from '../plan.ts'
import { type Micros, ms, seconds, type World } from './world.ts'

/** What becomes of something that goes to the database: it arrives, it is lost, or it is done and the answer is lost. */
export type Fate = 'goes' | 'lost' | 'done, unheard'

export type DatabaseFaults = {
  delay(): Micros
  fate(of: 'begin' | 'statement' | 'commit'): Fate
  /** Whether what was called together is sent together. */
  sharesRoundTrips(): boolean
  /** How long a connection outlives the process that held it. */
  noticeOfDeath(): Micros
}

/** What goes wrong now: as planned, until the world is healed. */
export class Faults implements DatabaseFaults {
  readonly #world: World
  readonly #plan: Plan
  isHealed = false
  databaseDownUntil: Micros = 0
  redisDownUntil: Micros = 0
  providerDownUntil: Micros = 0
  readonly accountRefusedUntil: Micros[] = [0, 0]

  constructor(world: World, plan: Plan) {
    this.#world = world
    this.#plan = plan
  }

  happens(what: keyof Chances): boolean {
    const chance = this.#plan.chances[what]
    return !this.isHealed && chance > 0 && this.#world.random.chance(chance)
  }

  delay(): Micros {
    return this.#delayAround(this.#plan.databaseDelay)
  }

  networkDelay(): Micros {
    return this.#delayAround(this.#plan.networkDelay)
  }

  fate(of: 'begin' | 'statement' | 'commit'): Fate {
    if (this.#isDown(this.databaseDownUntil)) return 'lost'
    if (of === 'commit' && this.happens('commitAnswerLost')) return 'done, unheard'
    return this.happens('databaseLost') ? 'lost' : 'goes'
  }

  sharesRoundTrips(): boolean {
    return this.#world.random.chance(0.8)
  }

  noticeOfDeath(): Micros {
    const isAlone = this.#plan.topology.length === 1
    return isAlone ? this.#world.random.between(0.1 * ms, 5 * ms) : this.#world.random.delay(500 * ms)
  }

  /** A process that has died is started again by whoever looks after it. */
  restartDelay(): Micros {
    return this.isHealed ? 50 * ms : this.#world.random.between(50 * ms, 1.5 * seconds)
  }

  get isRedisDown(): boolean {
    return this.#isDown(this.redisDownUntil)
  }

  get isProviderDown(): boolean {
    return this.#isDown(this.providerDownUntil)
  }

  isAccountRefused(tenant: number): boolean {
    return this.#isDown(this.accountRefusedUntil[tenant] ?? 0)
  }

  #isDown(until: Micros): boolean {
    return !this.isHealed && this.#world.now < until
  }

  /** Mostly about so long; once in a while a hundred times that. */
  #delayAround(typical: Micros): Micros {
    const isSlow = !this.isHealed && this.#world.random.chance(0.01)
    return this.#world.random.delay(isSlow ? typical * 100 : typical)
  }
}
