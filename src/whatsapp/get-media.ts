import * as v from 'valibot'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import { anyType, looksLike, readMimeType } from '../lib/file-types.ts'
import type { Json } from '../lib/json.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import { mediaBytesMax } from '../messaging/media.ts'
import type { DueMedia } from '../messaging/media-fetches.ts'
import { sourceContext, tooLarge } from '../messaging/receive-media.ts'
import type { Files, ReceivedFile } from '../stores/files.ts'
import type { BotCache } from './bot-cache.ts'
import type { FetchedMedia, MediaSource, RetryPace, WhatsAppProvider } from './provider.ts'

/** For a whole file: 100 MB at 1 MB a second. */
export const getMediaMs = 120_000

/**
 * What came of a try to get a file. `came`: it is on the disk, not in its place yet. `given_back`: the try was broken off,
 * and does not count.
 */
export type GotMedia =
  | { readonly kind: 'came'; readonly file: ReceivedFile; readonly mimeType: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly pace: RetryPace }
  | { readonly kind: 'given_back' }

/** The way to a file's provider. */
export type MediaRoute = { readonly kind: 'route'; readonly provider: WhatsAppProvider; readonly bot: BotWithSecrets }

const failed = (reason: string): GotMedia => ({ kind: 'failed', reason })

/** The bot that a file came to, with its provider; or what becomes of the file without them. */
export async function findMediaRoute(
  { bots, providers }: { readonly bots: BotCache; readonly providers: ReadonlyMap<string, WhatsAppProvider> },
  botId: string,
): Promise<MediaRoute | GotMedia> {
  try {
    const bot = await bots.find(botId)
    const provider = bot === null ? undefined : providers.get(bot.provider)
    if (bot === null || provider === undefined) return failed('The bot was deleted before its provider gave the file.')
    return { kind: 'route', bot, provider }
  } catch (error) {
    if (error instanceof AppError) return { kind: 'given_back' }
    return { kind: 'retry', pace: 'later', reason: 'The secrets of the bot cannot be opened: enter them again.' }
  }
}

/**
 * Gets a file from its provider, as far as it may be large. Never throws. What it says holds nothing of the file's source:
 * whoever has that may read the file.
 */
export async function getMedia(
  { sealer, files, stopping }: { readonly sealer: Sealer; readonly files: Files; readonly stopping: AbortSignal },
  { provider, bot }: MediaRoute,
  media: DueMedia,
): Promise<GotMedia> {
  if (provider.fetchMedia === undefined) return failed('This provider hands over no files.')
  const source = openSource(sealer, media)
  if (source === null) return failed('Where the file is cannot be read: it was kept under another ENCRYPTION_KEY.')
  const signal = AbortSignal.any([AbortSignal.timeout(getMediaMs), stopping])
  try {
    const fetched = await provider.fetchMedia(source, bot, signal)
    if (fetched.kind === 'found') return await receive(files, media, fetched, signal)
    return stopping.aborted ? { kind: 'given_back' } : fetched
  } catch {
    // The error may hold the address of the file: it is neither kept nor logged.
    if (stopping.aborted) return { kind: 'given_back' }
    const reason = signal.aborted ? `It took more than ${getMediaMs / 1_000} seconds.` : 'The connection broke off.'
    return { kind: 'retry', pace: 'soon', reason }
  }
}

/** What JSON.parse gives is JSON. */
const sourceSchema = v.record(
  v.string(),
  v.custom<Json>(() => true),
)

function openSource(sealer: Sealer, media: DueMedia): MediaSource | null {
  try {
    return v.parse(sourceSchema, JSON.parse(sealer.open(media.source, sourceContext(media))))
  } catch {
    return null
  }
}

async function receive(
  files: Files,
  media: DueMedia,
  fetched: Extract<FetchedMedia, { kind: 'found' }>,
  signal: AbortSignal,
): Promise<GotMedia> {
  const bytesMax = mediaBytesMax[media.kind]
  const bytesTold = fetched.bytes ?? 0
  if (bytesTold > bytesMax) await fetched.body.cancel()
  const file = bytesTold > bytesMax ? null : await files.receive(untilAborted(fetched.body, signal), bytesMax)
  if (file === null) return failed(tooLarge(bytesMax))
  if (file.bytes > 0 && file.bytes >= bytesTold) return { kind: 'came', file, mimeType: typeOf(media, fetched, file) }
  await file.discard()
  return { kind: 'retry', pace: 'soon', reason: 'The provider gave a part of the file only.' }
}

/** What whoever sent the file calls it, or the provider where they do not say; unless its bytes are something else. */
function typeOf(media: DueMedia, fetched: { readonly mimeType: string | null }, { head }: ReceivedFile): string {
  const named = media.declaredType === anyType ? readMimeType(fetched.mimeType ?? '') : media.declaredType
  return named !== null && looksLike(head, named) ? named : anyType
}

/** The chunks of a body, which breaks off when the signal ends, whatever the body itself knows of the signal. */
async function* untilAborted(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const cancel = () => void reader.cancel().catch(() => undefined)
  signal.addEventListener('abort', cancel)
  try {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await reader.read()
      if (done) break
      yield value
    }
    // A body that was cancelled ends like one that is whole.
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}
