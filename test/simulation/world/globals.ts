import { type Coming, ms, type Process, type World } from './world.ts'

/** How long the program's loops wait until they look for work that nobody told of. */
const pollsMs: ReadonlySet<number> = new Set([1_000, 2_000, 5_000, 60_000])

/** A timer of the simulated world, where the program holds one. */
class SimulatedTimer {
  coming: Coming

  constructor(coming: Coming) {
    this.coming = coming
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

/**
 * Puts the world's clock, timers and chance in place of the machine's, for good: this is a process that does nothing
 * else. Whatever no process of the world calls (the test itself, the client of the database) gets the real ones.
 */
export function takeOverGlobals(
  worldOf: () => World | undefined,
  send: (input: string | URL | Request, init?: RequestInit) => Promise<Response>,
): void {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    Date: globalThis.Date,
    now: performance.now.bind(performance),
    random: Math.random,
    sleep: Bun.sleep,
    timeout: AbortSignal.timeout.bind(AbortSignal),
    fetch: globalThis.fetch,
    uuid: Bun.randomUUIDv7,
  }
  const callerIn = (): { world: World; process: Process } | undefined => {
    const world = worldOf()
    return world === undefined || world.current === null ? undefined : { world, process: world.current }
  }

  function plan(delayMs: number, what: string, isPoll: boolean, happen: () => void): Coming | undefined {
    const found = callerIn()
    // As the real ones: never sooner than a millisecond.
    const after = Math.max(1, delayMs) * ms
    return found?.world.plan({ after, what, process: found.process, isPoll, happen })
  }

  function setTimer(work: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]): unknown {
    const coming = plan(delayMs, 'timer', pollsMs.has(delayMs), () => work(...given))
    return coming === undefined ? real.setTimeout(work, delayMs, ...given) : new SimulatedTimer(coming)
  }

  function clearTimer(timer: unknown): void {
    if (timer instanceof SimulatedTimer) timer.coming.isCancelled = true
    else Reflect.apply(real.clearTimeout, undefined, [timer])
  }

  function sleep(given: number | Date): Promise<void> {
    if (callerIn() === undefined) return real.sleep(given)
    const delayMs = typeof given === 'number' ? given : given.getTime() - Date.now()
    return new Promise(resolve => plan(delayMs, 'timer', false, resolve))
  }

  function timeout(delayMs: number): AbortSignal {
    if (callerIn() === undefined) return real.timeout(delayMs)
    const controller = new AbortController()
    const reason = new DOMException('The operation timed out.', 'TimeoutError')
    plan(delayMs, 'time-out', false, () => controller.abort(reason))
    return controller.signal
  }

  function uuid(encoding: 'hex' = 'hex', timestamp: number | Date = Date.now()): string {
    const found = callerIn()
    if (found === undefined) return real.uuid(encoding, timestamp)
    return uuidOf(found.world, found.process, Number(timestamp))
  }

  const nowMs = () => {
    const world = worldOf()
    return world === undefined ? real.Date.now() : Math.floor(world.clockMs(world.current))
  }
  const SimulatedDate = new Proxy(real.Date, {
    get: (target, key) => (key === 'now' ? nowMs : Reflect.get(target, key)),
    construct: (target, given) => Reflect.construct(target, given.length === 0 ? [nowMs()] : given),
  })

  Object.assign(globalThis, { setTimeout: setTimer, clearTimeout: clearTimer, Date: SimulatedDate })
  Object.assign(globalThis, {
    fetch: (...given: Parameters<typeof fetch>) => (callerIn() === undefined ? real.fetch(...given) : send(...given)),
  })
  Object.assign(performance, {
    now: () => {
      const found = callerIn()
      return found === undefined ? real.now() : (found.world.now - found.world.suspendedFor) / ms
    },
  })
  Object.assign(Math, { random: () => callerIn()?.world.random.next() ?? real.random() })
  Object.assign(Bun, { sleep, randomUUIDv7: uuid })
  Object.assign(AbortSignal, { timeout })
}

/** UUIDv7 as Bun makes them: a millisecond, a counter that begins anew with it, and chance. */
function uuidOf({ random }: World, process: Process, atMs: number): string {
  process.idsOfMs = process.lastIdMs === atMs ? process.idsOfMs + 1 : 0
  process.lastIdMs = atMs
  const time = atMs.toString(16).padStart(12, '0')
  const counter = process.idsOfMs.toString(16).padStart(3, '0')
  const variant = random.between(8, 11).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}${random.hex(3)}-${random.hex(12)}`
}
