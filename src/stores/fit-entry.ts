import { bucketsMax, type LogEntry } from './log-store.ts'

// PostgreSQL's jsonb takes no U+0000 and no half of a surrogate pair; BSON takes no U+0000 in a name and no number that is
// none; FerretDB 1 takes no name that begins with $ or has a dot, no infinity, and no list in a list.

const nameCharactersMax = 200
const textCharactersMax = 4_000
/** Of all names and texts of an entry's data together. */
const dataCharactersMax = 16_000
const itemsMax = 100
const depthMax = 6

/**
 * An entry as every store can hold it, and gives it back. What most entries are made of stays as it is; fitting twice is
 * fitting once.
 */
export function fitEntry(entry: LogEntry): LogEntry {
  return {
    ...entry,
    id: fitText(entry.id, nameCharactersMax),
    log_type: fitText(entry.log_type, nameCharactersMax),
    key: fitText(entry.key, nameCharactersMax),
    value: entry.value === null ? null : fitNumber(entry.value),
    bucket: isBucket(entry.bucket) ? entry.bucket : null,
    data: fitData(entry.data),
  }
}

/** Whether an entry is from a time that is kept: neither before `keptSince`, nor more than a day ahead. */
export function isOfKeptTime({ created_at }: LogEntry, keptSince: Date, nowMs: number): boolean {
  return created_at >= keptSince && created_at.getTime() <= nowMs + 86_400_000
}

function isBucket(bucket: number | null): bucket is number {
  return bucket !== null && Number.isInteger(bucket) && bucket >= 0 && bucket < bucketsMax
}

type Room = { left: number }

function fitData(data: LogEntry['data']): LogEntry['data'] {
  return fitObject(data, 1, { left: dataCharactersMax })
}

function fitValue(value: unknown, depth: number, room: Room): unknown {
  if (typeof value === 'string') return takeText(value, room)
  if (typeof value === 'number') return fitNumber(value)
  if (typeof value === 'bigint') return takeText(String(value), room)
  if (typeof value === 'boolean') return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (typeof value !== 'object' || value === null) return null
  if (depth >= depthMax) return '…'
  return Array.isArray(value) ? fitList(value, depth + 1, room) : fitObject(value, depth + 1, room)
}

function fitList(items: readonly unknown[], depth: number, room: Room): unknown[] {
  const first = Array.from(items.slice(0, itemsMax))
  return first.map(item => fitValue(Array.isArray(item) ? { ...item } : item, depth, room))
}

function fitObject(value: object, depth: number, room: Room): Record<string, unknown> {
  const known = Object.entries(value).filter(([, field]) => field !== undefined && typeof field !== 'function')
  const fitted = known.slice(0, itemsMax).flatMap(([name, field]) =>
    // What no name is left for is left out.
    room.left > 0 ? [[takeText(fitName(name), room), fitValue(field, depth, room)] as const] : [],
  )
  return Object.fromEntries(fitted)
}

function fitName(name: string): string {
  return name.slice(0, nameCharactersMax).replace(/^\$|[.\0]/g, '_')
}

/** What is beyond the room is cut, so that the longest entries have an end and every store ends them in the same place. */
function takeText(text: string, room: Room): string {
  const taken = fitText(text, Math.min(textCharactersMax, room.left))
  room.left -= taken.length
  return taken
}

function fitText(text: string, charactersMax: number): string {
  return text.slice(0, charactersMax).toWellFormed().replaceAll('\0', '\ufffd')
}

/** A sign before zero is lost in PostgreSQL. */
function fitNumber(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null
}
