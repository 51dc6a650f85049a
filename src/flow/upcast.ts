import { type ConversationEvent, EVENT_VERSIONS } from './events.ts'
import type { JsonObject } from './json.ts'
import { applyEvent, type ConversationState, initialState } from './state.ts'

/** An event as it was stored: `version` is that of its type's data on the day it was written. */
export type StoredEvent = { readonly type: string; readonly version: number; readonly data: unknown }

/**
 * How old data is read, for each type that ever changed: the n-th function makes data of version n + 1 from data of
 * version n, the first from version 1. None is ever removed or changed: events of every version are stored somewhere.
 */
export type Upcasters = { readonly [type: string]: readonly ((data: JsonObject) => JsonObject)[] }

/** The versions that are written now, and how older ones are read. */
export type Shapes = { readonly versions: { readonly [type: string]: number }; readonly upcasters: Upcasters }

/** No type has changed so far in a way that its old data would be read wrongly. */
export const eventShapes: Shapes = { versions: EVENT_VERSIONS, upcasters: {} }

/**
 * A stored event in the shape of today. Undefined where this program does not know it: its type, or a version that a
 * newer program wrote.
 */
export function upcastEvent(stored: StoredEvent, shapes: Shapes = eventShapes): ConversationEvent | undefined {
  const { type, version } = stored
  const known = Object.hasOwn(shapes.versions, type) ? shapes.versions[type] : undefined
  if (known === undefined || version < 1 || version > known) return undefined
  const steps = (shapes.upcasters[type] ?? []).slice(version - 1)
  // What was written as an event of this type is one, once it has come through the changes of its type.
  const data = steps.reduce((older, step) => step(older), stored.data as JsonObject)
  return { type, data } as ConversationEvent
}

/** The state after one more stored event: one that is not known is only counted. */
export function applyStored(
  state: ConversationState,
  stored: StoredEvent,
  shapes: Shapes = eventShapes,
): ConversationState {
  const event = upcastEvent(stored, shapes)
  return event === undefined ? { ...state, seq: state.seq + 1 } : applyEvent(state, event)
}

/** The state after stored events in order, from their first or on top of a state. */
export function foldStored(
  events: Iterable<StoredEvent>,
  from: ConversationState = initialState,
  shapes: Shapes = eventShapes,
): ConversationState {
  let state = from
  for (const event of events) state = applyStored(state, event, shapes)
  return state
}
