import { firstId } from '../../lib/ids.ts'
import type { Files } from '../../stores/files.ts'
import { type LogStore, logNames } from '../../stores/log-store.ts'
import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { nullable, statement } from '../../stores/postgres/statement.ts'
import { readRows, readTenantTables, type TenantTable } from './tenant-tables.ts'

// All that there is of a tenant, as lines of JSON: what it is, its rows by table, its files in parts, entries of its logs,
// and a last line, without which it was not made to the end. Passwords, tokens and whatever is sealed are left out.

const pageRows = 500
/** Of a file, in one line. */
const partBytes = 384 * 1_024
const formatVersion = 1

/** Ways in, and what only this installation can use: nothing of it is of use elsewhere, or for anybody to see. */
const leftOut: ReadonlySet<string> = new Set([
  ...['refresh_tokens', 'user_invites', 'idempotency_keys', 'bot_secrets', 'bot_pairings', 'tenant_secrets'],
  ...['provider_sessions', 'provider_session_keys', 'provider_session_events', 'suppressions', 'suppression_keys'],
  ...['gone_conversations', 'analytics_dirty_hours'],
  // Out of whichever store keeps them.
  ...logNames,
])

const setUtc = statement({
  name: 'tenant_export_utc',
  params: [],
  row: { zone: 'text' },
  sql: `select set_config('timezone', 'UTC', true) as zone`,
})

const findTenant = statement({
  name: 'tenant_export_find',
  params: ['id'],
  row: { text: 'text' },
  sql: 'select to_jsonb(t)::text as text from tenants t where id = $1',
})

const readFiles = statement({
  name: 'tenant_export_files',
  params: ['tenant_id', 'after_id', 'limit'],
  row: { id: 'uuid', mime_type: 'text', filename: nullable('text') },
  sql: `select id, mime_type, filename from media where tenant_id = $1 and state = 'stored' and id > $2::uuid
    order by id limit $3`,
})

type Options = { readonly database: Database; readonly files: Files; readonly logs: LogStore }

/** The lines, each with the table, the files or the log that it is of. Throws where there is no such tenant. */
export async function* exportTenant(
  options: Options,
  tenantId: string,
  at: Date,
): AsyncGenerator<{ readonly part: string; readonly line: string }> {
  let lines = 0
  const line = (part: string, text: string) => {
    lines += 1
    return { part, line: text }
  }
  const tenant = await inUtc(options, tenantId, async tx => (await tx.run(findTenant, { id: tenantId }))[0])
  if (tenant === undefined) throw new Error(`There is no tenant ${tenantId}`)
  const head = { export: { format: formatVersion, tenant_id: tenantId, at } }
  yield line('tenants', JSON.stringify(head))
  yield line('tenants', `{"table":"tenants","row":${tenant.text}}`)
  // What others refer to comes before them.
  for (const table of (await readTenantTables(options.database, tenantId)).toReversed()) {
    if (leftOut.has(table.name)) continue
    for await (const text of rowsOf(options, tenantId, table))
      yield line(table.name, `{"table":"${table.name}","row":${text}}`)
  }
  for await (const part of partsOfFiles(options, tenantId)) yield line('files', JSON.stringify({ file: part }))
  for (const log of logNames)
    for await (const bulk of options.logs.exportOf(log, { tenantId }))
      for (const entry of bulk) yield line(log, JSON.stringify({ log, entry }))
  yield line('tenants', JSON.stringify({ end: { lines: lines + 1 } }))
}

async function* rowsOf(options: Options, tenantId: string, table: TenantTable): AsyncGenerator<string> {
  const omitted = table.columns.filter(({ name, type }) => type === 'bytea' || name.endsWith('_hash'))
  const names = omitted.map(column => column.name)
  let after: readonly (string | null)[] | null = null
  for (let isMore = true; isMore; ) {
    const asked = { tenantId, omitted: names, after, limit: pageRows }
    const rows: Awaited<ReturnType<typeof readRows>> = await inUtc(options, tenantId, tx => readRows(tx, table, asked))
    for (const row of rows) yield row.text
    after = rows.at(-1)?.key ?? null
    isMore = rows.length === pageRows
  }
}

/** Times are written in UTC, whatever the server's own zone is. */
async function inUtc<T>({ database }: Options, tenantId: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return await database.transaction({ role: 'privacy', tenantId }, async tx => {
    await tx.run(setUtc, {})
    return await work(tx)
  })
}

async function* partsOfFiles({ database, files }: Options, tenantId: string) {
  let afterId = firstId
  for (let isMore = true; isMore; ) {
    const given = { tenant_id: tenantId, after_id: afterId, limit: pageRows }
    const rows = await database.transaction({ role: 'privacy', tenantId }, tx => tx.run(readFiles, given))
    for (const row of rows) yield* partsOf(files, tenantId, row)
    afterId = rows.at(-1)?.id ?? afterId
    isMore = rows.length === pageRows
  }
}

/** One whose bytes are gone has none. */
async function* partsOf(
  files: Files,
  tenantId: string,
  { id, mime_type, filename }: { readonly id: string; readonly mime_type: string; readonly filename: string | null },
) {
  const blob = await files.find({ tenantId, id }, mime_type)
  const parts = Math.ceil((blob?.size ?? 0) / partBytes)
  for (let part = 1; part <= parts; part++) {
    const bytes = await blob?.slice((part - 1) * partBytes, part * partBytes).arrayBuffer()
    yield { id, mime_type, filename, part, parts, base64: Buffer.from(bytes ?? new ArrayBuffer(0)).toString('base64') }
  }
}
