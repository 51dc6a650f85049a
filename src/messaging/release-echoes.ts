import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import {
  compare,
  findReleasableEchoes,
  findUnknownSends,
  type HeldEcho,
  takeEchoes,
  type UnknownSend,
} from './held-echoes.ts'
import { lockProviderIds } from './provider-id-locks.ts'
import { findKnownIds, type PhoneWrite, type PhoneWritten, writePhoneMessages } from './receive-phone-messages.ts'
import { type InboundStatus, receiveStatusesIn, type StatusesReceived } from './receive-statuses.ts'
import { retryRaces } from './retry-races.ts'

/** What came of messages that were held: those that were stored, and statuses of sends that they have settled. */
export type Released = {
  readonly count: number
  readonly written: PhoneWritten
  readonly settled: StatusesReceived
}

const nothing: Released = {
  count: 0,
  written: { stored: [], changedTenants: new Set(), moved: [] },
  settled: { changes: [], released: false },
}

/**
 * Decides about messages that were held until the sends of their moment had ended: those whose ids are known by now are
 * ours, the others are the phone's. Where a send has told nothing it is told apart by its text; where that cannot be, the
 * message is shown, and takes nothing over.
 */
export async function releaseEchoes(database: Database, ids: Ids, limit: number, sealer: Sealer): Promise<Released> {
  return await retryRaces(database, async tx => {
    const found = await findReleasableEchoes(tx, limit)
    if (found.length === 0) return nothing
    await lockProviderIds(
      tx,
      found.map(echo => echo.message),
    )
    const echoes = await takeEchoes(tx, found)
    const decisions = await decideAll(tx, echoes)
    const settled = await receiveStatusesIn(
      tx,
      decisions.flatMap(one => (one.kind === 'settles' ? [one.status] : [])),
    )
    const written = await writePhoneMessages(
      tx,
      ids,
      decisions.flatMap(one => (one.kind === 'phone' ? [one.write] : [])),
      sealer,
    )
    return { count: echoes.length, written, settled }
  })
}

type Decision =
  | { readonly kind: 'ours' }
  /** It is a send that nothing was heard of. */
  | { readonly kind: 'settles'; readonly status: InboundStatus }
  | { readonly kind: 'phone'; readonly write: PhoneWrite }

async function decideAll(tx: Transaction, echoes: readonly HeldEcho[]): Promise<Decision[]> {
  if (echoes.length === 0) return []
  const rows = await findKnownIds(
    tx,
    echoes.map(echo => echo.message),
  )
  const known = new Set(rows.map(row => `${row.bot_id} ${row.provider_message_id}`))
  const decisions: Decision[] = []
  const taken = new Set<string>()
  for (const echo of echoes) {
    const { botId, providerMessageId } = echo.message
    if (known.has(`${botId} ${providerMessageId}`)) decisions.push({ kind: 'ours' })
    else decisions.push(decide(echo, await findUnknownSends(tx, echo), taken))
  }
  return decisions
}

/** `taken`: sends that another echo has settled. */
function decide({ message }: HeldEcho, unknown: readonly UnknownSend[], taken: Set<string>): Decision {
  const open = unknown.filter(send => !taken.has(send.id))
  const compared = open.map(send => ({ send, is: compare(send.content, message.content) }))
  const same = compared.find(one => one.is === 'same')?.send
  if (same === undefined)
    return { kind: 'phone', write: { message, takesOver: compared.every(one => one.is === 'other') } }
  taken.add(same.id)
  const { tenantId, botId, providerMessageId, at } = message
  const reference = { conversationId: same.conversation_id, messageId: same.id }
  return {
    kind: 'settles',
    status: { tenantId, botId, providerMessageId, status: 'sent', error: null, at, reference },
  }
}
