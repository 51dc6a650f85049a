import type { OutboundContent } from '../flow/content.ts'
import { AppError } from '../lib/errors.ts'
import type { Reach } from './send.ts'

/**
 * Refuses at once what would fail later for certain: where the customer wants no messages, where the bot is gone, where it knows nothing to write to, a template
 * where there are none, and what is no template outside the 24 hours after the customer's last message where they count.
 */
export function refuseUnsendable(
  { isOptedOut, hasBot, hasAddress, capabilities, windowExpiresAt }: Reach,
  content: OutboundContent,
  nowMs: number,
): void {
  if (isOptedOut)
    throw new AppError(
      'customer_opted_out',
      'The customer wants no messages. Where they have said since that they do, note that first: opt them in again.',
    )
  if (!hasBot) throw new AppError('conflict', 'The bot of this conversation was removed.')
  if (!hasAddress) throw new AppError('conflict', 'Nothing is known of the customer that this bot could write to.')
  if (content.type === 'template' && !capabilities.templates)
    throw new AppError('conflict', 'The provider of this bot has no templates: send a text.')
  if (!capabilities.hasWindow) return
  if (content.type === 'template' || (windowExpiresAt !== null && windowExpiresAt.getTime() > nowMs)) return
  throw new AppError(
    'window_closed',
    windowExpiresAt === null
      ? 'The customer has not written yet: begin with a template.'
      : 'The customer last wrote more than 24 hours ago: send a template.',
  )
}
