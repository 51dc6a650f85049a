import type { ConversationEvent } from './events.ts'
import type { HistoryTurn } from './replay-history.ts'
import type { ActionResult } from './step.ts'

/** How a call of an action was answered. `not_kept`: it went well, and what it gave was not kept. */
export type Answered =
  | { readonly kind: 'never' }
  | { readonly kind: 'not_kept'; readonly afterMs: number }
  | { readonly kind: 'kept'; readonly afterMs: number; readonly result: ActionResult }

/** The calls of a history, to be answered again. */
export type RecordedCalls = {
  /** How the next call of that handler was answered, in the order in which they were made; undefined after the last. */
  next(handler: string): Answered | undefined
}

/** The calls that a history made of each action, with their answers. */
export function recordedCalls(history: readonly HistoryTurn[]): RecordedCalls {
  const calls: Call[] = []
  for (const { at, events } of history) for (const event of events) note(calls, at, event)
  return {
    next(handler) {
      const index = calls.findIndex(call => call.handler === handler)
      return index === -1 ? undefined : calls.splice(index, 1)[0]?.answered
    },
  }
}

type Call = { readonly id: string; readonly handler: string; readonly at: number; answered: Answered }

function note(calls: Call[], at: number, event: ConversationEvent): void {
  if (event.type === 'action.requested') {
    const { call_id: id, handler } = event.data
    calls.push({ id, handler, at, answered: { kind: 'never' } })
  } else if (event.type === 'action.completed' || event.type === 'action.failed') {
    const call = calls.find(one => one.id === event.data.call_id)
    if (call !== undefined) call.answered = answerOf(event, at - call.at)
  }
}

type Answering = Extract<ConversationEvent, { type: 'action.completed' | 'action.failed' }>

function answerOf({ type, data }: Answering, afterMs: number): Answered {
  if (type === 'action.failed') {
    const { code, message, data: figures } = data
    return {
      kind: 'kept',
      afterMs,
      result: { ok: false, code, message, ...(figures !== undefined && { data: figures }) },
    }
  }
  if (data.variable === null) return { kind: 'not_kept', afterMs }
  return { kind: 'kept', afterMs, result: { ok: true, value: data.value } }
}
