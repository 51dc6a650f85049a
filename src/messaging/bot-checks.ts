import type { Sealer } from '../lib/crypto.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { clearPairing, type Pairing, savePairing } from './bot-pairings.ts'
import type { BotStatus } from './bot-status.ts'

// How bots come to stand as their providers say: asked for (checks), or told by a webhook (reports).

const claimDue = statement({
  name: 'bot_check_claim',
  params: ['limit', 'lease_seconds'],
  row: {
    tenant_id: 'uuid',
    id: 'uuid',
    attempts: 'int4',
    version: 'text',
    status: 'text',
    leaving: nullable('text'),
    pairing_phone: nullable('text'),
  },
  sql: `update bots b
    set check_attempts = check_attempts + 1, check_due_at = now() + $2::int * interval '1 second'
    where (b.status in ('connecting', 'qr') or b.leaving is not null) and b.id = any (array(
      select id from bots where (status in ('connecting', 'qr') or leaving is not null) and check_due_at <= now()
      order by check_due_at limit $1 for no key update skip locked))
    returning b.tenant_id, b.id, b.check_attempts as attempts, b.updated_at::text as version, b.status, b.leaving,
      b.pairing_phone`,
})

const finish = statement({
  name: 'bot_check_finish',
  params: ['tenant_id', 'bot_id', 'version', 'status', 'reason', 'due_at'],
  row: { is_news: 'bool' },
  sql: `update bots b set status = $4, status_reason = $5, check_due_at = $6,
      check_attempts = case when b.status = $4 then b.check_attempts else 0 end,
      updated_at = case when o.is_news then now() else b.updated_at end
    from (
      select id, (status, status_reason) is distinct from ($4::text, $5::text) as is_news from bots
      where tenant_id = $1 and id = $2 and status in ('connecting', 'qr') and updated_at = $3::text::timestamptz
      for no key update) o
    where b.tenant_id = $1 and b.id = o.id
    returning o.is_news`,
})

const finishLeaving = statement({
  name: 'bot_left',
  params: ['tenant_id', 'bot_id', 'version'],
  row: {},
  sql: `update bots set leaving = null where tenant_id = $1 and id = $2 and updated_at = $3::text::timestamptz`,
})

const postpone = statement({
  name: 'bot_check_postpone',
  params: ['tenant_id', 'bot_id', 'version', 'due_at'],
  row: {},
  sql: `update bots set check_due_at = $4
    where tenant_id = $1 and id = $2 and updated_at = $3::text::timestamptz`,
})

const report = statement({
  name: 'bot_report',
  params: ['tenant_id', 'bot_id', 'from_statuses', 'status', 'reason', 'due_at'],
  row: { id: 'uuid' },
  sql: `update bots set status = $4, status_reason = $5, check_due_at = $6, check_attempts = 0, updated_at = now()
    where tenant_id = $1 and id = $2 and status = any ($3::text[])
      and (status, status_reason) is distinct from ($4::text, $5::text)
    returning id`,
})

/** A bot whose provider is to be asked now, or told that its session ends. */
export type DueCheck = {
  readonly tenantId: string
  readonly id: string
  /** How often it was asked since it began to stand as it does, this time included. */
  readonly attempts: number
  /** As in `BotWithSecrets`. */
  readonly version: string
  readonly status: BotStatus
  readonly leaving: 'end' | 'logout' | null
  /** The number to pair by a code; null: by a QR code. */
  readonly pairingPhone: string | null
}

/** How a bot stands from now on. `dueAt`: when its provider is asked again, where it still connects or pairs. */
export type BotStanding = {
  readonly status: BotStatus
  readonly reason: string | null
  readonly dueAt: Date
  readonly pairing: Pairing | null
}

/** Takes bots that are due, for as long as `leaseSeconds`: after it a check of which nothing was heard is made again. */
export async function claimDueChecks(tx: Transaction, limit: number, leaseSeconds: number): Promise<DueCheck[]> {
  const rows = await tx.run(claimDue, { limit, lease_seconds: leaseSeconds })
  return rows.map(({ tenant_id, pairing_phone, status, leaving, ...rest }) => ({
    ...rest,
    tenantId: tenant_id,
    pairingPhone: pairing_phone,
    // Both columns have a check constraint: they hold nothing but these.
    status: status as BotStatus,
    leaving: leaving as DueCheck['leaving'],
  }))
}

/**
 * Writes what came of a check. Returns whether the bot stands otherwise than before. One that was changed since is left
 * as it is: it is checked for what it is now.
 */
export async function finishCheck(
  tx: Transaction,
  sealer: Sealer,
  check: DueCheck,
  standing: BotStanding,
): Promise<boolean> {
  const { status, reason, dueAt } = standing
  const [row] = await tx.run(finish, { ...keyOf(check), version: check.version, status, reason, due_at: dueAt })
  if (row !== undefined) await keepPairing(tx, sealer, check, standing)
  return row?.is_news ?? false
}

/** The session of a bot has ended as it was to. */
export async function finishLeave(tx: Transaction, check: DueCheck): Promise<void> {
  await tx.run(finishLeaving, { ...keyOf(check), version: check.version })
}

/** Looked at again at `dueAt`, with nothing else changed. */
export async function postponeCheck(tx: Transaction, check: DueCheck, dueAt: Date): Promise<void> {
  await tx.run(postpone, { ...keyOf(check), version: check.version, due_at: dueAt })
}

/** What a report may change: a bot that a person has disconnected stays so, and what came late does not undo the news. */
const fromStatuses: Readonly<Record<BotStatus, readonly BotStatus[]>> = {
  connected: ['connecting', 'qr', 'logged_out', 'error'],
  connecting: ['connected'],
  qr: ['connecting', 'qr'],
  logged_out: ['connecting', 'qr', 'connected'],
  error: ['connecting', 'qr', 'connected'],
  disconnected: ['connecting', 'qr', 'connected'],
}

/** Writes what a provider has told of a bot by itself. Returns whether the bot stands otherwise than before. */
export async function reportStanding(
  tx: Transaction,
  sealer: Sealer,
  bot: { readonly tenantId: string; readonly id: string },
  standing: BotStanding,
): Promise<boolean> {
  const { status, reason, dueAt } = standing
  const change = { from_statuses: fromStatuses[status], status, reason, due_at: dueAt }
  const isNews = (await tx.run(report, { ...keyOf(bot), ...change })).length > 0
  if (isNews || status === 'qr') await keepPairing(tx, sealer, bot, standing)
  return isNews
}

async function keepPairing(
  tx: Transaction,
  sealer: Sealer,
  bot: { readonly tenantId: string; readonly id: string },
  { pairing }: BotStanding,
): Promise<void> {
  if (pairing === null) await clearPairing(tx, bot.tenantId, bot.id)
  else await savePairing(tx, sealer, bot, pairing)
}

function keyOf({ tenantId, id }: { readonly tenantId: string; readonly id: string }) {
  return { tenant_id: tenantId, bot_id: id }
}
