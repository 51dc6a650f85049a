import type { LogEntry } from '../stores/log-store.ts'

/** The logs that tell what the tables say. */
export const entryLogs = ['message_logs', 'analytics_events'] as const

/** What is appended to each of them. */
export type Entries = Readonly<Record<(typeof entryLogs)[number], readonly LogEntry[]>>

type Given = Omit<LogEntry, 'value' | 'bucket'> & Partial<Pick<LogEntry, 'value' | 'bucket'>>

/** An entry; most have nothing to sum up. */
export function entryOf(given: Given): LogEntry {
  return { value: null, bucket: null, ...given }
}
