import type { Bus, Topic } from '../../../src/stores/bus.ts'
import type { Faults } from '../world/faults.ts'
import { ms, type Process, type World } from '../world/world.ts'

/** The way by which processes of one installation tell each other: loses what it is given, delays it, changes its order. */
export class SharedBus {
  readonly #world: World
  readonly #faults: Faults
  readonly #listeners = new Map<Process, Map<Topic, Set<(payload: string) => void>>>()

  constructor(world: World, faults: Faults) {
    this.#world = world
    this.#faults = faults
  }

  for(process: Process): Bus {
    const own = new Map<Topic, Set<(payload: string) => void>>()
    this.#listeners.set(process, own)
    process.onDeath.push(() => this.#listeners.delete(process))
    return {
      publish: (topic, payload = '') => this.publish(topic, typeof payload === 'string' ? payload : payload()),
      subscribe(topic, listener, onReady) {
        const set = own.get(topic) ?? new Set()
        own.set(topic, set.add(listener))
        onReady?.()
        return () => void set.delete(listener)
      },
      close: async () => own.clear(),
    }
  }

  publish(topic: Topic, payload: string): void {
    for (const [process, topics] of this.#listeners) {
      if (!topics.has(topic) || this.#faults.isRedisDown || this.#faults.happens('busLost')) continue
      const happen = () => {
        for (const listener of [...(topics.get(topic) ?? [])]) listener(payload)
      }
      this.#world.plan({ after: this.#world.random.delay(1 * ms), what: `hears ${topic}`, process, happen })
    }
  }
}
