import { createRequire } from 'node:module'

// The parts alone: the package's index also loads its push gateway and its cluster support, 9 MB of memory that
// nothing here uses.
const require = createRequire(import.meta.url)
const Counter: typeof import('prom-client').Counter = require('prom-client/lib/counter')
const Gauge: typeof import('prom-client').Gauge = require('prom-client/lib/gauge')
const Histogram: typeof import('prom-client').Histogram = require('prom-client/lib/histogram')
const Registry: typeof import('prom-client').Registry = require('prom-client/lib/registry')

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Every metric of the process, by the names that the operator's dashboards use. One a process, made by `app.ts`. */
export type Metrics = ReturnType<typeof makeMetrics>

export function makeMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram({ name, help, labelNames, buckets: secondsBuckets, registers })
  processFigures(registers)
  return {
    registry,
    httpRequests: counter('http_requests_total', 'HTTP requests answered', ['method', 'status', 'endpoint']),
    httpSeconds: histogram('http_request_duration_seconds', 'Time to answer an HTTP request', ['method', 'endpoint']),
    grpcCalls: counter('grpc_calls_total', 'gRPC calls answered', ['method', 'code']),
    grpcSeconds: histogram('grpc_call_duration_seconds', 'Time to answer a gRPC call', ['method']),
    querySeconds: histogram('db_query_duration_seconds', 'Time from sending a statement to its rows', ['query']),
    poolSize: gauge('db_connection_pool_size', 'Connections that the PostgreSQL pool may hold'),
    messagesSent: counter('whatsapp_messages_sent_total', 'Messages that a provider accepted', ['provider']),
    messagesReceived: counter('whatsapp_messages_received_total', 'Messages received', ['provider']),
    whatsappErrors: counter('whatsapp_errors_total', 'Sends that a provider refused', ['provider', 'code']),
    circuitsOpened: counter(
      'whatsapp_circuits_opened_total',
      "Times that a bot's sends were stopped for a while: its provider did not take them, or did not answer",
      ['provider'],
    ),
    webhooksRefused: counter('whatsapp_webhooks_refused_total', 'Webhooks not taken, by reason', [
      'provider',
      'reason',
    ]),
    mediaFetched: counter('media_fetched_total', "Tries to get a customer's file from its provider", [
      'provider',
      'outcome',
    ]),
    mediaBytes: counter('media_fetched_bytes_total', 'Bytes of the files got from providers', ['provider']),
    sockets: gauge('websocket_connections', 'WebSockets that are open'),
    socketsClosed: counter('websocket_closed_total', 'WebSockets that this side has closed, by reason', ['reason']),
    rateLimited: counter('rate_limited_total', 'Requests refused for their number', ['limit']),
    rateLimitUnavailable: counter(
      'rate_limit_unavailable_total',
      'Requests that could not be counted with the others',
      ['outcome'],
    ),
    cacheHits: counter('cache_hits_total', 'Look-ups that a cache of this process answered'),
    cacheMisses: counter('cache_misses_total', 'Look-ups that went on to the database'),
    stepSeconds: histogram('flow_step_duration_seconds', 'Time of the pure part of a turn'),
    turns: counter('turns_total', 'Turns ended, by outcome', ['outcome']),
    outsideCalls: counter('outside_calls_total', 'Calls of flows to addresses outside, by how a try ended', [
      'outcome',
    ]),
    webhookDeliveries: counter('webhook_deliveries_total', "Deliveries to tenants' webhooks, by how a try ended", [
      'outcome',
    ]),
    rowsCleaned: counter('rows_cleaned_total', 'Rows removed because they were too old', ['table']),
    analyticsLag: gauge(
      'analytics_lag_seconds',
      'How long the oldest thing that happened waits to be told to the logs',
    ),
    analyticsEntries: counter('analytics_entries_total', 'New entries of the logs', ['log']),
    analyticsEntriesOutside: counter(
      'analytics_entries_outside_total',
      'Entries that a log did not take: too old, or of more than a day ahead',
      ['log'],
    ),
    analyticsPassSeconds: histogram('analytics_pass_duration_seconds', 'Time of a pass of the analytics engine', [
      'pass',
    ]),
    inboxLag: gauge('inbox_lag_seconds', 'Age of the oldest message that waits for its turn'),
    systemLogLines: counter(
      'system_log_lines_total',
      'Lines of the log that were to be kept in system_logs, by outcome',
      ['outcome'],
    ),
    outboxLag: gauge('outbox_lag_seconds', 'Age of the oldest message that is due to be sent'),
  }
}

function processFigures(registers: import('prom-client').Registry[]): void {
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of this process, user and system',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of this process',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
}
