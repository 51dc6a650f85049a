import type { Reach } from './database/reach-database.ts'
import type { WorldDatabase } from './database/world-database.ts'
import type { Webhooks } from './outside/webhooks.ts'
import type { Blow, Plan } from './plan.ts'
import type { Installation } from './program/installation.ts'
import type { Shop } from './shop.ts'
import type { Faults } from './world/faults.ts'
import { seconds, type World } from './world/world.ts'

/** All that there is in a world. */
export type Stage = {
  readonly world: World
  readonly plan: Plan
  readonly faults: Faults
  readonly reach: Reach
  readonly installation: Installation
  readonly webhooks: Webhooks
  readonly database: WorldDatabase
  readonly shops: readonly Shop[]
}

/** Until nothing goes wrong any more. */
export function planBlows(stage: Stage): void {
  const { world, plan } = stage
  for (const blow of plan.blows)
    world.plan({ after: blow.at, what: `blow: ${JSON.stringify(blow)}`, happen: () => strike(stage, blow) })
  world.plan({ after: plan.healedAt, what: 'heals', happen: () => heal(stage) })
}

async function strike(stage: Stage, blow: Blow): Promise<void> {
  const { world, faults, reach, installation } = stage
  switch (blow.kind) {
    case 'pause':
      return pause(stage, blow)
    case 'clock':
      return setClock(stage, blow)
    case 'database_restart':
      faults.databaseDownUntil = world.now + blow.forUs
      return reach.breakAll()
    case 'redis_down':
      faults.redisDownUntil = world.now + blow.forUs
      return
    case 'redis_flushed':
      return installation.snapshots.flush()
    case 'provider_down':
      faults.providerDownUntil = world.now + blow.forUs
      return
    case 'account_refused':
      faults.accountRefusedUntil[blow.tenant] = world.now + blow.forUs
      return
    case 'stop':
      return installation.stop(blow.process)
    case 'agent':
      return await actAsAgent(stage, blow)
  }
}

type BlowOf<Kind extends Blow['kind']> = Extract<Blow, { kind: Kind }>

function pause({ world, reach, installation }: Stage, { process: index, forUs }: BlowOf<'pause'>): void {
  const process = installation.processAt(index)
  if (process === undefined) return
  process.pausedUntil = world.now + forUs
  world.plan({ after: forUs, what: 'goes on', happen: () => undefined })
  reach.endIdle(process, forUs)
}

function setClock({ reach, installation, webhooks }: Stage, { process: index, byMs }: BlowOf<'clock'>): void {
  const clock = index === 'database' ? reach : installation.processAt(index)
  if (clock === undefined) return
  webhooks.noteClocks()
  clock.clockOffsetMs += byMs
  webhooks.noteClocks()
}

async function actAsAgent(stage: Stage, { tenant, does }: BlowOf<'agent'>): Promise<void> {
  const { database, shops, installation, world } = stage
  const tenantId = shops[tenant]?.tenantId ?? ''
  const rows: { readonly id: string }[] = await database.admin`select id from conversations
    where tenant_id = ${tenantId} and status <> 'closed' order by id`
  if (rows.length > 0) installation.act(tenantId, world.random.pick(rows).id, does)
}

/** Nothing goes wrong any more. A person puts right what only a person can: also what a process notes only now. */
function heal(stage: Stage): void {
  const { faults, plan, world } = stage
  faults.isHealed = true
  if (!plan.blows.some(blow => blow.kind === 'account_refused')) return
  for (const after of [1, 20 * seconds])
    world.plan({ after, what: 'a person looks after the bots', happen: () => connectBots(stage) })
}

async function connectBots({ database, installation, shops, reach }: Stage): Promise<void> {
  await database.admin`update bots set status = 'connected', updated_at = ${reach.nowText()}::timestamptz
    where status <> 'connected'`
  for (const { botId } of shops) installation.bus.publish('bot.changed', botId)
}
