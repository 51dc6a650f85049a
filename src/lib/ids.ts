/** Where ids come from: UUIDv7 (RFC 9562), so that later ids of one process sort after its earlier ones. */
export type Ids = { next(): string }

export const uuids: Ids = { next: () => Bun.randomUUIDv7() }

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
  return new Date(Number.parseInt(`${id.slice(0, 8)}${id.slice(9, 13)}`, 16))
}
