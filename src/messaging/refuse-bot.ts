import type { FieldError } from '../lib/errors.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import type { ProviderName, SplitConfig } from './bot-config.ts'

// Two at the same moment take turns.
const lockAccount = statement({
  name: 'bot_lock_account',
  params: ['key'],
  row: { is_locked: 'bool' },
  sql: 'select pg_advisory_xact_lock(hashtextextended($1, 0)) is not null as is_locked',
})

const findRival = statement({
  name: 'bot_find_rival',
  params: ['tenant_id', 'id', 'provider', 'setting', 'value'],
  row: { id: 'uuid' },
  sql: `select id from bots where tenant_id = $1 and id <> $2 and provider = $3 and config ->> $4 = $5 limit 1`,
})

const findOther = statement({
  name: 'bot_find_other',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from bots where tenant_id = $1 and id = $2 for key share',
})

// Held, so that none of them is deleted meanwhile.
const findFlows = statement({
  name: 'bot_find_flows',
  params: ['tenant_id', 'ids'],
  row: { id: 'uuid' },
  sql: 'select id from flows where tenant_id = $1 and id = any ($2::uuid[]) order by id for key share',
})

/** Why a bot cannot be as somebody wants it. */
export type BotRefused =
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  /** Another bot of the tenant is on the same account: the value of this setting is its. */
  | { readonly kind: 'account_taken'; readonly setting: string }

/** What of a bot depends on what else the tenant has. */
export type BotRefs = {
  readonly tenantId: string
  readonly id: string
  readonly provider: ProviderName
  readonly flow_id: string | null
  readonly flow_ids?: readonly string[] | undefined
  readonly fallback_bot_id?: string | null | undefined
}

/** Undefined where the bot can be so. What it names stays there until the end of the transaction. */
export async function refuseBot(
  tx: Transaction,
  bot: BotRefs,
  { account }: SplitConfig,
): Promise<BotRefused | undefined> {
  const { tenantId, id, provider } = bot
  if (account !== null) {
    await tx.run(lockAccount, { key: `bot account ${tenantId} ${provider} ${account.value}` })
    const rivals = await tx.run(findRival, { tenant_id: tenantId, id, provider, ...account })
    if (rivals.length > 0) return { kind: 'account_taken', setting: account.setting }
  }
  if (bot.fallback_bot_id && !(await canStandIn(tx, bot.fallback_bot_id, bot)))
    return { kind: 'invalid', errors: [{ path: 'fallback_bot_id', message: 'There is no such other bot' }] }
  const errors = await faultsOfFlows(tx, bot)
  return errors.length > 0 ? { kind: 'invalid', errors } : undefined
}

async function canStandIn(tx: Transaction, id: string, bot: BotRefs): Promise<boolean> {
  return id !== bot.id && (await tx.run(findOther, { tenant_id: bot.tenantId, id })).length > 0
}

async function faultsOfFlows(tx: Transaction, { tenantId, flow_id, flow_ids = [] }: BotRefs): Promise<FieldError[]> {
  const named = [
    ...(flow_id === null ? [] : [{ path: 'flow_id', id: flow_id }]),
    ...flow_ids.map((id, index) => ({ path: `flow_ids.${index}`, id })),
  ]
  if (named.length === 0) return []
  const rows = await tx.run(findFlows, { tenant_id: tenantId, ids: named.map(one => one.id) })
  const known = new Set(rows.map(row => row.id))
  return named.flatMap(({ path, id }, index) => {
    if (!known.has(id)) return [{ path, message: 'There is no such flow' }]
    const isTwice = named.findIndex(other => other.id === id) < index
    return isTwice ? [{ path, message: 'Is the main flow, or another one of these, already' }] : []
  })
}
