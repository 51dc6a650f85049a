import type { ConversationState } from './state.ts'

/** A timer that runs for a time from when it is set, or until a moment in milliseconds since 1970. */
export type LiveTimer =
  | { readonly token: string; readonly timeout_ms: number | null }
  | { readonly token: string; readonly until: number }

/**
 * The one timer of a conversation, null where none runs. While the bot has it: of the question or the wait that the run
 * stands at. While a person is asked for, or has it: of that person.
 */
export function liveTimer({ status, run, timer }: ConversationState): LiveTimer | null {
  if (status === 'waiting' || status === 'agent') return timer ?? null
  const waiting = status === 'bot' ? run?.waiting : undefined
  if (waiting?.kind === 'wait') return waiting
  return waiting?.kind === 'answer' && waiting.timeout_ms !== null ? waiting : null
}

/** How long a timer that is set now has to run. */
export function remainingMs(timer: LiveTimer, nowMs: number): number {
  return 'until' in timer ? Math.max(0, timer.until - nowMs) : (timer.timeout_ms ?? 0)
}
