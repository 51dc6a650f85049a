// Speed and memory, measured: `npm run bench` prints a table and writes docs/reference/bench.json; `npm run bench -- PART...`
// prints some parts, and writes nothing. CPU time per unit is what to compare; the rates depend on the machine, on which
// load, provider and database run too.
import { benchAnalytics } from './analytics.ts'
import { benchChecker } from './checker.ts'
import { benchCleaning } from './cleaning.ts'
import { startBenchPostgres } from './embedded.ts'
import { allHold, record, writeReport } from './figures.ts'
import { turnFloor } from './floors.ts'
import { benchGateway, type RequestFigures } from './gateway.ts'
import { benchMetricsRead } from './metrics-read.ts'
import { benchPureStep } from './pure-step.ts'
import { benchRouting } from './routing.ts'
import { benchBareServer, benchServer } from './server.ts'
import { benchSockets } from './sockets.ts'
import { benchTurns, echo, inFlight, order, seedConversations } from './turns.ts'
import { benchXState } from './xstate-step.ts'

const redis = Bun.which('redis-server')

const parts: Readonly<Record<string, () => Promise<void>>> = {
  flow: recordFlow,
  server: benchServer,
  bare: benchBareServer,
  turns: recordTurns,
  routing: recordRouting,
  api: () => withRedis('the API', recordApi),
  cleaning: recordCleaning,
  analytics: () => withRedis('the analytics role', recordAnalytics),
}

const asked = process.argv.slice(2)
const unknown = asked.filter(name => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}. There are: ${Object.keys(parts).join(', ')}`)
  process.exit(2)
}
for (const [name, part] of Object.entries(parts)) if (asked.length === 0 || asked.includes(name)) await part()
if (asked.length === 0) writeReport()
process.exit(allHold() ? 0 : 1)

/** The engine alone. */
async function recordFlow(): Promise<void> {
  for (const { name, microseconds } of benchPureStep().slice(0, 1))
    record({ name: `${name}, CPU a call`, value: microseconds, unit: 'µs', must: '< 50', aim: '<= 8' })
  const { keptMicros, storedMicros } = benchXState()
  record({ name: "beside it: XState's transition, state kept in memory", value: keptMicros, unit: 'µs' })
  record({ name: "beside it: XState's transition, state written and read", value: storedMicros, unit: 'µs' })
  record({ name: 'checking a flow of 200 steps, CPU', value: benchChecker().cpuMs, unit: 'ms', must: '< 5' })
}

async function recordTurns(): Promise<void> {
  const postgres = await startBenchPostgres()
  try {
    for (const [script, of] of Object.entries({ echo, order })) {
      const database = await postgres.open(`turns_${script}`)
      await seedConversations(database, of)
      await benchTurns(postgres, database, of, inFlight[200], 1)
      for (const [count, at] of Object.entries(inFlight)) {
        const figures = await benchTurns(postgres, database, of, at, count === '1' || of === order ? 1 : 4)
        const name = `turns, ${script}, ${count} in flight`
        const aim = script === 'echo' && count === '200' ? { aim: '>= 10000' } : {}
        record({ name, value: figures.perSecond, unit: '/s', ...aim })
        record({ name: `${name}, CPU a turn, ours`, value: figures.oursMicros, unit: 'µs' })
        record({ name: `${name}, CPU a turn, PostgreSQL's`, value: figures.postgresMicros, unit: 'µs' })
      }
    }
    const floor = await turnFloor(postgres.connection, postgres.postmaster)
    record({ name: 'floor: the rows of a turn without our code', value: floor.perSecond, unit: '/s' })
    record({ name: 'floor: the rows of a turn without our code, client', value: floor.clientMicros, unit: 'µs' })
    record({
      name: "floor: the rows of a turn without our code, PostgreSQL's",
      value: floor.databaseMicros,
      unit: 'µs',
    })
  } finally {
    await postgres.stop()
  }
}

async function recordRouting(): Promise<void> {
  const few = { bots: 10, conversations: 2_000 }
  const many = { bots: 10_000, conversations: 1_000_000 }
  const { fewMicros, manyMicros, findBotP95Ms } = await benchRouting(few, many)
  record({ name: 'CPU a message stored and played, 10 bots', value: fewMicros, unit: 'µs' })
  record({ name: 'CPU a message stored and played, 10,000 bots, 1 M conversations', value: manyMicros, unit: 'µs' })
  record({ name: 'the same, as a multiple', value: manyMicros / fewMicros, unit: '', aim: '<= 1.3' })
  record({ name: 'a bot found among 10,000, p95', value: findBotP95Ms, unit: 'ms', must: '< 5' })
}

/** What removing what is too old does to others. */
async function recordCleaning(): Promise<void> {
  const { quiet, cleaning, removedPerSecond } = await benchCleaning()
  record({ name: 'API, a page of messages, p95', value: quiet.p95Ms, unit: 'ms' })
  record({ name: 'API, a page of messages, p95, while the cleaner removes', value: cleaning.p95Ms, unit: 'ms' })
  record({ name: 'rows that the cleaner removes meanwhile', value: removedPerSecond, unit: '/s' })
}

async function withRedis(what: string, part: (redis: string) => Promise<void>): Promise<void> {
  if (redis === null) console.log(`redis-server is not installed: no figures of ${what}`)
  else await part(redis)
}

/** The API on the real Redis. */
async function recordApi(): Promise<void> {
  const figures = await benchGateway()
  const { cachedRead, bareServer, hitRate, memoryMb } = figures
  recordRequests('cached read', cachedRead, { perSecond: '>= 10000', p95: '< 10', micros: '<= 30' })
  recordRequests('uncached list of 20 among 1 M', figures.uncachedList)
  recordRequests('the same over 16 connections', figures.uncachedListOf16, { p95: '< 10' })
  recordRequests('order', figures.orderCreation)
  recordRequests('login', figures.login)
  const { idleMb, p50Ms, p95Ms } = await benchSockets()
  record({ name: 'memory of 1,000 sockets that hear nothing', value: idleMb, unit: 'MB', must: '< 20' })
  record({ name: 'from a change asked for to a socket told, p50', value: p50Ms, unit: 'ms' })
  record({ name: 'from a change asked for to a socket told, p95', value: p95Ms, unit: 'ms', must: '< 100' })
  record({ name: 'floor: the same bytes from the bare runtime, CPU', value: bareServer.cpuMicros, unit: 'µs' })
  record({ name: 'floor: the same bytes from the bare runtime', value: bareServer.perSecond, unit: '/s' })
  record({ name: 'API, answers from the cache, a write in 200 requests', value: hitRate, unit: '%', must: '>= 90' })
  record({ name: 'memory after 200,000 reads, all roles', value: memoryMb, unit: 'MB', must: '< 100' })
  const { kept, missedP95Ms, refreshMs } = await benchMetricsRead()
  record({ name: "API, a tenant's metrics", value: kept.perSecond, unit: '/s' })
  record({ name: "API, a tenant's metrics, p95", value: kept.p95Ms, unit: 'ms', must: '< 10' })
  record({ name: "API, a tenant's metrics, CPU, ours", value: kept.cpuMicros, unit: 'µs' })
  record({ name: 'the same of 30 days, out of the rollups, p95', value: missedP95Ms, unit: 'ms' })
  record({ name: 'working out all three windows of a tenant', value: refreshMs, unit: 'ms' })
}

function recordRequests(
  kind: string,
  figures: RequestFigures,
  bounds: { readonly perSecond?: string; readonly p95?: string; readonly micros?: string } = {},
): void {
  const { perSecond, p95, micros } = bounds
  record({ name: `API, ${kind}`, value: figures.perSecond, unit: '/s', ...(perSecond && { must: perSecond }) })
  record({ name: `API, ${kind}, p50`, value: figures.p50Ms, unit: 'ms' })
  record({ name: `API, ${kind}, p95`, value: figures.p95Ms, unit: 'ms', ...(p95 && { must: p95 }) })
  record({ name: `API, ${kind}, p99`, value: figures.p99Ms, unit: 'ms' })
  record({ name: `API, ${kind}, CPU, ours`, value: figures.cpuMicros, unit: 'µs', ...(micros && { aim: micros }) })
}

/** The analytics role alone, beside ten million entries. */
async function recordAnalytics(redis: string): Promise<void> {
  const figures = await benchAnalytics(redis)
  record({ name: 'analytics, entries of the logs', value: figures.stored, unit: '', must: '>= 10000000' })
  record({ name: 'analytics, a pass', value: figures.passMs, unit: 'ms', must: '< 1000', aim: '< 100' })
  record({ name: 'analytics, a pass, p95', value: figures.passP95Ms, unit: 'ms', must: '< 1000' })
  record({ name: 'analytics, memory of the role at most', value: figures.residentMb, unit: 'MB', must: '< 60' })
  record({ name: 'analytics, CPU of a message and its answer, ours', value: figures.cpuMicros, unit: 'µs' })
  record({
    name: "analytics, CPU of a message and its answer, PostgreSQL's",
    value: figures.databaseMicros,
    unit: 'µs',
  })
  record({ name: 'analytics, all figures made anew from the entries', value: figures.rebuildSeconds, unit: 's' })
}
