import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { tellOfPhoneMessages, tellOfStatuses } from '../messaging/news.ts'
import { releaseEchoes } from '../messaging/release-echoes.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Database } from '../stores/postgres/database.ts'

/** Between two looks at what is held: an answer is there within seconds, and nobody tells when. */
const pollMs = 1_000
const batchMax = 100

/** Decides about messages that were told of as the phone's while something of ours was being sent. */
export function startEchoRelease(options: {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly ids: Ids
  readonly sealer: Sealer
  readonly log: Log
}): WorkLoop {
  const { database, bus, feed, ids, sealer, log } = options
  async function work(): Promise<'more' | 'done'> {
    const { count, written, settled } = await releaseEchoes(database, ids, batchMax, sealer)
    tellOfPhoneMessages(feed, written)
    tellOfStatuses(feed, settled.changes)
    if (settled.released) bus.publish('outbox')
    if (written.stored.length > 0) bus.publish('inbox')
    if (written.stored.some(({ message }) => message.media?.state === 'pending')) bus.publish('media')
    return count === batchMax ? 'more' : 'done'
  }
  return startWorkLoop({ name: 'echoes', pollMs, log, work })
}
