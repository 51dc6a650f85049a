import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { findPairing, type Pairing } from './bot-pairings.ts'
import { type Bot, findBot } from './bots.ts'
import { capabilitiesOf } from './capabilities.ts'

/** Whether a phone pairs the bot. */
export function isPairedByPhone({ provider, config }: Pick<Bot, 'provider' | 'config'>): boolean {
  return capabilitiesOf(provider, config).pairing === 'phone'
}

/**
 * The code that pairs a bot now: a credential, for whoever may change bots. Throws `not_found`, and `conflict` where there
 * is none.
 */
export async function pairingOfBot(
  tx: Transaction,
  sealer: Sealer,
  { tenantId, botId }: { readonly tenantId: string; readonly botId: string },
): Promise<Pairing> {
  const bot = await findBot(tx, tenantId, botId)
  if (bot === undefined) throw new AppError('not_found', 'There is no such bot.')
  if (!isPairedByPhone(bot))
    throw new AppError('conflict', `A bot of the provider ${bot.provider} does not pair by QR code.`)
  const pairing = bot.status === 'qr' ? await findPairing(tx, sealer, tenantId, botId) : null
  if (pairing === null) throw new AppError('conflict', `There is no code to pair with now: the bot is ${bot.status}.`)
  return pairing
}
