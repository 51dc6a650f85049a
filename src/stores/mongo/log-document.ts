import type { LogEntry } from '../log-store.ts'

/** An entry as it lies in MongoDB: its id is the document's. */
export type LogDocument = Omit<LogEntry, 'id'> & { readonly _id: string }

export function documentOf({ id, ...rest }: LogEntry): LogDocument {
  return { _id: id, ...rest }
}

export function entryOf({ _id, ...rest }: LogDocument): LogEntry {
  return { id: _id, ...rest }
}
