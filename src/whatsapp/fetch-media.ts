import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import {
  claimDueMedia,
  type DueMedia,
  endFetchOf,
  type FetchEnd,
  postponeFetch,
  releaseFetches,
} from '../messaging/media-fetches.ts'
import { tellOfStatuses } from '../messaging/news.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files, ReceivedFile } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { BotCache } from './bot-cache.ts'
import { findMediaRoute, type GotMedia, getMedia, getMediaMs } from './get-media.ts'
import type { RetryPace, WhatsAppProvider } from './provider.ts'
import { retryDelayMs } from './retry.ts'

/** Between two looks at what nobody told of. */
const pollMs = 2_000
/** Files that come at the same time: what is under way is on the disk, not in memory. */
const inFlightMax = 16
/** One bot whose provider is slow leaves the others their share. */
const inFlightPerBotMax = 4
/** After the time for a file, until its fetch is taken for one whose process died. */
const marginMs = 15_000
/** An hour in all. Some providers block whoever asks for a file again and again (360dialog: 20 failures an hour). */
const triesMax = 10
/** After these a provider that was to be asked soon is asked later. */
const soonTriesMax = 3
/** For fetches under way at a stop to be given back. */
const stopMs = 4_000

const outcomes = { came: 'stored', failed: 'failed', retry: 'retried', given_back: 'given_back' } as const

type Options = {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly files: Files
  readonly bots: BotCache
  readonly providers: ReadonlyMap<string, WhatsAppProvider>
  /** Whether no other process can be fetching: what is marked so is then left over from one that died. */
  readonly isAlone: boolean
}

/**
 * Gets the files that customers sent from their providers, soon after the messages: providers forget them. Each is on the
 * disk before its row says so. Told of by the bus (`media`), and found all the same where that is lost.
 */
export async function startMediaFetches(options: Options): Promise<{ stop(): Promise<void> }> {
  const { database, bus, feed, clock, log, metrics } = options
  const stopping = new AbortController()
  const inFlight = new Set<Promise<void>>()
  const inFlightByBot = new Map<string, number>()

  async function claim(): Promise<'more' | 'done'> {
    const limit = inFlightMax - inFlight.size
    if (limit <= 0) return 'done'
    const leaseSeconds = Math.ceil((getMediaMs + marginMs) / 1_000)
    const limits = { limit, perBotMax: inFlightPerBotMax, leaseSeconds }
    const due = await database.transaction({ role: 'worker' }, tx => claimDueMedia(tx, limits, inFlightByBot))
    for (const media of due) start(media)
    return due.length === limit ? 'more' : 'done'
  }

  function start(media: DueMedia): void {
    const { botId } = media
    inFlightByBot.set(botId, (inFlightByBot.get(botId) ?? 0) + 1)
    const fetching = fetchOne(media).finally(() => {
      inFlight.delete(fetching)
      const left = (inFlightByBot.get(botId) ?? 1) - 1
      if (left > 0) inFlightByBot.set(botId, left)
      else inFlightByBot.delete(botId)
      loop.wake()
    })
    inFlight.add(fetching)
  }

  async function fetchOne(media: DueMedia): Promise<void> {
    const got = await get(media)
    try {
      await write(media, got)
    } catch (error) {
      log.error({ media_id: media.id, error: messageOf(error) }, 'what came of a file was not written: it is got again')
    }
    if (got.kind === 'came') await got.file.discard()
  }

  async function get(media: DueMedia): Promise<GotMedia> {
    if (media.attempts > triesMax) return { kind: 'failed', reason: 'The program ended at each try to get the file.' }
    const route = await findMediaRoute(options, media.botId)
    const isRoute = route.kind === 'route'
    const got = isRoute ? await getMedia({ ...options, stopping: stopping.signal }, route, media) : route
    const label = { provider: isRoute ? route.provider.name : 'unknown' }
    metrics.mediaFetched.inc({ ...label, outcome: outcomes[got.kind] })
    if (got.kind === 'came') metrics.mediaBytes.inc(label, got.file.bytes)
    return got
  }

  async function write(media: DueMedia, got: GotMedia): Promise<void> {
    if (got.kind === 'came') {
      const { mimeType, file } = got
      return await end(media, { state: 'stored', mimeType, bytes: file.bytes, sha256: file.sha256 }, file)
    }
    if (got.kind === 'given_back') return await putOff(media, null, 0)
    const isOver = got.kind === 'failed' || media.attempts >= triesMax
    if (!isOver) return await putOff(media, got.reason, delayMs(got.pace, media.attempts))
    const reason = got.kind === 'failed' ? got.reason : `${got.reason} Given up after ${media.attempts} tries.`
    await end(media, { state: 'failed', reason })
  }

  /** The file is put into its place while its row is held: whoever took the fetch over cannot end it at the same time. */
  async function end(media: DueMedia, how: FetchEnd, file?: ReceivedFile): Promise<void> {
    const { isEnded, message } = await database.transaction({ role: 'worker' }, async tx => {
      const ended = await endFetchOf(tx, media, how)
      if (ended.isEnded) await file?.keep(media)
      return ended
    })
    if (isEnded && how.state === 'failed')
      log.warn({ media_id: media.id, bot_id: media.botId, reason: how.reason }, "a customer's file could not be got")
    if (message !== null) tellOfStatuses(feed, [message])
  }

  async function putOff(media: DueMedia, reason: string | null, waitMs: number): Promise<void> {
    const dueAt = new Date(clock.now() + waitMs)
    await database.transaction({ role: 'worker' }, tx => postponeFetch(tx, media, { reason, dueAt }))
    loop.wakeIn(waitMs)
  }

  if (options.isAlone) await database.transaction({ role: 'worker' }, releaseFetches)
  const loop: WorkLoop = startWorkLoop({ name: 'media', pollMs, log, work: claim })
  const unsubscribe = bus.subscribe('media', () => loop.wake())
  return {
    async stop() {
      unsubscribe()
      stopping.abort()
      await loop.stop()
      await Promise.race([Promise.allSettled(inFlight), Bun.sleep(stopMs)])
    },
  }
}

function delayMs(pace: RetryPace, attempts: number): number {
  if (pace !== 'soon' || attempts <= soonTriesMax) return retryDelayMs(pace, attempts, Math.random())
  return retryDelayMs('later', attempts - soonTriesMax, Math.random())
}
