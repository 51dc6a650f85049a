import { liveTimer, remainingMs } from './live-timer.ts'
import type { HistoryTurn } from './replay-history.ts'
import { applyEvent, initialState } from './state.ts'

/** A timer that a history set. `firedAt` is null where something came before it, or it is still running. */
export type RecordedTimer = { readonly due: number; readonly firedAt: number | null }

/** The timers of a history by their token. One can fire late, or not at all where nothing ran to fire it. */
export function recordedTimers(history: readonly HistoryTurn[]): ReadonlyMap<string, RecordedTimer> {
  const timers = new Map<string, RecordedTimer>()
  let state = initialState
  for (const { at, cause, events } of history) {
    const before = liveTimer(state)
    const known = before && timers.get(before.token)
    if (before && known && cause.kind === 'timer') timers.set(before.token, { ...known, firedAt: at })
    state = events.reduce(applyEvent, state)
    const after = liveTimer(state)
    if (after !== null && after.token !== before?.token)
      timers.set(after.token, { due: at + remainingMs(after, at), firedAt: null })
  }
  return timers
}
