import { bulkMax, type LogName } from '../log-store.ts'
import { json, nullable, statement } from './statement.ts'

const entry = {
  id: 'text',
  tenant_id: nullable('uuid'),
  created_at: 'timestamptz',
  log_type: 'text',
  bot_id: nullable('uuid'),
  conversation_id: nullable('uuid'),
  key: 'text',
  value: nullable('float8'),
  bucket: nullable('int4'),
  data: json<Readonly<Record<string, unknown>>>(),
} as const
const columns = Object.keys(entry).join(', ')

const figures = {
  tenant_id: nullable('uuid'),
  bot_id: nullable('uuid'),
  log_type: 'text',
  key: 'text',
  bucket: nullable('int4'),
  count: 'int8',
  sum: 'float8',
} as const

/** Every statement on one of the logs. */
export const logStatements = {
  message_logs: statementsOn('message_logs'),
  analytics_events: statementsOn('analytics_events'),
  system_logs: statementsOn('system_logs'),
} as const satisfies Record<LogName, unknown>

export const makePartitions = statement({
  name: 'make_log_partitions',
  params: ['log', 'days'],
  row: { made: 'int4' },
  sql: 'select make_log_partitions($1, $2::date[]) as made',
})

export const findOldPartition = statement({
  name: 'find_old_log_partition',
  params: ['log', 'before'],
  row: { name: 'text' },
  sql: `select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('public.' || $1) and c.relname ~ '_\\d{8}$'
      and (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC' <= $2
    limit 1`,
})

export const dropPartitions = statement({
  name: 'drop_log_partitions',
  params: ['log', 'before'],
  row: { dropped: 'int4' },
  sql: 'select drop_log_partitions($1, $2) as dropped',
})

/**
 * For the rest of the transaction: rows are looked up one by one. Of a bite PostgreSQL would think that looking a thousand
 * rows up in all partitions takes longer than reading all of these; it cannot know that each row is looked up in one.
 */
export const preferLookUps = statement({
  name: 'prefer_look_ups',
  params: [],
  row: { hash: 'text', merge: 'text', whole: 'text' },
  sql: `select set_config('enable_hashjoin', 'off', true) as hash, set_config('enable_mergejoin', 'off', true) as merge,
    set_config('enable_seqscan', 'off', true) as whole`,
})

function statementsOn(log: LogName) {
  return {
    append: appendTo(log),
    readOfTenant: readFrom(log, 'tenant', ['tenantId'], 'tenant_id = $6'),
    readOfTenantAndType: readFrom(log, 'tenant_and_type', ['tenantId', 'logType'], 'tenant_id = $6 and log_type = $7'),
    readOfNobody: readFrom(log, 'nobody', [], 'tenant_id is null'),
    readOfNobodyAndType: readFrom(log, 'nobody_and_type', ['logType'], 'tenant_id is null and log_type = $6'),
    aggregate: aggregateFrom(log, 'tenants', ['tenantIds'], 'tenant_id = any($3::uuid[])'),
    aggregateAll: aggregateFrom(log, 'all', [], 'true'),
    countBefore: countBefore(log),
    removeBefore: removeFrom(log, 'old', ['before'], 'created_at < $2'),
    removeOfTenantBefore: removeFrom(
      log,
      'old_of_tenant',
      ['before', 'tenantId'],
      'created_at < $2 and tenant_id = $3',
    ),
    removeOfTenant: removeFrom(log, 'of_tenant', ['tenantId'], 'tenant_id = $2'),
    removeOfConversations: removeFrom(
      log,
      'of_conversations',
      ['tenantId', 'conversationIds'],
      'tenant_id = $2 and conversation_id = any($3::uuid[])',
    ),
    exportOfTenant: exportFrom(log, 'tenant', [], 'true'),
    exportOfConversations: exportFrom(log, 'conversations', ['conversationIds'], 'conversation_id = any($4::uuid[])'),
  }
}

function appendTo(log: LogName) {
  return statement({
    name: `append_${log}`,
    params: ['ids', 'tenantIds', 'times', 'types', 'botIds', 'conversationIds', 'keys', 'values', 'buckets', 'data'],
    row: { added: 'int8' },
    sql: `with added as (
        insert into ${log} (${columns})
        select * from unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::text[],
          $8::double precision[], $9::int[], $10::jsonb[])
        on conflict (created_at, id) do nothing returning 1)
      select count(*) as added from added`,
  })
}

// What a constant limits PostgreSQL knows to be few, whatever the parameters are: see list-sql.ts.

function readFrom<const P extends readonly string[]>(log: LogName, whose: string, params: P, condition: string) {
  return statement({
    name: `read_${log}_of_${whose}`,
    params: ['from', 'to', 'beforeAt', 'beforeId', 'limit', ...params],
    row: entry,
    sql: `select * from (
        select ${columns} from ${log}
        where ${condition} and created_at >= $1 and created_at < $2 and (created_at, id) < ($3, $4)
        order by created_at desc, id desc limit ${bulkMax}) first_rows
      limit $5`,
  })
}

function aggregateFrom<const P extends readonly string[]>(log: LogName, whose: string, params: P, condition: string) {
  return statement({
    name: `aggregate_${log}_of_${whose}`,
    params: ['from', 'to', ...params],
    row: figures,
    sql: `select tenant_id, bot_id, log_type, key, bucket, count(*) as count, coalesce(sum(value), 0) as sum
      from ${log} where created_at >= $1 and created_at < $2 and ${condition}
      group by tenant_id, bot_id, log_type, key, bucket`,
  })
}

function countBefore(log: LogName) {
  return statement({
    name: `count_old_${log}`,
    params: ['before'],
    row: { count: 'int8' },
    sql: `select count(*) as count from ${log} where created_at < $1`,
  })
}

function removeFrom<const P extends readonly string[]>(log: LogName, whose: string, params: P, condition: string) {
  return statement({
    name: `remove_${log}_${whose}`,
    params: ['limit', ...params],
    row: { removed: 'int8' },
    sql: `with chosen as materialized (
        select * from (
          select created_at, id from ${log} where ${condition} order by created_at, id limit ${bulkMax}) first_rows
        limit $1),
      removed as (
        delete from ${log} l using chosen c where l.created_at = c.created_at and l.id = c.id returning 1)
      select count(*) as removed from removed`,
  })
}

function exportFrom<const P extends readonly string[]>(log: LogName, whose: string, params: P, condition: string) {
  return statement({
    name: `export_${log}_of_${whose}`,
    params: ['tenantId', 'afterAt', 'afterId', ...params],
    row: entry,
    sql: `select ${columns} from ${log}
      where tenant_id = $1 and created_at >= $2 and (created_at, id) > ($2, $3) and ${condition}
      order by created_at, id limit ${bulkMax}`,
  })
}
