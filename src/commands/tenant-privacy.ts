import { createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Config } from '../config.ts'
import { findTenant, type Tenant } from '../identity/tenants.ts'
import { systemClock } from '../lib/clock.ts'
import { UsageError } from '../lib/errors.ts'
import { isUuid } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { disconnectBot } from '../messaging/bot-status.ts'
import { type Bot, listBots } from '../messaging/bots.ts'
import { isPairedByPhone } from '../messaging/pairing-of-bot.ts'
import { countLeavingBots, eraseTenant } from '../messaging/privacy/erase-tenant.ts'
import { exportTenant } from '../messaging/privacy/export-tenant.ts'
import type { Bus } from '../stores/bus.ts'
import { makeFiles } from '../stores/files.ts'
import { type KeyEraser, nothingShared } from '../stores/key-eraser.ts'
import { openLogStore } from '../stores/open-log-store.ts'
import type { Database } from '../stores/postgres/database.ts'
import { onDatabase } from './open-database.ts'

type Print = (line: string) => void

const progressMs = 2_000
/** For the sessions with phones to end, where the adapter runs. */
const leaveMs = 15_000
const leavePollMs = 250
const botsPage = 100
/** See src/whatsapp/bot-cache.ts. */
const forgottenMs = 31_000
const fileMode = 0o600

/** Writes all that there is of a tenant into a file of JSON lines, which is there whole or not at all. */
export async function exportTenantTo(
  config: Config,
  log: Log,
  given: { readonly tenantId: string; readonly file: string },
  print: Print,
): Promise<void> {
  await onDatabase(config, log, async database => {
    const tenant = await tenantOf(database, given.tenantId)
    await refuseExisting(given.file)
    const logs = await openLogStore(config, { database, log, clock: systemClock })
    const options = { database, logs, files: filesOf(config) }
    const partial = `${given.file}.partial`
    try {
      const lines = await write(partial, exportTenant(options, tenant.id, new Date()), print)
      await rename(partial, given.file)
      print(`${given.file} has ${lines} lines: all that there is of ${oneLine(tenant.name)}`)
    } finally {
      await rm(partial, { force: true })
      await logs.close()
    }
  })
}

async function write(
  path: string,
  lines: AsyncGenerator<{ readonly part: string; readonly line: string }>,
  print: Print,
): Promise<number> {
  await rm(path, { force: true })
  const stream = createWriteStream(path, { flags: 'wx', mode: fileMode })
  const tell = makeTell(print)
  let count = 0
  try {
    for await (const { part, line } of lines) {
      count += 1
      tell(part)
      if (!stream.write(`${line}\n`)) await new Promise(resolve => stream.once('drain', resolve))
    }
    tell(null)
  } finally {
    stream.end()
    await finished(stream)
  }
  await sync(path)
  return count
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Says how many lines each part has, once it is over, and every two seconds while it lasts. */
function makeTell(print: Print): (part: string | null) => void {
  let [current, count, nextMs] = ['', 0, performance.now() + progressMs]
  return part => {
    if (part !== current) {
      if (count > 0) print(`${current}: ${count}`)
      ;[current, count] = [part ?? '', 0]
    }
    count += 1
    if (performance.now() < nextMs || part === null) return
    nextMs = performance.now() + progressMs
    print(`${current}: ${count} so far`)
  }
}

async function refuseExisting(file: string): Promise<void> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  )
  if (isThere) throw new UsageError(`${file} is there already: name another file, or remove it`)
}

/** Erases everything of a tenant, everywhere. `name`: the tenant's, so that no other one is meant. */
export async function eraseTenantFor(
  config: Config,
  log: Log,
  given: { readonly tenantId: string; readonly name: string },
  print: Print,
): Promise<void> {
  await onDatabase(config, log, async database => {
    const tenant = await tenantOf(database, given.tenantId)
    if (given.name !== tenant.name)
      throw new UsageError(
        `The tenant is called ${JSON.stringify(tenant.name)}: --yes-really takes its name, as it is`,
        2,
      )
    const logs = await openLogStore(config, { database, log, clock: systemClock })
    const { keys, bus } = await openShared(config, log)
    try {
      const botIds = await disconnectAll(database, bus, tenant.id, print)
      const gone = await eraseTenant(
        {
          ...{ database, files: filesOf(config), logs, keys },
          tellOthers: () => tellOthers(bus, tenant.id, botIds, print),
          onProgress: makeProgress(print),
        },
        tenant.id,
      )
      for (const [part, count] of gone) print(`${part}: ${count}`)
      print(`Nothing is left of ${oneLine(tenant.name)}, but in backups`)
    } finally {
      await keys.close()
      await bus?.close()
      await logs.close()
    }
  })
}

/** Without Redis nobody is told: whoever runs knows a bot for half a minute after it is gone. */
async function tellOthers(
  bus: (Bus & { isReachable(): Promise<boolean> }) | undefined,
  tenantId: string,
  botIds: readonly string[],
  print: Print,
): Promise<void> {
  bus?.publish('caller.changed', tenantId)
  for (const id of botIds) bus?.publish('bot.changed', id)
  // Answered on the same connection, after what was published on it.
  if (botIds.length === 0 || (await bus?.isReachable())) return
  print('Waiting half a minute, until the program has forgotten the bots')
  await Bun.sleep(forgottenMs)
}

function makeProgress(print: Print): (part: string, removed: number) => void {
  let nextMs = performance.now() + progressMs
  return (part, removed) => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + progressMs
    print(`${part}: ${removed} so far`)
  }
}

/** Nothing is sent any more, and phones forget the sessions that they were linked with. Returns the bots' ids. */
async function disconnectAll(
  database: Database,
  bus: Bus | undefined,
  tenantId: string,
  print: Print,
): Promise<readonly string[]> {
  const bots = await botsOf(database, tenantId)
  for (const bot of bots) {
    const leaving = isPairedByPhone(bot) ? 'logout' : null
    await database.transaction({ role: 'app', tenantId }, tx => disconnectBot(tx, tenantId, bot.id, leaving))
    bus?.publish('bot.changed', bot.id)
  }
  const paired = bots.filter(isPairedByPhone)
  if (paired.length > 0) await waitForPhones(database, tenantId, paired, print)
  return bots.map(bot => bot.id)
}

async function waitForPhones(
  database: Database,
  tenantId: string,
  paired: readonly Bot[],
  print: Print,
): Promise<void> {
  print(`Ending the sessions of ${paired.length} bots with their phones`)
  const isLeaving = async () =>
    (await database.read({ role: 'privacy', tenantId }, tx => countLeavingBots(tx, tenantId))) > 0
  for (const end = performance.now() + leaveMs; await isLeaving(); await Bun.sleep(leavePollMs)) {
    if (performance.now() < end) continue
    print('Some sessions did not end, since no adapter runs or the phone is off: unlink the device there')
    return
  }
}

async function botsOf(database: Database, tenantId: string): Promise<Bot[]> {
  const all: Bot[] = []
  for (let isMore = true; isMore; ) {
    const page = {
      tenantId,
      beforeId: all.at(-1)?.id ?? null,
      provider: null,
      status: null,
      search: null,
      limit: botsPage,
    }
    const bots = await database.read({ role: 'app', tenantId }, tx => listBots(tx, page))
    all.push(...bots)
    isMore = bots.length === botsPage
  }
  return all
}

async function tenantOf(database: Database, id: string): Promise<Tenant> {
  if (!isUuid(id)) throw new UsageError('TENANT_ID takes a UUID: dashoffice tenant list tells them', 2)
  const tenant = await database.read({ role: 'privacy', tenantId: id }, tx => findTenant(tx, id))
  if (tenant === undefined)
    throw new UsageError(`There is no tenant ${id}: dashoffice tenant list tells which there are`)
  return tenant
}

function filesOf({ DASHOFFICE_DATA_DIR }: Config) {
  return makeFiles(join(DASHOFFICE_DATA_DIR, 'media'))
}

async function openShared(
  { REDIS_URL }: Config,
  log: Log,
): Promise<{ readonly keys: KeyEraser; readonly bus: (Bus & { isReachable(): Promise<boolean> }) | undefined }> {
  if (REDIS_URL === undefined) return { keys: nothingShared, bus: undefined }
  const { makeRedisBus } = await import('../stores/redis/bus.ts')
  const { makeRedisKeyEraser } = await import('../stores/redis/key-eraser.ts')
  return { keys: makeRedisKeyEraser(REDIS_URL, log), bus: makeRedisBus(REDIS_URL, log) }
}

/** A name may hold anything; a terminal is shown text only. */
function oneLine(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}]/gu, ' ')
}
