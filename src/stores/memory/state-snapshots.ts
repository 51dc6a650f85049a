import type { Clock } from '../../lib/clock.ts'
import { Lru } from '../../lib/lru.ts'
import {
  type NewSnapshot,
  type Snapshot,
  type SnapshotKey,
  type StateSnapshots,
  snapshotCharactersMax,
  snapshotKeptMs,
} from '../state-snapshots.ts'

const snapshotsMax = 10_000
/** Of all states together: a single process is meant to stay small. */
const charactersMax = 4 * 1024 * 1024

type Kept = { readonly snapshot: Snapshot; readonly endsMs: number }

/**
 * The states that a single process keeps: those alone that the rows do not have, since nobody else is to find them here.
 * Those that were not asked for longest go first.
 */
export function makeMemorySnapshots(clock: Clock): StateSnapshots {
  let characters = 0
  const kept = new Lru<string, Kept>(snapshotsMax, gone => {
    characters -= gone.snapshot.state.length
  })

  function get(key: string): Snapshot | undefined {
    const found = kept.get(key)
    return found !== undefined && found.endsMs > clock.now() ? found.snapshot : undefined
  }

  function put(key: string, { seq, state, isInRow }: NewSnapshot): void {
    kept.delete(key)
    if (isInRow || state.length > snapshotCharactersMax) return
    characters += state.length
    kept.set(key, { snapshot: { seq, state }, endsMs: clock.now() + snapshotKeptMs })
    while (characters > charactersMax) kept.deleteOldest()
  }

  return {
    async getMany(keys) {
      return keys.map(key => get(keyOf(key)))
    },
    putMany(snapshots) {
      for (const snapshot of snapshots) put(keyOf(snapshot), snapshot)
    },
    async close() {},
  }
}

function keyOf({ tenantId, conversationId }: SnapshotKey): string {
  return `${tenantId} ${conversationId}`
}
