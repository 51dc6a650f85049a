import type { Sealer } from '../lib/crypto.ts'
import { type Ids, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import { type BotConfig, maskConfig, type ProviderName, providerNames, readConfig } from './bot-config.ts'
import { type BotRefused, refuseBot } from './refuse-bot.ts'
import { statusTimes } from './status-times.ts'

const columnsOf = (bot: string) => `${bot}.id, ${bot}.name, ${bot}.provider, ${bot}.config, ${bot}.flow_id,
    to_jsonb(${bot}.flow_ids) as flow_ids, ${bot}.fallback_bot_id, ${bot}.read_receipts, ${bot}.status, ${bot}.status_reason,
    ${bot}.created_at, ${bot}.updated_at`
const columns = columnsOf('bots')
const row = {
  id: 'uuid',
  name: 'text',
  provider: 'text',
  config: json<BotConfig>(),
  flow_id: nullable('uuid'),
  flow_ids: json<readonly string[]>(),
  fallback_bot_id: nullable('uuid'),
  read_receipts: 'bool',
  status: 'text',
  status_reason: nullable('text'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A bot as it may be shown: the secrets in its config are masked. */
export type Bot = Omit<RowOf<typeof row>, 'provider'> & { readonly provider: ProviderName }

const insertBot = statement({
  name: 'bot_insert',
  params: ['tenant_id', 'id', 'name', 'provider', 'config', 'flow_id', 'fallback_bot_id', 'read_receipts', 'flow_ids'],
  row,
  sql: `insert into bots (tenant_id, id, name, provider, config, flow_id, fallback_bot_id, read_receipts, flow_ids)
    values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9::uuid[]) returning ${columns}`,
})

// Of settings that were changed the provider is asked anew, whatever it said of the old ones; not of a bot that a person
// has disconnected.
const updateRow = statement({
  name: 'bot_update',
  params: [
    'tenant_id',
    'id',
    'name',
    'config',
    'flow_id',
    'is_config_new',
    'fallback_bot_id',
    'read_receipts',
    'flow_ids',
  ],
  row,
  sql: `update bots set name = $3, config = $4::text::jsonb, flow_id = $5, fallback_bot_id = $7, read_receipts = $8,
      flow_ids = $9::uuid[], updated_at = now(),
      status = case when $6 and status <> 'disconnected' then 'connecting' else status end,
      status_reason = case when $6 and status <> 'disconnected' then null else status_reason end,
      check_attempts = case when $6 then 0 else check_attempts end,
      check_due_at = case when $6 then now() else check_due_at end
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

// The filters have no index of their own: a tenant's bots are few, and read by the primary key in the order of the list.
const selectPage = statement({
  name: 'bot_list',
  params: ['tenant_id', 'before_id', 'provider', 'status', 'search', 'limit'],
  row,
  sql: `select ${columns} from bots
    where tenant_id = $1 and id < $2::uuid and ($3::text is null or provider = $3) and ($4::text is null or status = $4)
      and ($5::text is null or position(plain_text($5) in plain_text(name)) > 0)
    order by id desc limit $6`,
})

const selectOne = statement({
  name: 'bot_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from bots where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'bot_lock',
  params: ['tenant_id', 'id'],
  row: { ...row, sealed: nullable('bytea') },
  sql: `select ${columnsOf('b')}, s.sealed
    from bots b left join bot_secrets s on s.tenant_id = b.tenant_id and s.bot_id = b.id
    where b.tenant_id = $1 and b.id = $2 for no key update of b`,
})

const saveSecrets = statement({
  name: 'bot_save_secrets',
  params: ['tenant_id', 'bot_id', 'key_id', 'sealed'],
  row: {},
  sql: `insert into bot_secrets (tenant_id, bot_id, key_id, sealed) values ($1, $2, $3, $4)
    on conflict (tenant_id, bot_id) do update set key_id = excluded.key_id, sealed = excluded.sealed`,
})

// Of two customers with one phone, the one who came first.
const makePhonesKnown = statement({
  name: 'bot_make_phones_known',
  params: ['tenant_id', 'id'],
  row: {},
  sql: `insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select distinct on (phone) tenant_id, $2, 'phone', phone, id from customers
    where tenant_id = $1 and phone is not null order by phone, id
    on conflict do nothing`,
})

const deleteRow = statement({
  name: 'bot_delete',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'delete from bots where tenant_id = $1 and id = $2 returning id',
})

const failQueued = statement({
  name: 'bot_fail_queued',
  params: ['tenant_id', 'bot_id'],
  row: {},
  sql: `with gone as (
      delete from outbox where tenant_id = $1 and bot_id = $2 and state = 'queued' returning conversation_id, id
    )
    update messages m set status = 'failed',
      error = '{"code": "bot_deleted", "message": "The bot was deleted before this was sent."}',
        ${statusTimes("'failed'", 'now()')}
    from gone
    where m.tenant_id = $1 and m.conversation_id = gone.conversation_id and m.id = gone.id and m.status = 'queued'`,
})

/** What a person decides about a bot; `config` is checked for its provider. */
export type NewBot = {
  readonly name: string
  readonly provider: ProviderName
  readonly config: Readonly<Record<string, unknown>>
  /** The main flow: what the menu leads to, and whose triggers are tried first. */
  readonly flow_id: string | null
  /** Others, in the order in which their triggers are tried after it. */
  readonly flow_ids?: readonly string[]
  readonly fallback_bot_id?: string | null
  readonly read_receipts?: boolean
}

/** What came of writing a bot. */
export type BotWritten = { readonly kind: 'written'; readonly bot: Bot } | { readonly kind: 'unknown' } | BotRefused

/** Adds a bot; its secrets are sealed for it alone. Publish `bot.changed` with its id once it is committed. */
export async function createBot(
  tx: Transaction,
  ids: Ids,
  sealer: Sealer,
  tenantId: string,
  fields: NewBot,
): Promise<BotWritten> {
  const read = readConfig(fields.provider, fields.config, null)
  if (!read.ok) return { kind: 'invalid', errors: read.errors }
  const id = ids.next()
  const refusal = await refuseBot(tx, { ...fields, tenantId, id }, read.config)
  if (refusal !== undefined) return refusal
  const [bot] = await tx.run(insertBot, {
    tenant_id: tenantId,
    id,
    name: fields.name,
    provider: fields.provider,
    config: JSON.stringify(read.config.shown),
    flow_id: fields.flow_id,
    flow_ids: fields.flow_ids ?? [],
    fallback_bot_id: fields.fallback_bot_id ?? null,
    read_receipts: fields.read_receipts ?? false,
  })
  await seal(tx, sealer, tenantId, id, read.config.secrets)
  // The customers there are, entered by hand or met by another bot, are whom this one will hear from.
  await tx.run(makePhonesKnown, { tenant_id: tenantId, id })
  return written(bot)
}

/** Changes the fields given. Settings left out, and secrets sent back masked, stay as they are. */
export async function updateBot(
  tx: Transaction,
  sealer: Sealer,
  tenantId: string,
  id: string,
  changes: { readonly [K in keyof NewBot]?: NewBot[K] | undefined },
): Promise<BotWritten> {
  const [before] = await tx.run(lockOne, { tenant_id: tenantId, id })
  if (before === undefined) return { kind: 'unknown' }
  const provider = providerOf(before.provider)
  if (changes.provider !== undefined && changes.provider !== provider)
    return { kind: 'invalid', errors: [{ path: 'provider', message: 'Cannot be changed: make another bot' }] }
  const read = readConfig(provider, changes.config ?? {}, { ...before.config, ...open(sealer, id, before.sealed) })
  if (!read.ok) return { kind: 'invalid', errors: read.errors }
  const kept = <K extends 'flow_id' | 'fallback_bot_id'>(name: K) => {
    const change = changes[name]
    return change === undefined ? before[name] : change
  }
  const refs = {
    flow_id: kept('flow_id'),
    flow_ids: changes.flow_ids ?? before.flow_ids,
    fallback_bot_id: kept('fallback_bot_id'),
  }
  const refusal = await refuseBot(tx, { tenantId, id, provider, ...refs }, read.config)
  if (refusal !== undefined) return refusal
  const [bot] = await tx.run(updateRow, {
    tenant_id: tenantId,
    id,
    name: changes.name ?? before.name,
    config: JSON.stringify(read.config.shown),
    ...refs,
    read_receipts: changes.read_receipts ?? before.read_receipts,
    is_config_new: changes.config !== undefined,
  })
  await seal(tx, sealer, tenantId, id, read.config.secrets)
  return written(bot)
}

async function seal(tx: Transaction, sealer: Sealer, tenantId: string, id: string, secrets: BotConfig): Promise<void> {
  const sealed = sealer.seal(JSON.stringify(secrets), id)
  await tx.run(saveSecrets, { tenant_id: tenantId, bot_id: id, key_id: sealer.keyId, sealed })
}

function open(sealer: Sealer, id: string, sealed: Uint8Array | null): BotConfig {
  return sealed === null ? {} : JSON.parse(sealer.open(sealed, id))
}

function written(stored: RowOf<typeof row> | undefined): BotWritten {
  return stored === undefined ? { kind: 'unknown' } : { kind: 'written', bot: shown(stored) }
}

function shown(stored: RowOf<typeof row>): Bot {
  const provider = providerOf(stored.provider)
  return { ...stored, provider, config: maskConfig(provider, stored.config) }
}

function providerOf(text: string): ProviderName {
  const provider = providerNames.find(name => name === text)
  if (provider === undefined) throw new Error(`A bot of an unknown provider: ${text}`)
  return provider
}

/** Newest first; `beforeId` is the last one of the page before. `search`: part of the name. */
export async function listBots(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly provider: ProviderName | null
    readonly status: string | null
    readonly search: string | null
    readonly limit: number
  },
): Promise<Bot[]> {
  const { tenantId, beforeId, provider, status, search, limit } = page
  const filter = { provider, status, search }
  const rows = await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, ...filter, limit })
  return rows.map(shown)
}

/** One bot, held against every other change until the transaction ends. */
export async function lockBot(tx: Transaction, tenantId: string, id: string): Promise<Bot | undefined> {
  const [stored] = await tx.run(lockOne, { tenant_id: tenantId, id })
  if (stored === undefined) return undefined
  const { sealed: _, ...bot } = stored
  return shown(bot)
}

/** Undefined where the tenant has no such bot. */
export async function findBot(tx: Transaction, tenantId: string, id: string): Promise<Bot | undefined> {
  const [bot] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return bot && shown(bot)
}

/**
 * Removes a bot and its secrets; its conversations stay, to be read. What waited to be sent fails, and says why.
 * Returns whether there was one. Publish `bot.changed` with its id once it is committed.
 */
export async function deleteBot(tx: Transaction, tenantId: string, id: string): Promise<boolean> {
  const deleted = await tx.run(deleteRow, { tenant_id: tenantId, id })
  if (deleted.length === 0) return false
  await tx.run(failQueued, { tenant_id: tenantId, bot_id: id })
  return true
}
