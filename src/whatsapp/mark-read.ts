import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import type { ReceivedMessage, WhatsAppProvider } from './provider.ts'

/** Marks under way at once. A tick that does not turn blue harms nobody: what is more is left out. */
const underWayMax = 50
const timeoutMs = 10_000

/** Shows customers that what they wrote was read. Nobody waits for it. */
export type ReadMarks = {
  mark(bot: BotWithSecrets, provider: WhatsAppProvider, messages: readonly ReceivedMessage[]): void
  /** Resolves once all that were begun have ended. */
  drain(): Promise<void>
}

export function makeReadMarks(log: Log): ReadMarks {
  const underWay = new Set<Promise<void>>()

  async function markOne(bot: BotWithSecrets, provider: WhatsAppProvider, message: ReceivedMessage): Promise<void> {
    const [from] = message.sender.identities
    if (from === undefined) return
    const { providerMessageId } = message
    try {
      await provider.markRead?.({ providerMessageId, from, isTyping: false }, bot, AbortSignal.timeout(timeoutMs))
    } catch (error) {
      log.debug({ bot_id: bot.id, error: messageOf(error) }, 'a message could not be marked as read')
    }
  }

  return {
    mark(bot, provider, messages) {
      if (!bot.readReceipts || provider.markRead === undefined) return
      for (const message of messages.slice(0, underWayMax - underWay.size)) {
        const marking: Promise<void> = markOne(bot, provider, message).finally(() => underWay.delete(marking))
        underWay.add(marking)
      }
    },
    async drain() {
      await Promise.all(underWay)
    },
  }
}
