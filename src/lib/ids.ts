import { type Clock, systemClock } from './clock.ts'

/** Where ids come from: UUIDv7 (RFC 9562), so that later ids of one process sort after its earlier ones. */
export type Ids = { next(): string }

/** A clock that is set back makes no id that sorts before those that were made: mail and sends go by their order. */
export function makeIds(clock: Clock): Ids {
  let latest = ''
  let latestMs = 0
  return {
    next() {
      latestMs = Math.max(latestMs, clock.now())
      let id = Bun.randomUUIDv7('hex', latestMs)
      // Bun goes on to the next millisecond where one is full, and begins anew in the middle of it when asked for that.
      while (id <= latest) id = Bun.randomUUIDv7('hex', ++latestMs)
      latest = id
      latestMs = millisecondsOf(id)
      return id
    },
  }
}

export const uuids: Ids = makeIds(systemClock)

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a text from outside is a UUID in its usual lower-case form: anything else never reaches the database. */
export function isUuid(text: string): boolean {
  return uuidShape.test(text)
}

/** Before every id there is. */
export const firstId = '00000000-0000-0000-0000-000000000000'

/** After every id there is: where a list that begins with the newest starts. */
export const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The first id of a millisecond: what was made since then has it or a later one. */
export function idAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`
}

/** When an id was made, to the millisecond. */
export function timeOf(id: string): Date {
  return new Date(millisecondsOf(id))
}

function millisecondsOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
