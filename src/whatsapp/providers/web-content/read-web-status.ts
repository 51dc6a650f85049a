import type { ReportedStatus } from '../../../messaging/status.ts'

type WebStatus = ReportedStatus | 'pending'

/** `WebMessageInfo.Status` of WhatsApp Web, in the order of its numbers; a voice message that was played was read. */
const statuses: readonly (readonly [name: string, status: WebStatus])[] = [
  ['ERROR', 'failed'],
  ['PENDING', 'pending'],
  ['SERVER_ACK', 'sent'],
  ['DELIVERY_ACK', 'delivered'],
  ['READ', 'read'],
  ['PLAYED', 'read'],
]

const byValue = new Map<unknown, WebStatus>(
  statuses.flatMap(([name, status], number) => [
    [name, status],
    [number, status],
  ]),
)

/** What a status, by its number or its name, says of a message. `pending`: nothing yet. Null where it is none. */
export function readWebStatus(status: unknown): WebStatus | null {
  return byValue.get(status) ?? null
}
