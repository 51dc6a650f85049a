import * as v from 'valibot'
import { mediaSchema } from '../../baileys/protocol.ts'
import type { FetchedMedia, MediaSource, ProviderBot } from '../../provider.ts'
import { streamOf } from '../fetched-media.ts'
import type { BridgeCalls } from './call-bridge.ts'
import { startingReason } from './connection.ts'

const problemSchema = v.object({ reason: v.string() })

/** Gets a customer's file from the bridge, which gets it from WhatsApp and opens it. */
export async function fetchMedia(
  calls: BridgeCalls,
  source: MediaSource,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  const media = v.safeParse(mediaSchema, source)
  if (!media.success) return { kind: 'failed', reason: 'The message does not say where its file is.' }
  const response = await calls.stream(bot.id, { path: 'media', body: media.output }, signal).catch(() => undefined)
  if (response === null) return { kind: 'retry', pace: 'soon', reason: startingReason }
  if (response === undefined)
    return { kind: 'retry', pace: 'soon', reason: 'The bridge to WhatsApp Web cannot be reached.' }
  if (response.status === 200)
    return streamOf(response, { mimeType: media.output.mime_type, bytes: media.output.bytes })
  const problem = v.safeParse(problemSchema, await response.json().catch(() => null))
  const reason = problem.success
    ? problem.output.reason
    : `The bridge to WhatsApp Web answered HTTP ${response.status}.`
  if ([404, 410, 422].includes(response.status)) return { kind: 'failed', reason }
  return { kind: 'retry', pace: 'later', reason }
}
