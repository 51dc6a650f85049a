import type { Config } from '../config.ts'
import { limitTenant, listTenants, requestsPerMinuteMax, type Tenant } from '../identity/tenants.ts'
import { UsageError } from '../lib/errors.ts'
import { isUuid, lastId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { onDatabase } from './open-database.ts'

type Print = (line: string) => void

const pageRows = 500

/** Prints a line for each tenant, newest first: id, what it may ask a minute, since when there is it, name. */
export async function printTenants(config: Config, log: Log, print: Print): Promise<void> {
  await onDatabase(config, log, async database => {
    let tenants: Tenant[]
    let beforeId = lastId
    do {
      const page = { beforeId, limit: pageRows }
      tenants = await database.read({ role: 'worker' }, tx => listTenants(tx, page))
      for (const { id, name, requests_per_minute: limit, created_at } of tenants)
        print(`${id}  ${limitText(limit)}  ${created_at.toISOString()}  ${oneLine(name)}`)
      beforeId = tenants.at(-1)?.id ?? beforeId
    } while (tenants.length === pageRows)
  })
}

/** Sets what a tenant may ask a minute, and tells the processes that run. `limit`: a whole number, or `default`. */
export async function setTenantLimit(
  config: Config,
  log: Log,
  given: { readonly tenantId: string; readonly limit: string },
  print: Print,
): Promise<void> {
  const [id, limit] = [given.tenantId, readLimit(given.limit)]
  if (!isUuid(id)) throw new UsageError('TENANT_ID takes a UUID: dashoffice tenant list tells them', 2)
  await onDatabase(config, log, async database => {
    const name = await database.transaction({ role: 'worker' }, tx => limitTenant(tx, id, limit))
    if (name === undefined)
      throw new UsageError(`There is no tenant ${id}: dashoffice tenant list tells which there are`)
    const counts = (await tellOthers(config, log, id)) ? 'at once' : 'within 30 seconds'
    print(`${id}  ${limitText(limit)}  ${oneLine(name)}  (counts ${counts})`)
  })
}

function readLimit(text: string): number | null {
  if (text === 'default') return null
  const limit = Number(text)
  if (/^\d{1,8}$/.test(text) && limit >= 1 && limit <= requestsPerMinuteMax) return limit
  throw new UsageError(
    `LIMIT is ${JSON.stringify(text)}, but takes a whole number from 1 to ${requestsPerMinuteMax}, or default`,
    2,
  )
}

/** As wide as the widest, so that lines stand below each other. */
function limitText(limit: number | null): string {
  return (limit === null ? 'default' : String(limit)).padStart(String(requestsPerMinuteMax).length)
}

/** A name may hold anything; a terminal is shown text only. */
function oneLine(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}]/gu, ' ')
}

/** Whether the processes that run were told. Those that were not find out by themselves. */
async function tellOthers({ REDIS_URL }: Config, log: Log, tenantId: string): Promise<boolean> {
  if (REDIS_URL === undefined) return false
  const { makeRedisBus } = await import('../stores/redis/bus.ts')
  const bus = makeRedisBus(REDIS_URL, log)
  try {
    bus.publish('caller.changed', tenantId)
    // Answered on the same connection, after what was published on it.
    return await bus.isReachable()
  } finally {
    await bus.close()
  }
}
