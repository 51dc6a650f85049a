import type { Snapshot, SnapshotKey, StateSnapshots } from '../../../src/stores/state-snapshots.ts'
import type { Faults } from '../world/faults.ts'
import { ms, type Process, type World } from '../world/world.ts'

/** The states that processes share in Redis: they may be lost, come late, and be older than what was put in after them. */
export class SharedSnapshots {
  readonly #world: World
  readonly #faults: Faults
  readonly #kept = new Map<string, Snapshot>()

  constructor(world: World, faults: Faults) {
    this.#world = world
    this.#faults = faults
  }

  for(process: Process): StateSnapshots {
    return {
      getMany: keys =>
        new Promise(resolve => {
          const isAway = this.#faults.isRedisDown
          const find = (key: SnapshotKey) => (isAway ? undefined : this.#kept.get(keyOf(key)))
          const after = isAway ? 100 * ms : this.#world.random.delay(0.5 * ms)
          this.#world.plan({ after, what: 'finds states', process, happen: () => resolve(keys.map(find)) })
        }),
      putMany: snapshots => {
        if (this.#faults.isRedisDown || this.#faults.happens('busLost')) return
        const happen = () => {
          for (const { seq, state, ...key } of snapshots) this.#kept.set(keyOf(key), { seq, state })
        }
        this.#world.plan({ after: this.#world.random.delay(1 * ms), what: 'keeps states', happen })
      },
      close: async () => undefined,
    }
  }

  /** As FLUSHALL does it. */
  flush(): void {
    this.#kept.clear()
  }
}

function keyOf({ tenantId, conversationId }: SnapshotKey): string {
  return `${tenantId} ${conversationId}`
}
