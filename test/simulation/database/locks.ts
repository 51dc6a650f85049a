import type { SQL } from 'bun'
import type { World } from '../world/world.ts'
import type { Session } from './session.ts'

/** Real milliseconds in which a statement has mostly answered. */
const firstLookMs = 3

const realTimeout = setTimeout
const realClear = clearTimeout

/** Finds out which statements wait for other transactions: nothing else makes one wait for long. */
export class Locks {
  readonly #world: World
  readonly #admin: SQL

  constructor(world: World, admin: SQL) {
    this.#world = world
    this.#admin = admin
  }

  /** While nobody else runs, a statement that waits for a lock waits until another transaction ends. */
  async answeredOrBlocked<T>(answers: Promise<T>, pid: number): Promise<T | 'blocked'> {
    for (let waitMs = firstLookMs; ; waitMs *= 2) {
      const answered = await within(answers, waitMs)
      if (answered !== 'late') return answered
      if ((await this.#blockersOf(pid)).length > 0) return 'blocked'
    }
  }

  /** One of those that wait for each other in a ring; undefined where there is no ring. */
  async victimOfDeadlock(blocked: readonly Session[]): Promise<Session | undefined> {
    if (blocked.length < 2) return undefined
    const byPid = new Map<number, Session>()
    const waitsFor = new Map<number, readonly number[]>()
    for (const session of blocked) {
      const pid = (await session.real?.pid) ?? 0
      byPid.set(pid, session)
      waitsFor.set(pid, await this.#blockersOf(pid))
    }
    const ring = ringIn(waitsFor)
    if (ring.length === 0) return undefined
    this.#world.note(`deadlock of ${ring.length}`)
    const inRing = blocked.filter(session => ring.some(pid => byPid.get(pid) === session))
    return this.#world.random.pick(inRing)
  }

  async cancel(pid: number): Promise<void> {
    await this.#admin`select pg_cancel_backend(${pid})`
  }

  async #blockersOf(pid: number): Promise<readonly number[]> {
    const [row] = await this.#admin`select array_to_string(pg_blocking_pids(${pid}), ' ') as pids`
    const pids: string = row?.pids ?? ''
    return pids === '' ? [] : pids.split(' ').map(Number)
  }
}

function ringIn(waitsFor: ReadonlyMap<number, readonly number[]>): readonly number[] {
  for (const start of waitsFor.keys()) {
    const path = pathBackTo(start, start, waitsFor, new Set())
    if (path !== undefined) return path
  }
  return []
}

function pathBackTo(
  goal: number,
  from: number,
  waitsFor: ReadonlyMap<number, readonly number[]>,
  seen: Set<number>,
): readonly number[] | undefined {
  for (const next of waitsFor.get(from) ?? []) {
    if (next === goal) return [from]
    if (seen.has(next)) continue
    seen.add(next)
    const rest = pathBackTo(goal, next, waitsFor, seen)
    if (rest !== undefined) return [from, ...rest]
  }
  return undefined
}

async function within<T>(promise: Promise<T>, waitMs: number): Promise<T | 'late'> {
  const late = Promise.withResolvers<'late'>()
  const timer = realTimeout(() => late.resolve('late'), waitMs)
  const first = await Promise.race([promise, late.promise])
  realClear(timer)
  return first
}
