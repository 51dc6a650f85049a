import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { nullable, statement } from '../../stores/postgres/statement.ts'

// One bridge at a time has a session's socket: two on one session throw each other out, and break the keys of both. A
// lease says whose it is until when, by the clock of the database; its fence grows with each owner, and every write of
// the session's rows checks it.

/** The right to a session, for a while. */
export type Lease = {
  readonly tenantId: string
  readonly botId: string
  readonly owner: string
  readonly fence: number
}

/** Why no socket is to be open. */
export type Standstill = {
  readonly state: 'ended' | 'refused' | 'logged_out'
  readonly reason: string
}

/** A session as its row says. */
export type SessionRow = {
  readonly tenantId: string
  /** Whether it was ever opened. */
  readonly exists: boolean
  readonly standstill: Standstill | null
  /** Where the bridge listens that has it now; null where none has. */
  readonly url: string | null
}

/** The lease is another's by now: nothing was written. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

// Bots that are to have a socket, and whose session nobody has. `bot_id`: this one alone, whatever its status.
const claim = statement({
  name: 'baileys_lease_claim',
  params: ['bot_id', 'owner', 'url', 'lease_ms', 'limit'],
  row: { tenant_id: 'uuid', bot_id: 'uuid', fence: 'int8', pairing_phone: nullable('text') },
  sql: `with wanted as (
      select b.tenant_id, b.id, b.pairing_phone from bots b
      left join provider_sessions s on s.tenant_id = b.tenant_id and s.bot_id = b.id
      where b.provider = 'baileys'
        and case when $1::uuid is null then b.status in ('connecting', 'qr', 'connected') and b.leaving is null
          else b.id = $1 end
        and (s.bot_id is null or (s.state = 'wanted' and (s.owner is null or s.lease_expires_at <= now())))
      order by b.id limit $5
    ), claimed as (
      insert into provider_sessions as s (tenant_id, bot_id, owner, fence, lease_expires_at, url)
      select tenant_id, id, $2::uuid, 1, now() + $4::int * interval '1 millisecond', $3::text from wanted
      on conflict (tenant_id, bot_id) do update set owner = excluded.owner, fence = s.fence + 1,
        lease_expires_at = excluded.lease_expires_at, url = excluded.url
      where s.state = 'wanted' and (s.owner is null or s.lease_expires_at <= now())
      returning s.tenant_id, s.bot_id, s.fence
    )
    select c.tenant_id, c.bot_id, c.fence, w.pairing_phone
    from claimed c join wanted w on w.tenant_id = c.tenant_id and w.id = c.bot_id`,
})

// Those that are not renewed are lost. `is_wanted`: the bot is still to have a socket.
const renew = statement({
  name: 'baileys_lease_renew',
  params: ['owner', 'lease_ms'],
  row: { bot_id: 'uuid', fence: 'int8', is_wanted: 'bool' },
  sql: `update provider_sessions s set lease_expires_at = now() + $2::int * interval '1 millisecond'
    from bots b
    where s.owner = $1 and s.lease_expires_at > now() and b.tenant_id = s.tenant_id and b.id = s.bot_id
    returning s.bot_id, s.fence, b.status in ('connecting', 'qr', 'connected') and b.leaving is null as is_wanted`,
})

// Its owner gives it back, and says where it stands.
const release = statement({
  name: 'baileys_lease_release',
  params: ['tenant_id', 'bot_id', 'owner', 'fence', 'state', 'reason'],
  row: { bot_id: 'uuid' },
  sql: `update provider_sessions set owner = null, url = null, lease_expires_at = null,
      state = coalesce($5::text, state), reason = case when $5::text is null then reason else $6::text end
    where tenant_id = $1 and bot_id = $2 and owner = $3 and fence = $4
    returning bot_id`,
})

const forgetKeys = statement({
  name: 'baileys_lease_forget_keys',
  params: ['tenant_id', 'bot_id'],
  row: {},
  sql: 'delete from provider_session_keys where tenant_id = $1 and bot_id = $2',
})

const expire = statement({
  name: 'baileys_leases_expire',
  params: ['owner'],
  row: {},
  sql: `update provider_sessions set lease_expires_at = now() where owner = $1 and lease_expires_at > now()`,
})

const want = statement({
  name: 'baileys_session_want',
  params: ['bot_id'],
  row: {},
  sql: `update provider_sessions s set state = 'wanted', reason = null
    from bots b where b.id = $1 and s.tenant_id = b.tenant_id and s.bot_id = b.id and s.state <> 'wanted'`,
})

// A session that nobody has: one that has an owner is ended by it.
const standStill = statement({
  name: 'baileys_session_end',
  params: ['bot_id', 'state', 'reason'],
  row: { tenant_id: 'uuid', bot_id: 'uuid' },
  sql: `update provider_sessions s set state = $2, reason = $3
    from bots b where b.id = $1 and s.tenant_id = b.tenant_id and s.bot_id = b.id
      and (s.owner is null or s.lease_expires_at <= now())
    returning s.tenant_id, s.bot_id`,
})

const find = statement({
  name: 'baileys_session_find',
  params: ['bot_id'],
  row: { tenant_id: 'uuid', state: nullable('text'), reason: nullable('text'), url: nullable('text') },
  sql: `select b.tenant_id, s.state, s.reason, case when s.lease_expires_at > now() then s.url end as url
    from bots b left join provider_sessions s on s.tenant_id = b.tenant_id and s.bot_id = b.id
    where b.id = $1 and b.provider = 'baileys'`,
})

// Ended while the adapter could not be told of it.
const untold = statement({
  name: 'baileys_sessions_untold',
  params: ['limit'],
  row: { bot_id: 'uuid', state: 'text', reason: nullable('text') },
  sql: `select s.bot_id, s.state, s.reason from provider_sessions s
    join bots b on b.tenant_id = s.tenant_id and b.id = s.bot_id
    where b.provider = 'baileys' and b.status in ('connected', 'qr') and s.state in ('refused', 'logged_out')
    order by s.bot_id limit $1`,
})

// Shared, so that whoever would take the lease waits until what is written under it is committed.
const hold = statement({
  name: 'baileys_lease_hold',
  params: ['tenant_id', 'bot_id', 'owner', 'fence'],
  row: { fence: 'int8' },
  sql: `select fence from provider_sessions
    where tenant_id = $1 and bot_id = $2 and owner = $3 and fence = $4 and lease_expires_at > now() for share`,
})

/** A session that was just taken. `pairingPhone`: the number to pair by a code (E.164); null: by a QR code. */
export type Claimed = { readonly lease: Lease; readonly pairingPhone: string | null }

/** What is needed to take sessions. `url`: where this bridge listens. */
export type Claimer = { readonly owner: string; readonly url: string; readonly leaseMs: number }

/** Takes sessions that are to be open and that nobody has; of `botId` alone where it is given, whatever its bot's status. */
export async function claimSessions(
  database: Database,
  { owner, url, leaseMs }: Claimer,
  limit: number,
  botId: string | null = null,
): Promise<Claimed[]> {
  const values = { bot_id: botId, owner, url, lease_ms: leaseMs, limit }
  const rows = await database.transaction({ role: 'worker' }, tx => tx.run(claim, values))
  return rows.map(({ tenant_id, bot_id, fence, pairing_phone }) => ({
    lease: { tenantId: tenant_id, botId: bot_id, owner, fence },
    pairingPhone: pairing_phone,
  }))
}

/** Keeps all sessions of an owner for another while. Those that are missing in what it returns are lost. */
export async function renewLeases(
  database: Database,
  { owner, leaseMs }: Pick<Claimer, 'owner' | 'leaseMs'>,
): Promise<{ readonly botId: string; readonly fence: number; readonly isWanted: boolean }[]> {
  const rows = await database.transaction({ role: 'worker' }, tx => tx.run(renew, { owner, lease_ms: leaseMs }))
  return rows.map(({ bot_id, fence, is_wanted }) => ({ botId: bot_id, fence, isWanted: is_wanted }))
}

/**
 * Gives a session back; `standstill`: for nobody to take until somebody connects it. `forgets`: its keys are deleted at the
 * same moment, so that nothing is written after. Does nothing where it is lost.
 */
export async function releaseLease(
  database: Database,
  lease: Lease,
  standstill: Standstill | null,
  forgets = false,
): Promise<void> {
  const end = { state: standstill?.state ?? null, reason: standstill?.reason ?? null }
  await database.transaction({ role: 'worker' }, async tx => {
    const [released] = await tx.run(release, { ...valuesOf(lease), ...end })
    const bot = { tenant_id: lease.tenantId, bot_id: lease.botId }
    if (released !== undefined && forgets) await tx.run(forgetKeys, bot)
  })
}

/** Ends the leases of an owner that is dead for certain. */
export async function expireLeases(database: Database, owner: string): Promise<void> {
  await database.transaction({ role: 'worker' }, tx => tx.run(expire, { owner }))
}

/** Has a session opened again that came to a standstill. */
export async function wantSession(database: Database, botId: string): Promise<void> {
  await database.transaction({ role: 'worker' }, tx => tx.run(want, { bot_id: botId }))
}

/** Brings a session to a standstill that nobody has. `forgets`: deletes its keys too. */
export async function endSession(
  database: Database,
  botId: string,
  { state, reason }: Standstill,
  forgets = false,
): Promise<void> {
  await database.transaction({ role: 'worker' }, async tx => {
    const [ended] = await tx.run(standStill, { bot_id: botId, state, reason })
    if (ended !== undefined && forgets) await tx.run(forgetKeys, ended)
  })
}

/** Null where there is no such bot of Baileys. */
export async function findSession(database: Database, botId: string): Promise<SessionRow | null> {
  const [row] = await database.read({ role: 'worker' }, tx => tx.run(find, { bot_id: botId }))
  if (row === undefined) return null
  const { tenant_id: tenantId, state, reason, url } = row
  return { tenantId, exists: state !== null, standstill: standstillOf(state, reason), url }
}

/** Sessions at a standstill whose bots do not show it. */
export async function findUntold(
  database: Database,
  limit: number,
): Promise<{ readonly botId: string; readonly standstill: Standstill }[]> {
  const rows = await database.read({ role: 'worker' }, tx => tx.run(untold, { limit }))
  return rows.flatMap(({ bot_id, state, reason }) => {
    const standstill = standstillOf(state, reason)
    return standstill === null ? [] : [{ botId: bot_id, standstill }]
  })
}

function standstillOf(state: string | null, reason: string | null): Standstill | null {
  return state === 'ended' || state === 'refused' || state === 'logged_out' ? { state, reason: reason ?? '' } : null
}

/**
 * Runs `work` in a transaction during which the lease stays this owner's. Throws `LeaseLost` where it is no more, and
 * nothing is written.
 */
export async function underLease<T>(
  database: Database,
  lease: Lease,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await database.transaction({ role: 'worker' }, async tx => {
    const held = await tx.run(hold, valuesOf(lease))
    if (held.length === 0) throw new LeaseLost(`The session of bot ${lease.botId} is another bridge's by now`)
    return await work(tx)
  })
}

function valuesOf({ tenantId, botId, owner, fence }: Lease) {
  return { tenant_id: tenantId, bot_id: botId, owner, fence }
}
