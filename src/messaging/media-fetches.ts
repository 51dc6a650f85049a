import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, nullableJson, statement } from '../stores/postgres/statement.ts'
import type { MediaKind } from './media.ts'
import { type MessageError, type StatusChange, statusChange } from './status.ts'

// Files that customers sent and that their providers still have: taken to be fetched, and what came of it.

/** Bots that one claim looks at. */
const botsMax = 10_000

// A share of each bot that has files waiting, the longest due first: one whose provider is slow holds up its own only.
const claimDue = statement({
  name: 'media_claim',
  params: ['limit', 'per_bot_max', 'bots_max', 'lease_seconds', 'busy_bots', 'busy_counts'],
  row: {
    tenant_id: 'uuid',
    id: 'uuid',
    bot_id: 'uuid',
    kind: 'text',
    declared_type: 'text',
    source: 'bytea',
    attempts: 'int4',
  },
  sql: `with recursive waiting as (
      (select bot_id, 1 as n from media where state = 'pending' order by bot_id limit 1)
      union all
      select (select m.bot_id from media m where m.state = 'pending' and m.bot_id > w.bot_id order by m.bot_id limit 1),
        w.n + 1
      from waiting w where w.bot_id is not null and w.n < $3
    ), due as (
      select d.id
      from waiting w
      left join unnest($5::uuid[], $6::int[]) as b (bot_id, count) using (bot_id)
      cross join lateral (
        select m.id, m.due_at from media m
        where m.state = 'pending' and m.bot_id = w.bot_id and m.due_at <= now()
        order by m.due_at limit greatest(0, $2::int - coalesce(b.count, 0))) d
      order by d.due_at limit $1
    )
    update media m
    set attempts = m.attempts + 1, is_leased = true, due_at = now() + $4::int * interval '1 second'
    where m.id = any (array(
      select id from media where id = any (array(select id from due)) and state = 'pending' and due_at <= now()
      for no key update skip locked))
    returning m.tenant_id, m.id, m.bot_id, m.kind, m.declared_type, m.source, m.attempts`,
})

const fence = `m.tenant_id = $1 and m.id = $2 and m.attempts = $3 and m.state = 'pending'`

const endFetch = statement({
  name: 'media_end_fetch',
  params: ['tenant_id', 'id', 'attempts', 'state', 'reason', 'mime_type', 'bytes', 'sha256'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: nullable('uuid'),
    status: nullable('text'),
    error: nullableJson<MessageError>(),
  },
  sql: `with ended as (
      update media m set state = $4, reason = $5, mime_type = coalesce($6, m.mime_type), bytes = $7, sha256 = $8,
        source = null, key_id = null, is_leased = false
      where ${fence}
      returning m.tenant_id, m.conversation_id, m.message_id
    )
    select e.tenant_id, e.conversation_id, m.id, m.status, m.error
    from ended e left join messages m
      on m.tenant_id = e.tenant_id and m.conversation_id = e.conversation_id and m.id = e.message_id`,
})

const postpone = statement({
  name: 'media_postpone_fetch',
  params: ['tenant_id', 'id', 'attempts', 'reason', 'due_at', 'attempts_after'],
  row: {},
  sql: `update media m set reason = coalesce($4, m.reason), due_at = $5, attempts = $6, is_leased = false where ${fence}`,
})

const releaseAll = statement({
  name: 'media_release_leases',
  params: [],
  row: {},
  sql: `update media set due_at = now(), is_leased = false where state = 'pending' and is_leased`,
})

/** A file that this process fetches now. */
export type DueMedia = {
  readonly tenantId: string
  readonly id: string
  readonly botId: string
  readonly kind: MediaKind
  readonly declaredType: string
  /** As it was sealed. */
  readonly source: Uint8Array
  /** How often it was tried, this time included. */
  readonly attempts: number
}

/**
 * Takes files that are due, for as long as `leaseSeconds`: after it one of which nothing was heard is taken again. Of one
 * bot there are `perBotMax` at most, with those of `busy` that are under way.
 */
export async function claimDueMedia(
  tx: Transaction,
  limits: { readonly limit: number; readonly perBotMax: number; readonly leaseSeconds: number },
  busy: ReadonlyMap<string, number>,
): Promise<DueMedia[]> {
  const rows = await tx.run(claimDue, {
    ...{ limit: limits.limit, per_bot_max: limits.perBotMax, bots_max: botsMax, lease_seconds: limits.leaseSeconds },
    ...{ busy_bots: [...busy.keys()], busy_counts: [...busy.values()] },
  })
  return rows.map(({ tenant_id, bot_id, declared_type, kind, ...rest }) => ({
    ...rest,
    ...{ tenantId: tenant_id, botId: bot_id, declaredType: declared_type },
    // The column has a check constraint: it holds nothing else.
    kind: kind as MediaKind,
  }))
}

/** How a fetch ended for good. */
export type FetchEnd =
  | { readonly state: 'stored'; readonly mimeType: string; readonly bytes: number; readonly sha256: string }
  | { readonly state: 'failed'; readonly reason: string }

/**
 * Writes how a fetch has ended; whoever took it over since wins. Returns the message that shows the file, as it stands: it
 * is to be told of. Null where somebody took the fetch over, or the message is gone.
 */
export async function endFetchOf(
  tx: Transaction,
  media: DueMedia,
  end: FetchEnd,
): Promise<{ readonly isEnded: boolean; readonly message: StatusChange | null }> {
  const isStored = end.state === 'stored'
  const [row] = await tx.run(endFetch, {
    ...{ tenant_id: media.tenantId, id: media.id, attempts: media.attempts, state: end.state },
    reason: isStored ? null : end.reason,
    ...(isStored
      ? { mime_type: end.mimeType, bytes: end.bytes, sha256: end.sha256 }
      : { mime_type: null, bytes: null, sha256: null }),
  })
  if (row === undefined) return { isEnded: false, message: null }
  const { id, status, error } = row
  return { isEnded: true, message: id === null || status === null ? null : statusChange({ ...row, id }, status, error) }
}

/** Tried again at `dueAt`. A reason says what holds it up; without one, the try does not count. */
export async function postponeFetch(
  tx: Transaction,
  media: DueMedia,
  { reason, dueAt }: { readonly reason: string | null; readonly dueAt: Date },
): Promise<void> {
  const { tenantId, id, attempts } = media
  const attempts_after = reason === null ? attempts - 1 : attempts
  await tx.run(postpone, { tenant_id: tenantId, id, attempts, reason, due_at: dueAt, attempts_after })
}

/** For a process that is alone: what is being fetched is left over from one that died. */
export async function releaseFetches(tx: Transaction): Promise<void> {
  await tx.run(releaseAll, {})
}
