// Rebuilds docs/reference from the code. CI runs it and fails on a difference.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSettings, settings } from '../src/config.ts'
import { makeGateway } from '../src/gateway/gateway.ts'
import { systemClock } from '../src/lib/clock.ts'
import { makeSealer } from '../src/lib/crypto.ts'
import { errorCatalogue } from '../src/lib/errors.ts'
import { uuids } from '../src/lib/ids.ts'
import { makeLog } from '../src/lib/log.ts'
import { makeMetrics } from '../src/lib/metrics.ts'
import { makeMediaLinks } from '../src/messaging/media-links.ts'
import { makeFeed } from '../src/stores/feed.ts'
import { makeFiles } from '../src/stores/files.ts'
import { makeMemoryBus } from '../src/stores/memory/bus.ts'
import { makeMemoryMetricsCache } from '../src/stores/memory/metrics-cache.ts'
import { makeMemoryGate } from '../src/stores/memory/request-gate.ts'
import { openDatabase } from '../src/stores/postgres/database.ts'
import { makePostgresLogStore } from '../src/stores/postgres/log-store.ts'
import { actionsPage } from './actions-page.ts'
import { eventsPage } from './events-page.ts'
import { expressionsPage } from './expressions-page.ts'
import { page, table } from './markdown.ts'

const reference = join(import.meta.dirname, '../docs/reference')

mkdirSync(reference, { recursive: true })
write('settings.md', settingsPage())
write('errors.md', errorsPage())
write('metrics.md', await metricsPage())
write('expressions.md', expressionsPage())
write('actions.md', await actionsPage())
write('events.md', eventsPage())
write('openapi.json', await openApi())

function write(name: string, text: string): void {
  writeFileSync(join(reference, name), text)
  console.log(`docs/reference/${name}`)
}

/** As the gateway answers it; none of what it is made of is used for that, and no database is connected to. */
async function openApi(): Promise<string> {
  const metrics = makeMetrics()
  const [bus, gate] = [makeMemoryBus(), makeMemoryGate(systemClock)]
  const log = makeLog({ level: 'error', dir: undefined })
  const database = openDatabase('postgres://nobody@127.0.0.1:1/none', metrics)
  const gateway = makeGateway({
    config: { ...readSettings({}), JWT_SECRET: '' },
    ...{ database, logs: makePostgresLogStore({ database, clock: systemClock, keptDays: 30 }) },
    metricsCache: makeMemoryMetricsCache(systemClock),
    ...{ bus, gate, feed: makeFeed({ bus, gate, log }), log },
    clock: systemClock,
    ids: uuids,
    metrics,
    sealer: makeSealer(''),
    files: makeFiles(''),
    links: makeMediaLinks({ encryptionKey: '', publicUrl: '' }),
    health: () => Promise.reject(new Error('not running')),
  })
  const response = await gateway.fetch(new Request('http://localhost/openapi.json'))
  return `${JSON.stringify(await response.json(), null, 2)}\n`
}

function settingsPage(): string {
  const rows = Object.entries(settings).map(([name, { fallback, meaning, takes }]) => [
    `\`${name}\``,
    fallback === undefined ? 'unset' : `\`${fallback}\``,
    meaning,
    takes,
  ])
  return page(
    'Settings',
    'Read from the environment, or from `.env` in the working directory. A wrong one stops the start with one line that names it.',
    table(['name', 'default', 'meaning', 'takes'], rows),
  )
}

function errorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(([code, { status, kind, title }]) => [
    `\`${code}\``,
    String(status),
    kind,
    title,
  ])
  return page(
    'Errors',
    'Every answer that is no success is a problem document (RFC 9457), `application/problem+json`: `{type, title, status, detail, request_id, errors?}`. `type` is `/problems/` and the code; `errors` names fields, each with its `path` and a `message`. Kind `user`: the request is wrong. `operational`: something is down or busy, try again. `unexpected`: a defect, please report it with its request id.',
    table(['code', 'status', 'kind', 'title'], rows),
  )
}

async function metricsPage(): Promise<string> {
  const metrics = await makeMetrics().registry.getMetricsAsJSON()
  const rows = metrics.map(({ name, type, help }) => [`\`${name}\``, String(type), help])
  return page(
    'Metrics',
    'Every role answers `GET /metrics` on its port, in the format of Prometheus. No label has unbounded values: `endpoint` is the pattern of a route, `query` the name of a statement.',
    table(['name', 'type', 'meaning'], rows),
  )
}
