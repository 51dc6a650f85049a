import type { SQL } from 'bun'
import type { Reach } from '../database/reach-database.ts'
import { hours, type Micros, ms, seconds, type World } from './world.ts'

/** A world that has not come to rest by then never will. */
const happeningsMax = 60_000
const timeMax = 240 * hours
/** Every loop has looked for work by then. */
const quietFor = 1.1 * seconds
/** A time in which nothing happens is mostly left out where it is longer. */
const dull = 5 * ms

/** Makes things happen until everything has come to rest. Returns why it never does; undefined where it does. */
export async function play(
  world: World,
  reach: Reach,
  admin: SQL,
  isAtRest: () => boolean,
): Promise<string | undefined> {
  while (world.happened < happeningsMax && world.now < timeMax) {
    if (reach.isQuiet && isDull(world)) {
      const next = await nextThatMatters(world, reach, admin)
      const isQuiet = world.now - world.progressAt > quietFor
      if (next === undefined && isQuiet && isAtRest()) return undefined
      if (next !== undefined && (isQuiet || world.random.chance(0.8))) world.suspendUntil(next)
    }
    if (!(await world.step())) return 'nothing happens any more'
  }
  return `after ${world.happened} happenings and ${world.now / seconds} s it has not come to rest`
}

function isDull(world: World): boolean {
  const next = world.nextThatMatters()
  return next === undefined || next - world.now > dull
}

/** The next event but for those of loops that look for work, or when something in the database is due. */
async function nextThatMatters(world: World, reach: Reach, admin: SQL): Promise<Micros | undefined> {
  const [row] = await admin`select min(due_at) as at from (
    select due_at from outbox union all select due_at from timers union all select due_at from calls) as due`
  const due: Date | null = row?.at ?? null
  const soonest = Math.min(
    world.nextThatMatters() ?? Number.POSITIVE_INFINITY,
    due === null ? Number.POSITIVE_INFINITY : reach.momentOf(due),
  )
  return Number.isFinite(soonest) ? soonest : undefined
}
