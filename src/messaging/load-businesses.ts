import { type Business, type Hours, unknownBusiness } from '../flow/business.ts'
import { parseDurationMs } from '../flow/duration.ts'
import { Lru } from '../lib/lru.ts'
import type { Bus } from '../stores/bus.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, statement } from '../stores/postgres/statement.ts'
import { settingsDefault, type TenantSettings } from './tenant-settings.ts'

const businessesMax = 5_000
/** How long a change that nobody was told of may stay unseen. */
const freshMs = 60_000

const selectMany = statement({
  name: 'business_load',
  params: ['ids'],
  row: { id: 'uuid', name: 'text', time_zone: 'text', settings: json<Partial<TenantSettings>>() },
  sql: 'select id, name, time_zone, settings from tenants where id = any ($1::uuid[])',
})

/** What turns know of the businesses they speak for. */
export type BusinessLoader = {
  /** Those of some tenants; one that is gone is a business of which nothing is known. */
  load(tx: Transaction, tenantIds: Iterable<string>): Promise<(tenantId: string) => Business>
  close(): void
}

/** Keeps businesses by their tenant until they are changed. */
export function makeBusinessLoader(bus: Bus): BusinessLoader {
  const kept = new Lru<string, { readonly business: Business; readonly untilMs: number }>(businessesMax)
  const unsubscribe = bus.subscribe('tenant.changed', tenantId => void kept.delete(tenantId))
  return {
    async load(tx, tenantIds) {
      const found = new Map<string, Business>()
      const missing: string[] = []
      for (const id of new Set(tenantIds)) {
        const known = kept.get(id)
        if (known !== undefined && known.untilMs > performance.now()) found.set(id, known.business)
        else missing.push(id)
      }
      if (missing.length > 0)
        for (const row of await tx.run(selectMany, { ids: missing })) {
          const business = businessOf(row)
          found.set(row.id, business)
          kept.set(row.id, { business, untilMs: performance.now() + freshMs })
        }
      return tenantId => found.get(tenantId) ?? unknownBusiness
    },
    close: unsubscribe,
  }
}

/** One tenant's, as it is now. */
export async function findBusiness(tx: Transaction, tenantId: string): Promise<Business> {
  const [row] = await tx.run(selectMany, { ids: [tenantId] })
  return row === undefined ? unknownBusiness : businessOf(row)
}

type Stored = { readonly name: string; readonly time_zone: string; readonly settings: Partial<TenantSettings> }

/** A tenant's settings as its flows see them. */
export function businessOf({ name, time_zone, settings: stored }: Stored): Business {
  const settings = { ...settingsDefault, ...stored }
  const { language, country_code, currency, hours, holidays, words, texts, handoff } = settings
  // JSON has no keys that are undefined.
  return {
    ...{ name, time_zone, language, country_code, currency, holidays, words, texts },
    hours: hours === null ? null : weekOf(hours),
    handoff: {
      waiting_timeout_ms: durationMs(handoff.waiting_timeout),
      agent_timeout_ms: durationMs(handoff.agent_timeout),
    },
  } as Business
}

function weekOf(hours: NonNullable<TenantSettings['hours']>): Hours {
  const { mon = [], tue = [], wed = [], thu = [], fri = [], sat = [], sun = [] } = hours
  return { mon, tue, wed, thu, fri, sat, sun }
}

function durationMs(text: string | null | undefined): number | null {
  return typeof text === 'string' ? parseDurationMs(text) : null
}
