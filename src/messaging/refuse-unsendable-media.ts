import type { OutboundContent } from '../flow/content.ts'
import { invalid } from '../lib/check-fields.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { findSeenMedia, type MediaViewer, mediaIdOf, misfitOf, unsendableMedia } from './media.ts'

/**
 * Refuses a content whose file could not be sent: one that is not there, or not for the sender to see, and one that is none
 * of what the content says that it is. A `media_id` that is no UUID is the provider's own, and only they know it. Throws
 * `invalid`.
 */
export async function refuseUnsendableMedia(
  tx: Transaction,
  sender: MediaViewer,
  content: OutboundContent,
): Promise<void> {
  const id = mediaIdOf(content)
  if (id === null) return
  const media = await findSeenMedia(tx, sender, id)
  const fault = unsendableMedia(media) ?? (media && misfitOf(content, media))
  if (fault) throw invalid([{ path: 'content.media_id', message: fault }])
}
