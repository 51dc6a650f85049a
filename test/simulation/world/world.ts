import type { Random } from './random.ts'

/** Microseconds since the world began: its own time, which never jumps. */
export type Micros = number

export const ms = 1_000
export const seconds = 1_000 * ms
export const hours = 3_600 * seconds

/** When the world begins, by right clocks. */
const beginningMs = Date.UTC(2026, 2, 2, 9)

/** One of the program's processes, from its start to its death. */
export class Process {
  readonly name: string
  isAlive = true
  /** Nothing of it runs until then: it is swapped out, or its machine is. */
  pausedUntil: Micros = 0
  /** What it does when it dies, or rather what others notice of it. */
  readonly onDeath: (() => void)[] = []
  /** How far its clock is off. */
  clockOffsetMs: number
  /** For its UUIDs: those that it has made in the last millisecond in which it made any. */
  lastIdMs = 0
  idsOfMs = 0

  constructor(name: string, clockOffsetMs: number) {
    this.name = name
    this.clockOffsetMs = clockOffsetMs
  }
}

/**
 * Something that will happen. `process`: whose code it calls; null where it happens outside, which may take real time.
 * `isPoll`: it happens again and again, whether there is anything to do or not.
 */
export type Coming = {
  at: Micros
  readonly what: string
  readonly process: Process | null
  readonly isPoll: boolean
  readonly happen: () => void | Promise<void>
  isCancelled: boolean
  order: number
}

/**
 * A world in which one thing happens at a time, in an order that its seed decides. Whoever waits for something outside
 * (the database, the network, a timer) is called back by an event, and runs until nothing of it can go on: no other event
 * happens meanwhile. So the same seed makes the same things happen in the same order.
 */
export class World {
  readonly random: Random
  now: Micros = 0
  /** Whose code runs at this moment; null while none does. */
  current: Process | null = null
  /** When something was last done that another may have to go on with. */
  progressAt: Micros = 0
  happened = 0
  /** In all: what timers and clocks that only count do not know of. */
  suspendedFor: Micros = 0
  readonly #coming: Coming[] = []
  #order = 0
  readonly #hash = new Bun.CryptoHasher('sha256')
  readonly trace: string[] | null
  readonly #watchers: ((process: Process) => void)[] = []

  constructor(random: Random, keepsTrace: boolean) {
    this.random = random
    this.trace = keepsTrace ? [] : null
  }

  /** Wall-clock time, by the clock of a process or by a right one. */
  clockMs(process: Process | null): number {
    return beginningMs + this.now / ms + (process?.clockOffsetMs ?? 0)
  }

  plan(event: {
    readonly after: Micros
    readonly what: string
    readonly process?: Process | null
    readonly isPoll?: boolean
    readonly happen: () => void | Promise<void>
  }): Coming {
    const { after, what, process = null, isPoll = false, happen } = event
    const coming: Coming = {
      ...{ at: this.now + Math.max(1, Math.round(after)), what, process, isPoll, happen },
      ...{ isCancelled: false, order: this.#order++ },
    }
    push(this.#coming, coming)
    return coming
  }

  /** Called before each event of a process, which may then be dead. */
  watch(watcher: (process: Process) => void): void {
    this.#watchers.push(watcher)
  }

  /** Makes the next thing happen. False where nothing is to come. */
  async step(): Promise<boolean> {
    const next = this.#take()
    if (next === undefined) return false
    const { process } = next
    this.now = Math.max(this.now + 1, next.at)
    if (process !== null) for (const watcher of this.#watchers) watcher(process)
    if (process?.isAlive === false) return true
    this.happened++
    this.note(`${process?.name ?? '-'} ${next.what}`)
    if (process === null) await next.happen()
    else await this.run(process, next.happen)
    return true
  }

  /** Runs code of a process, until nothing of it can go on without something from outside. */
  async run(process: Process, code: () => void | Promise<void>): Promise<void> {
    this.current = process
    try {
      await code()
      await drained()
    } finally {
      this.current = null
    }
  }

  /** Whose code this is: for what the program calls. Code that runs outside its event would make runs differ. */
  caller(): Process {
    if (this.current === null) throw new Error('Code of the program runs outside of every event')
    return this.current
  }

  kill(process: Process): void {
    if (!process.isAlive) return
    process.isAlive = false
    this.note(`${process.name} dies`)
    for (const notice of process.onDeath) notice()
  }

  /** When the next thing comes that is no poll; undefined where there is none. */
  nextThatMatters(): Micros | undefined {
    let soonest: Micros | undefined
    for (const { isPoll, isCancelled, process, at } of this.#coming) {
      const matters = !isPoll && !isCancelled && process?.isAlive !== false
      if (matters && (soonest === undefined || at < soonest)) soonest = at
    }
    return soonest
  }

  /**
   * Every machine is suspended until then, as virtual ones are: their clocks go on, and timers wait that much longer. So
   * a long time passes without processes that look for work all the while.
   */
  suspendUntil(at: Micros): void {
    const by = Math.ceil(at) - 1 - this.now
    if (by <= 0) return
    this.now += by
    this.progressAt = this.now
    this.suspendedFor += by
    this.note('suspended')
    const coming = this.#coming.splice(0)
    for (const one of coming) {
      // One that stands still hears nothing of it.
      const isPaused = one.process !== null && one.process.pausedUntil > this.now - by
      if (one.isPoll && !isPaused) one.at += by
      push(this.#coming, one)
    }
  }

  note(text: string): void {
    const line = `${this.now} ${text}`
    this.#hash.update(line)
    this.trace?.push(line)
  }

  /** What tells two runs apart. */
  digest(): string {
    return this.#hash.digest('hex').slice(0, 16)
  }

  #take(): Coming | undefined {
    for (let next = pop(this.#coming); next !== undefined; next = pop(this.#coming)) {
      if (next.isCancelled || next.process?.isAlive === false) continue
      if (next.process === null || next.process.pausedUntil <= Math.max(this.now, next.at)) return next
      next.at = next.process.pausedUntil
      push(this.#coming, next)
    }
    return undefined
  }
}

const realImmediate = setImmediate

/** Resolves when all that could go on has gone on: promises are done before the next immediate. */
function drained(): Promise<void> {
  return new Promise(resolve => realImmediate(resolve))
}

// A binary heap: the soonest first, and of the same moment the one that was planned first.

function push(heap: Coming[], coming: Coming): void {
  heap.push(coming)
  for (let index = heap.length - 1; index > 0; ) {
    const parent = (index - 1) >> 1
    if (!swapped(heap, parent, index)) return
    index = parent
  }
}

function pop(heap: Coming[]): Coming | undefined {
  const [first] = heap
  const last = heap.pop()
  if (first === undefined || last === undefined || first === last) return first
  heap[0] = last
  for (let index = 0; ; ) {
    const left = 2 * index + 1
    const child = left + 1 < heap.length && isSooner(heap[left + 1], heap[left]) ? left + 1 : left
    if (child >= heap.length || !swapped(heap, index, child)) return first
    index = child
  }
}

/** Puts two in order, the first of which is above the second. Returns whether they were not. */
function swapped(heap: Coming[], above: number, below: number): boolean {
  const [upper, lower] = [heap[above], heap[below]]
  if (upper === undefined || lower === undefined || !isSooner(lower, upper)) return false
  heap[above] = lower
  heap[below] = upper
  return true
}

function isSooner(a: Coming | undefined, b: Coming | undefined): boolean {
  if (a === undefined || b === undefined) return b === undefined
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
