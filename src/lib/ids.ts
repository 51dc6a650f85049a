/** Where ids come from: UUIDv7 (RFC 9562), so that later ids of one process sort after its earlier ones. */
export type Ids = { next(): string }

export const uuids: Ids = { next: () => Bun.randomUUIDv7() }

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a text from outside is a UUID in its usual lower-case form: anything else never reaches the database. */
export function isUuid(text: string): boolean {
  return uuidShape.test(text)
}
