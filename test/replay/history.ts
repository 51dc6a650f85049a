import type { ConversationEvent } from '../../src/flow/events.ts'
import type { ConversationState } from '../../src/flow/state.ts'
import type { Effect } from '../../src/flow/step.ts'

/**
 * A conversation as the code of one day played it: the flows, what came in, and what came of it. The files in
 * `histories/` are such; they are never changed. What a later `Input` or `Context` calls otherwise is brought up to date
 * in play-history.ts, what a later event calls otherwise in src/flow/upcast.ts.
 */
export type RecordedHistory = {
  readonly about: string
  /** The commit whose engine played it, and when. */
  readonly recorded: { readonly commit: string; readonly at: string }
  readonly flows: readonly RecordedFlow[]
  /** What the engine knew besides the state and the turn's `at`. */
  readonly context: unknown
  readonly turns: readonly RecordedTurn[]
  readonly state: ConversationState
}

/** A version of a flow. From `published_at` on it is the one that a `flow` step of that name calls. */
export type RecordedFlow = {
  readonly flow_id: string
  readonly version: number
  readonly published_at: number
  readonly document: unknown
}

export type RecordedTurn = {
  /** Milliseconds since 1970. */
  readonly at: number
  /** What changed of it since, of what can: both are missing where nothing was known of them. */
  readonly window_expires_at?: number | null
  readonly opted_out?: boolean
  /** An `Input` of the day. */
  readonly input: unknown
  readonly events: readonly RecordedEvent[]
  readonly effects: readonly Effect[]
}

/** An event as it is stored. */
export type RecordedEvent = {
  readonly type: ConversationEvent['type']
  readonly version: number
  readonly data: unknown
}
