import { firstId } from '../../lib/ids.ts'
import { restMs } from '../../lib/rest.ts'
import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'
import { makeMentions } from './find-mentions.ts'
import type { Person } from './person.ts'

// What somebody is mentioned in without being named by a key: lines of the audit log from before they were merged, what was
// told to webhooks, webhooks that were left out, answers that are kept for a key. All rows of the tenant are looked through,
// some at a time: by then nothing new can come, or it came while something was still under way, and is found the next time.

/** Rows that one transaction reads. */
const pageRows = 500

const auditRow = { id: 'uuid', text: 'text' } as const
const readAudit = statement({
  name: 'mentions_audit',
  params: ['tenant_id', 'after_id', 'limit'],
  row: auditRow,
  sql: `select id, coalesce(before::text, '') || ' ' || coalesce(after::text, '') as text from audit_log
    where tenant_id = $1 and id > $2::uuid order by id limit $3`,
})
const blankAudit = statement({
  name: 'mentions_blank_audit',
  params: ['tenant_id', 'ids'],
  row: {},
  sql: 'update audit_log set before = null, after = null where tenant_id = $1 and id = any ($2::uuid[])',
})

const deliveryRow = { webhook_id: 'uuid', id: 'uuid', text: 'text' } as const
const readDeliveries = statement({
  name: 'mentions_deliveries',
  params: ['tenant_id', 'after_webhook_id', 'after_id', 'limit'],
  row: deliveryRow,
  sql: `select webhook_id, id, payload || ' ' || coalesce(error::text, '') as text from webhook_deliveries
    where tenant_id = $1 and (webhook_id, id) > ($2::uuid, $3::uuid) order by webhook_id, id limit $4`,
})
const removeDeliveries = statement({
  name: 'mentions_remove_deliveries',
  params: ['tenant_id', 'ids'],
  row: {},
  sql: 'delete from webhook_deliveries where tenant_id = $1 and id = any ($2::uuid[])',
})

const ignoredRow = { bot_id: 'uuid', id: 'uuid', text: 'text' } as const
const readIgnored = statement({
  name: 'mentions_ignored',
  params: ['tenant_id', 'after_bot_id', 'after_id', 'limit'],
  row: ignoredRow,
  sql: `select bot_id, id, raw::text as text from ignored_webhooks
    where tenant_id = $1 and (bot_id, id) > ($2::uuid, $3::uuid) order by bot_id, id limit $4`,
})
const removeIgnored = statement({
  name: 'mentions_remove_ignored',
  params: ['tenant_id', 'bot_ids', 'ids'],
  row: {},
  sql: `delete from ignored_webhooks w using unnest($2::uuid[], $3::uuid[]) as g (bot_id, id)
    where w.tenant_id = $1 and w.bot_id = g.bot_id and w.id = g.id`,
})

const heldRow = { bot_id: 'uuid', provider_message_id: 'text', text: 'text' } as const
const readHeld = statement({
  name: 'mentions_held',
  params: ['tenant_id', 'after_bot_id', 'after_id', 'limit'],
  row: heldRow,
  sql: `select bot_id, provider_message_id, message::text || ' ' || waits_in::text as text from held_echoes
    where tenant_id = $1 and (bot_id, provider_message_id) > ($2::uuid, $3::text)
    order by bot_id, provider_message_id limit $4`,
})
const removeHeld = statement({
  name: 'mentions_remove_held',
  params: ['tenant_id', 'bot_ids', 'provider_message_ids'],
  row: {},
  sql: `delete from held_echoes h using unnest($2::uuid[], $3::text[]) as g (bot_id, provider_message_id)
    where h.tenant_id = $1 and h.bot_id = g.bot_id and h.provider_message_id = g.provider_message_id`,
})

const answerRow = { caller_id: 'uuid', key: 'text', answer: nullable('bytea') } as const
const readAnswers = statement({
  name: 'mentions_answers',
  params: ['tenant_id', 'after_caller_id', 'after_key', 'limit'],
  row: answerRow,
  sql: `select caller_id, key, answer from idempotency_keys
    where tenant_id = $1 and (caller_id, key) > ($2::uuid, $3::text) order by caller_id, key limit $4`,
})
// The key stays, so that what was done is not done again: whoever asks is answered with nothing.
const blankAnswers = statement({
  name: 'mentions_blank_answers',
  params: ['tenant_id', 'caller_ids', 'keys'],
  row: {},
  sql: `update idempotency_keys k set answer = null from unnest($2::uuid[], $3::text[]) as g (caller_id, key)
    where k.tenant_id = $1 and k.caller_id = g.caller_id and k.key = g.key`,
})

// Keys of a session are named after whom they are for, and what was sent is kept by what its provider calls it. Those of
// somebody who writes again are agreed upon anew.
const removeSessionKeys = statement({
  name: 'mentions_remove_session_keys',
  params: ['tenant_id', 'names', 'provider_ids'],
  row: {},
  sql: `delete from provider_session_keys
    where tenant_id = $1 and ((type = 'sent' and id = any ($3::text[]))
      or (type not in ('creds', 'sent') and regexp_split_to_array(id, '[^0-9a-zA-Z]+') && $2::text[]))`,
})

type Options = {
  readonly database: Database
  /** What a request with a key was answered. Throws where it was kept under another ENCRYPTION_KEY. */
  readonly openAnswer: (kept: KeptAnswer) => string
  readonly signal?: AbortSignal | undefined
}

/** A kept answer, as it is sealed. */
export type KeptAnswer = {
  readonly tenantId: string
  readonly callerId: string
  readonly key: string
  readonly answer: Uint8Array
}

/** Looks through all that a tenant has for what mentions somebody, and erases it. May be done again, and by several. */
export async function eraseMentions(options: Options, tenantId: string, person: Person): Promise<void> {
  const { customerId, conversationIds, orderIds, mediaIds } = person
  // The lines of an order say what became of it: of whom it was they say no more.
  const inAudit = makeMentions(person, [customerId, ...conversationIds, ...mediaIds])
  const anywhere = makeMentions(person, [customerId, ...conversationIds, ...mediaIds, ...orderIds])
  const walk = <R>(tools: Walk<R>) => walkRows(options, tenantId, tools)
  await walk<RowOf<typeof auditRow>>({
    read: (tx, last) => tx.run(readAudit, { ...of(tenantId), after_id: last?.id ?? firstId }),
    mentions: row => inAudit(row.text),
    erase: (tx, rows) => tx.run(blankAudit, { tenant_id: tenantId, ids: rows.map(row => row.id) }),
  })
  await walk<RowOf<typeof deliveryRow>>({
    read: (tx, last) =>
      tx.run(readDeliveries, {
        ...{ ...of(tenantId), after_webhook_id: last?.webhook_id ?? firstId, after_id: last?.id ?? firstId },
      }),
    mentions: row => anywhere(row.text),
    erase: (tx, rows) => tx.run(removeDeliveries, { tenant_id: tenantId, ids: rows.map(row => row.id) }),
  })
  await walk<RowOf<typeof ignoredRow>>({
    read: (tx, last) =>
      tx.run(readIgnored, {
        ...{ ...of(tenantId), after_bot_id: last?.bot_id ?? firstId, after_id: last?.id ?? firstId },
      }),
    mentions: row => anywhere(row.text),
    erase: (tx, rows) =>
      tx.run(removeIgnored, {
        ...{ tenant_id: tenantId, bot_ids: rows.map(row => row.bot_id), ids: rows.map(row => row.id) },
      }),
  })
  await walk<RowOf<typeof heldRow>>({
    read: (tx, last) =>
      tx.run(readHeld, {
        ...{ ...of(tenantId), after_bot_id: last?.bot_id ?? firstId, after_id: last?.provider_message_id ?? '' },
      }),
    mentions: row => anywhere(row.text),
    erase: (tx, rows) =>
      tx.run(removeHeld, {
        tenant_id: tenantId,
        bot_ids: rows.map(row => row.bot_id),
        provider_message_ids: rows.map(row => row.provider_message_id),
      }),
  })
  await walk<RowOf<typeof answerRow>>({
    read: (tx, last) =>
      tx.run(readAnswers, { ...of(tenantId), after_caller_id: last?.caller_id ?? firstId, after_key: last?.key ?? '' }),
    mentions({ answer, caller_id: callerId, key }) {
      if (answer === null) return false
      const text = opened(options, { tenantId, callerId, key, answer })
      // What cannot be opened may mention anybody.
      return text === null || anywhere(text)
    },
    erase: (tx, rows) =>
      tx.run(blankAnswers, {
        ...{ tenant_id: tenantId, caller_ids: rows.map(row => row.caller_id), keys: rows.map(row => row.key) },
      }),
  })
  await eraseSessionKeys(options, tenantId, person)
}

function of(tenantId: string) {
  return { tenant_id: tenantId, limit: pageRows }
}

type Walk<R> = {
  /** The rows after `last`, in order. */
  readonly read: (tx: Transaction, last: R | undefined) => Promise<readonly R[]>
  readonly mentions: (row: R) => boolean
  readonly erase: (tx: Transaction, rows: readonly R[]) => Promise<unknown>
}

async function walkRows<R>({ database, signal }: Options, tenantId: string, walk: Walk<R>): Promise<void> {
  let last: R | undefined
  for (let isMore = true; isMore; ) {
    signal?.throwIfAborted()
    const startMs = performance.now()
    const rows = await database.transaction({ role: 'privacy', tenantId }, async tx => {
      const page = await walk.read(tx, last)
      const found = page.filter(walk.mentions)
      if (found.length > 0) await walk.erase(tx, found)
      return page
    })
    last = rows.at(-1)
    isMore = rows.length === pageRows
    if (isMore) await Bun.sleep(restMs(performance.now() - startMs))
  }
}

/** Null where it cannot be opened. */
function opened({ openAnswer }: Options, kept: KeptAnswer): string | null {
  try {
    return openAnswer(kept)
  } catch {
    return null
  }
}

async function eraseSessionKeys({ database }: Options, tenantId: string, person: Person): Promise<void> {
  const names = person.identities.map(({ kind, value }) =>
    kind === 'phone' ? value.slice(1) : value.replace(/@.*$/, ''),
  )
  await database.transaction({ role: 'privacy', tenantId }, tx =>
    tx.run(removeSessionKeys, { tenant_id: tenantId, names, provider_ids: person.providerIds }),
  )
}
