import { planBlows } from './blows.ts'
import { Reach } from './database/reach-database.ts'
import type { WorldDatabase } from './database/world-database.ts'
import type { Defect } from './defects.ts'
import { findWrongs } from './invariants/find-wrongs.ts'
import type { Told } from './outside/accounts.ts'
import { Network } from './outside/network.ts'
import { Service } from './outside/service.ts'
import { Webhooks } from './outside/webhooks.ts'
import { WhatsApp } from './outside/whatsapp.ts'
import { type Plan, planFor, type Written } from './plan.ts'
import { Installation } from './program/installation.ts'
import { openShops, type Shop } from './shop.ts'
import { Faults } from './world/faults.ts'
import { takeOverGlobals } from './world/globals.ts'
import { play } from './world/play.ts'
import { randomFrom } from './world/random.ts'
import { ms, World } from './world/world.ts'

/** How a seed's world went. */
export type SeedResult = {
  readonly seed: number
  /** What tells two runs apart: the same seed has the same. */
  readonly digest: string
  /** What was not as it must be. */
  readonly wrongs: readonly string[]
  readonly happened: number
  readonly trace: readonly string[] | null
}

let active: { readonly world: World; readonly network: Network } | undefined

/** Puts the world's time, chance and network in place of the machine's. Once, before the first seed. */
export function takeOver(): void {
  takeOverGlobals(
    () => active?.world,
    (input, init = {}) => {
      if (active === undefined) throw new Error('There is no world')
      return active.network.send(input instanceof Request ? input.url : String(input), init)
    },
  )
}

/** Plays the world of a seed to its end. */
export async function runSeed(
  database: WorldDatabase,
  seed: number,
  options: { readonly defect?: Defect | undefined; readonly keepsTrace?: boolean } = {},
): Promise<SeedResult> {
  const plan = planFor(seed)
  // The plan's own numbers come from the seed too, and must not be these.
  const world = new World(randomFrom(seed + 2 ** 32), options.keepsTrace ?? false)
  const faults = new Faults(world, plan)
  const reach = new Reach(world, database, faults, options.defect ?? null)
  await database.empty()
  const shops = await openShops(database.admin, world.random, plan, reach.nowText())
  const isStored = (shop: Shop, told: Told) => findStored(database, shop, told)
  const webhooks: Webhooks = new Webhooks(world, faults, () => installation.adapters(), isStored)
  const whatsapp = new WhatsApp(world, faults, shops, (shop, told, after) => webhooks.tell(shop, told, after))
  const network = new Network(world, faults, whatsapp, new Service(world, faults))
  const installation = new Installation(world, faults, plan, reach)
  const written = planCustomers(world, plan, shops, webhooks)
  planBlows({ world, plan, faults, reach, installation, webhooks, database, shops })
  // Before anything that a process does it may die.
  world.watch(process => {
    if (faults.happens('death')) world.kill(process)
  })
  active = { world, network }
  const isAtRest = () => reach.isQuiet && webhooks.isQuiet && faults.isHealed
  const { unrest, unhandled } = await watchingRejections(() => play(world, reach, database.admin, isAtRest))
  active = undefined
  const wrongs = [
    ...(unrest === undefined ? [] : [`no silent drop: ${unrest}`]),
    ...unhandled,
    ...network.wrongs,
    ...webhooks.wrongs,
    ...(await findWrongs(database.admin, { plan, shops, webhooks, whatsapp, written })),
  ]
  return { seed, digest: world.digest(), wrongs, happened: world.happened, trace: world.trace }
}

/** A process ends where a promise is rejected and nobody looks: none may be. */
async function watchingRejections(
  work: () => Promise<string | undefined>,
): Promise<{ readonly unrest: string | undefined; readonly unhandled: readonly string[] }> {
  const unhandled: string[] = []
  const note = (error: unknown) =>
    void unhandled.push(`no silent drop: a promise was rejected, and nobody looked: ${error}`)
  process.on('unhandledRejection', note)
  try {
    return { unrest: await work(), unhandled }
  } finally {
    process.off('unhandledRejection', note)
  }
}

function planCustomers(
  world: World,
  plan: Plan,
  shops: readonly Shop[],
  webhooks: Webhooks,
): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>()
  for (const one of plan.written) {
    const shop = shops[one.tenant]
    if (shop === undefined) continue
    const id = `in${world.random.hex(16)}`
    written.set(id, one)
    // The same people write to both shops.
    const from = `3460000000${one.customer}`
    webhooks.tell(shop, { kind: 'message', id, from, text: one.text, atMs: world.clockMs(null) + one.at / ms }, one.at)
  }
  return written
}

async function findStored(database: WorldDatabase, { tenantId, botId }: Shop, told: Told): Promise<boolean> {
  const rows =
    told.kind === 'message'
      ? await database.admin`select from messages where tenant_id = ${tenantId} and bot_id = ${botId}
          and provider_message_id = ${told.id}`
      : await database.admin`select from message_statuses where tenant_id = ${tenantId} and bot_id = ${botId}
          and provider_message_id = ${told.id} and status = ${told.status}`
  return rows.length === 1
}
