import type { SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { logNames } from '../../src/stores/log-store.ts'

/** A tenant with a row in every table that has any of tenants. `admin` owns the database. */
export async function seedEveryTable(admin: SQL, t: string): Promise<void> {
  const [user, flow, bot, customer, conversation, message, product, order] = Array.from({ length: 8 }, uuids.next)
  await admin`insert into tenants (id, name) values (${t}, 'T')`
  await admin`insert into users (tenant_id, id, name, email, password_hash, role)
    values (${t}, ${user}, 'U', ${`${user}@example.com`}, '', 'owner')`
  await admin`insert into refresh_tokens (tenant_id, id, user_id, family_id, token_hash, expires_at)
    values (${t}, ${uuids.next()}, ${user}, ${uuids.next()}, ${uuids.next()}, now())`
  await admin`insert into user_invites (tenant_id, user_id, token_hash, expires_at)
    values (${t}, ${user}, ${uuids.next()}, now())`
  await admin`insert into api_keys (tenant_id, id, name, prefix, key_hash, scopes)
    values (${t}, ${uuids.next()}, 'K', '', ${uuids.next()}, '[]')`
  await admin`insert into audit_log (tenant_id, id, actor_kind, actor_id, action, resource, request_id)
    values (${t}, ${uuids.next()}, 'user', ${user}, '', '', '')`
  await admin`insert into idempotency_keys (tenant_id, caller_id, key, request_hash) values (${t}, ${user}, 'k', '')`
  await admin`insert into sellers (tenant_id, id, name) values (${t}, ${uuids.next()}, 'S')`
  await admin`insert into flows (tenant_id, id, name, document) values (${t}, ${flow}, 'F', '{}')`
  await admin`insert into flow_versions (tenant_id, flow_id, version, document) values (${t}, ${flow}, 1, '{}')`
  await admin`insert into bots (tenant_id, id, name, provider, config) values (${t}, ${bot}, 'B', 'meta', '{}')`
  await admin`insert into bot_secrets (tenant_id, bot_id, key_id, sealed) values (${t}, ${bot}, '', '')`
  await admin`insert into bot_pairings (tenant_id, bot_id, sealed, expires_at) values (${t}, ${bot}, '', now())`
  await admin`insert into provider_memo (tenant_id, bot_id, key, value) values (${t}, ${bot}, 'k', 'v')`
  await admin`insert into ignored_webhooks (tenant_id, bot_id, id, reason, raw)
    values (${t}, ${bot}, ${uuids.next()}, 'malformed', '{}')`
  await admin`insert into provider_sessions (tenant_id, bot_id) values (${t}, ${bot})`
  await admin`insert into provider_session_keys (tenant_id, bot_id, type, id, sealed) values (${t}, ${bot}, 't', '', '')`
  await admin`insert into provider_session_events (tenant_id, bot_id, kind, id, sealed)
    values (${t}, ${bot}, 'message', 'i', '')`
  await admin`insert into media (tenant_id, id, origin, bot_id, kind, declared_type, mime_type, state)
    values (${t}, ${uuids.next()}, 'inbound', ${bot}, 'image', 'image/png', 'image/png', 'failed')`
  // A trigger writes its tag into customer_tags.
  await admin`insert into customers (tenant_id, id, tags) values (${t}, ${customer}, array['vip'])`
  await admin`insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    values (${t}, ${bot}, 'phone', '+573001234567', ${customer})`
  await admin`insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id)
    values (${t}, ${bot}, 'wamid', ${message})`
  await admin`insert into held_echoes (tenant_id, bot_id, provider_message_id, message, waits_for, waits_in)
    values (${t}, ${bot}, 'wamid', '{}', '{}', '{}')`
  await admin`insert into consents (tenant_id, id, customer_id, kind, source)
    values (${t}, ${uuids.next()}, ${customer}, 'opted_out', 'customer')`
  await admin`insert into conversations (tenant_id, id, bot_id, customer_id)
    values (${t}, ${conversation}, ${bot}, ${customer})`
  await admin`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    values (${t}, ${conversation}, 1, 'closed', '{}', now())`
  await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${t}, ${conversation}, ${message}, ${bot}, 'outbound', '{}', 'queued')`
  await admin`insert into message_statuses (tenant_id, bot_id, provider_message_id, status, provider_at)
    values (${t}, ${bot}, 'wamid', 'sent', now())`
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${t}, ${conversation}, ${message}, 'close', '{}')`
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id)
    values (${t}, ${conversation}, ${message}, ${bot})`
  await admin`insert into timers (tenant_id, conversation_id, kind, token, due_at)
    values (${t}, ${conversation}, 'answer', '', now())`
  await admin`insert into calls (tenant_id, conversation_id, id, call_id, handler, request)
    values (${t}, ${conversation}, ${uuids.next()}, 'a1', 'http.request', '{}')`
  await admin`insert into tenant_secrets (tenant_id, id, name, key_id, sealed) values (${t}, ${uuids.next()}, 'S', '', '')`
  const webhook = uuids.next()
  await admin`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
    values (${t}, ${webhook}, 'https://example.com', '{*}', '', '')`
  await admin`insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload)
    values (${t}, ${webhook}, ${uuids.next()}, ${uuids.next()}, 'e', '{}')`
  await admin`insert into products (tenant_id, id, sku, name, price_minor, currency)
    values (${t}, ${product}, 'S', 'P', 1, 'COP')`
  await admin`insert into orders (tenant_id, id, number, customer_id, total_minor, currency)
    values (${t}, ${order}, 1, ${customer}, 1, 'COP')`
  await admin`insert into order_items (tenant_id, order_id, line, product_id, name, quantity, price_minor)
    values (${t}, ${order}, 1, ${product}, 'P', 1, 1)`
  await admin`insert into carts (tenant_id, bot_id, customer_id, product_id, line, name, quantity)
    values (${t}, ${bot}, ${customer}, ${product}, 1, 'P', 1)`
  await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    values (${t}, now(), ${bot}, 'inbound', '', 1, 0, '{}')`
  await admin`insert into analytics_dirty_hours (hour, tenant_id, mark) values (now(), ${t}, 1)`
  await admin`insert into gone_conversations (tenant_id, id) values (${t}, ${uuids.next()})`
  await admin`insert into erasures (tenant_id, id, customer_id, actor_kind, actor_id, subject)
    values (${t}, ${uuids.next()}, ${uuids.next()}, 'user', ${user}, '')`
  await admin`insert into suppressions (tenant_id, hash, erasure_id, opted_out_at)
    values (${t}, 'h', ${uuids.next()}, now())`
  await admin`insert into suppression_keys (tenant_id, key_id, sealed) values (${t}, '', '')`
  const report = uuids.next()
  await admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    values (${t}, ${report}, 'daily', now(), now(), now(), 'UTC', '{}')`
  await admin`insert into report_mails (tenant_id, report_id, address) values (${t}, ${report}, 'a@example.com')`
  for (const log of logNames) {
    await admin`select make_log_partitions(${log}, array[(now() at time zone 'UTC')::date])`
    await admin.unsafe(`insert into ${log} (id, tenant_id, created_at, log_type, key, data)
      values ('${uuids.next()}', '${t}', now(), 'inbound', '', '{}')`)
  }
}
