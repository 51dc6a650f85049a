import { postToInbox } from '../../../src/messaging/inbox.ts'
import { makeMemoryBus } from '../../../src/stores/memory/bus.ts'
import { makeMemorySnapshots } from '../../../src/stores/memory/state-snapshots.ts'
import type { Reach } from '../database/reach-database.ts'
import type { Adapter } from '../outside/webhooks.ts'
import type { Plan } from '../plan.ts'
import type { Faults } from '../world/faults.ts'
import { ms, Process, seconds, type World } from '../world/world.ts'
import { SharedBus } from './bus.ts'
import { clockOf, type Server, startServer } from './server.ts'
import { SharedSnapshots } from './snapshots.ts'

/** How long a process that was asked to stop is waited for. */
const stopPatience = 10 * seconds

type Slot = { readonly index: number; process: Process; server: Server | undefined; starts: number }

/** The program's processes: starts them, and starts again those that have died. */
export class Installation {
  readonly #world: World
  readonly #faults: Faults
  readonly #plan: Plan
  readonly #reach: Reach
  readonly bus: SharedBus
  readonly snapshots: SharedSnapshots
  readonly #slots: Slot[]
  readonly logged: { readonly level: string; readonly line: string }[] = []

  constructor(world: World, faults: Faults, plan: Plan, reach: Reach) {
    this.#world = world
    this.#faults = faults
    this.#plan = plan
    this.#reach = reach
    this.bus = new SharedBus(world, faults)
    this.snapshots = new SharedSnapshots(world, faults)
    this.#slots = plan.topology.map((_, index) => {
      return { index, process: new Process(`p${index}.0`, 0), server: undefined, starts: 0 }
    })
    for (const slot of this.#slots) this.#planStart(slot, world.random.between(1, 50 * ms), 0)
  }

  /** A clock is a machine's: who is started again there has the same. */
  processAt(index: number): Process | undefined {
    return this.#slots[index]?.process
  }

  adapters(): readonly Adapter[] {
    return this.#slots.flatMap(({ process, server }) => {
      return process.isAlive && server?.receive !== undefined ? [{ process, receive: server.receive }] : []
    })
  }

  /** An agent does something in a conversation, by way of a process that serves the API. */
  act(tenantId: string, conversationId: string, kind: 'handoff' | 'resume' | 'close'): void {
    const serving = this.#slots.find(({ process, server }) => process.isAlive && server !== undefined)
    const server = serving?.server
    if (serving === undefined || server === undefined) return
    const happen = () => void post(server, { tenantId, conversationId, kind })
    this.#world.plan({ after: 1, what: `agent: ${kind}`, process: serving.process, happen })
  }

  /** One that is asked to stop does, or is killed when it takes too long. */
  stop(index: number): void {
    const slot = this.#slots[index]
    if (slot?.server === undefined || !slot.process.isAlive) return
    const { process, server } = slot
    slot.server = undefined
    const end = () => this.#world.kill(process)
    this.#world.plan({ after: stopPatience, what: 'killed', happen: end })
    this.#world.plan({ after: 1, what: 'stops', process, happen: () => void server.stop().then(end, end) })
  }

  #planStart(slot: Slot, after: number, clockOffsetMs: number): void {
    const process = new Process(`p${slot.index}.${slot.starts++}`, clockOffsetMs)
    slot.process = process
    process.onDeath.push(() => {
      slot.server = undefined
      this.#planStart(slot, this.#faults.restartDelay(), process.clockOffsetMs)
    })
    this.#world.plan({ after, what: 'starts', process, happen: () => this.#start(slot, process) })
  }

  #start(slot: Slot, process: Process): void {
    const isAlone = this.#slots.length === 1
    startServer({
      ...{ world: this.#world, process, isAlone, roles: this.#plan.topology[slot.index] ?? [] },
      database: this.#reach.for(process),
      bus: isAlone ? makeMemoryBus() : this.bus.for(process),
      snapshots: isAlone ? makeMemorySnapshots(clockOf(this.#world, process)) : this.snapshots.for(process),
      onLog: (level, line) => this.#log(process, level, line),
    }).then(
      server => {
        if (slot.process === process) slot.server = server
      },
      // As the command line does: it says why, and ends.
      () => this.#world.plan({ after: 1, what: 'could not start', happen: () => this.#world.kill(process) }),
    )
  }

  #log(process: Process, level: string, line: string): void {
    this.logged.push({ level, line })
    this.#world.note(`${process.name} logs ${line}`)
  }
}

/** As the API's routes do it. What fails is the agent's to do again. */
async function post(
  { database, bus, ids }: Server,
  row: { readonly tenantId: string; readonly conversationId: string; readonly kind: 'handoff' | 'resume' | 'close' },
): Promise<void> {
  const body = row.kind === 'close' ? { reason: 'closed', agent_id: ids.next() } : { agent_id: null }
  const posted = database.transaction({ role: 'app', tenantId: row.tenantId }, tx =>
    postToInbox(tx, ids, { ...row, body }),
  )
  await posted.then(
    () => bus.publish('inbox'),
    () => undefined,
  )
}
