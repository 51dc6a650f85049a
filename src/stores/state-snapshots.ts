/** One conversation, by its two keys. */
export type SnapshotKey = { readonly tenantId: string; readonly conversationId: string }

/** A conversation's folded state: its JSON, and the number of events that it folds. */
export type Snapshot = { readonly seq: number; readonly state: string }

/** `isInRow`: the conversation's row has it too, so that whoever has read that needs no snapshot. */
export type NewSnapshot = SnapshotKey & Snapshot & { readonly isInRow?: boolean }

/**
 * Keeps the folded states of conversations for a day, for all processes together. It is a copy: what it keeps may be lost
 * at any moment, all of it, and be older than the conversation. Who reads compares `seq` with the conversation's own, and
 * reads from the database where they differ. Nothing is put in before it is committed: of one conversation, the same
 * `seq` is always the same state.
 */
export type StateSnapshots = {
  /**
   * What is kept of each conversation, in the order of the keys; undefined where that is nothing. One round trip. Never
   * rejects, and waits for a store that does not answer a tenth of a second at most: both are misses.
   */
  getMany(keys: readonly SnapshotKey[]): Promise<readonly (Snapshot | undefined)[]>
  /** Keeps states, each instead of the one before. Never waits, never fails; what is too long is not kept. */
  putMany(snapshots: readonly NewSnapshot[]): void
  close(): Promise<void>
}

export const snapshotKeptMs = 24 * 3_600_000
/** Longer ones are read from the database each time. */
export const snapshotCharactersMax = 64 * 1024
