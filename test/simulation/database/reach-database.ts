import type { Database, Scope, Transaction } from '../../../src/stores/postgres/database.ts'
import type { Columns, RowOf, Statement, Values } from '../../../src/stores/postgres/statement.ts'
import type { Defect } from '../defects.ts'
import type { DatabaseFaults } from '../world/faults.ts'
import { type Micros, ms, type Process, seconds, type World } from '../world/world.ts'
import { type AnyStatement, type AnyValues, digestOf, hasChanged, inNoOrder } from './any-statement.ts'
import { connectionLost, deadlock, unreachable } from './errors.ts'
import { Locks } from './locks.ts'
import { beginReal, type RealTransaction } from './real-transaction.ts'
import { type Answer, type Call, newSession, type Session, type Worked } from './session.ts'
import type { WorldDatabase } from './world-database.ts'

/** As many as the pool behind it holds (`poolSize` in database.ts): the next one waits. */
const connectionsMax = 10
/** As `programLimits` in database.ts, which here are kept by the world's clock. */
const lockTimeout = 10 * seconds
const idleTimeout = 30 * seconds

/**
 * The way from the world's processes to the database. Each begin, each statement and each commit is an event: what
 * happens between two of them is up to the seed, a death or a lost connection among it. Statements run on the real
 * server, one at a time; one that waits for a lock is left waiting there, as it would be, until it is let go.
 */
export class Reach {
  readonly #world: World
  readonly #database: WorldDatabase
  readonly #faults: DatabaseFaults
  readonly #defect: Defect | null
  readonly #locks: Locks
  readonly #sessions = new Set<Session>()
  readonly #queue: Session[] = []
  /** How far the server's clock is off. */
  clockOffsetMs = 0

  constructor(world: World, database: WorldDatabase, faults: DatabaseFaults, defect: Defect | null) {
    this.#world = world
    this.#database = database
    this.#faults = faults
    this.#defect = defect
    this.#locks = new Locks(world, database.admin)
  }

  /** Nobody has a transaction open. */
  get isQuiet(): boolean {
    return this.#sessions.size === 0
  }

  /** The database as a process has it. */
  for(owner: Process): Database {
    owner.onDeath.push(() => {
      for (const session of [...this.#sessions]) if (session.owner === owner) this.#abandon(session)
    })
    const transaction = <T>(scope: Scope, work: (tx: Transaction) => Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const settle = (worked: Worked) => {
          // What `work` resolved with, come back.
          if ('value' in worked) resolve(worked.value as T)
          else reject(worked.error)
        }
        this.#open(newSession({ owner, scope, work, settle, isApart: false }))
      })
    return {
      ...{ transaction, read: transaction },
      isReachable: async () => true,
      listen: async () => async () => undefined,
      notify: async () => undefined,
      close: async () => undefined,
    }
  }

  /** All connections break, as when the server is started anew. */
  breakAll(): void {
    for (const session of [...this.#sessions]) this.#lose(session)
  }

  /** The server ends the transactions of a process that stands still for long. */
  endIdle(owner: Process, pause: Micros): void {
    if (pause <= idleTimeout) return
    for (const session of this.#sessions)
      if (session.owner === owner)
        this.#world.plan({ after: idleTimeout, what: 'idle too long', happen: () => this.#lose(session) })
  }

  /** The time by the server's clock, to the microsecond. */
  nowText(): string {
    const rest = String(this.#world.now % ms).padStart(3, '0')
    return new Date(this.#world.clockMs(null) + this.clockOffsetMs).toISOString().replace('Z', `${rest}Z`)
  }

  /** When the server's clock will show a time. */
  momentOf(at: Date): Micros {
    return this.#world.now + (at.getTime() - this.#world.clockMs(null) - this.clockOffsetMs) * ms
  }

  #open(session: Session): void {
    const { owner } = session
    if (this.#world.caller() !== owner) throw new Error(`The database of ${owner.name} is used by another process`)
    this.#queue.push(session)
    this.#admit()
  }

  #admit(): void {
    while (this.#sessions.size < connectionsMax) {
      const session = this.#queue.shift()
      if (session === undefined) return
      if (!session.owner.isAlive) continue
      this.#sessions.add(session)
      this.#plan('begins', () => this.#begin(session))
    }
  }

  async #begin(session: Session): Promise<void> {
    if (session.state === 'over') return
    if (this.#faults.fate('begin') !== 'goes') {
      this.#over(session)
      return this.#tell(session, () => session.settle({ error: unreachable() }))
    }
    session.real = await beginReal(this.#database.program, session.scope, this.nowText())
    session.state = 'open'
    const tx: Transaction = { run: (given, values) => this.#call(session, given, values) }
    this.#tell(session, () => {
      session.work(tx).then(
        value => this.#workEnded(session, { value }),
        (error: unknown) => this.#workEnded(session, { error }),
      )
    })
  }

  #call<P extends readonly string[], C extends Columns>(
    session: Session,
    statement: Statement<P, C>,
    values: Values<P>,
  ): Promise<RowOf<C>[]> {
    return new Promise<RowOf<C>[]>((resolve, reject) => {
      session.calls.push({
        statement,
        values: values as AnyValues,
        // Rows of this very statement, come back.
        resolve: rows => resolve(rows as RowOf<C>[]),
        reject,
      })
      this.#planSend(session)
    })
  }

  #planSend(session: Session): void {
    if (session.isSendPlanned || session.state === 'busy' || session.state === 'blocked') return
    session.isSendPlanned = true
    this.#plan('sends', () => this.#send(session))
  }

  async #send(session: Session): Promise<void> {
    session.isSendPlanned = false
    const { real } = session
    if (session.calls.length === 0 || session.state !== 'open' || real === undefined) return
    if (session.broken !== undefined) return this.#answerBroken(session)
    if (this.#faults.fate('statement') !== 'goes') return this.#lose(session)
    const count = this.#faults.sharesRoundTrips() ? session.calls.length : 1
    session.sent = session.calls.splice(0, count)
    session.state = 'busy'
    session.answers = Promise.all(session.sent.map(call => this.#run(session, real.tx, call)))
    await this.#await(session)
  }

  #run(session: Session, tx: Transaction, call: Call): Promise<Answer> {
    const { statement, values } = call
    session.names.add(statement.name)
    const changed = session.isApart ? undefined : this.#defect?.onStatement?.(statement, values)
    if (changed?.isLater) {
      session.later.push(call)
      return Promise.resolve({ rows: [] })
    }
    return tx.run(changed?.statement ?? statement, changed?.values ?? values).then(
      rows => ({ rows }),
      (error: unknown) => ({ error }),
    )
  }

  /** Until the server has answered, or it is certain that it waits for another transaction. */
  async #await(session: Session): Promise<void> {
    const { answers, real } = session
    if (answers === undefined || real === undefined) return
    const answered = await this.#locks.answeredOrBlocked(answers, await real.pid)
    if (answered !== 'blocked') return this.#answered(session, answered)
    if (session.state === 'blocked') return
    session.state = 'blocked'
    this.#world.note(`${session.owner.name} waits for a lock`)
    const cancel = () => this.#cancel(session, real, answers)
    this.#world.plan({ after: lockTimeout, what: 'lock time-out', happen: cancel })
    const victim = await this.#locks.victimOfDeadlock(this.#blocked())
    if (victim?.real !== undefined) await this.#cancel(victim, victim.real, victim.answers, deadlock())
  }

  #blocked(): readonly Session[] {
    return [...this.#sessions].filter(session => session.state === 'blocked')
  }

  /** Ends statements that wait. `instead`: the error that they end in. */
  async #cancel(
    session: Session,
    real: RealTransaction,
    waiting: Session['answers'],
    instead?: unknown,
  ): Promise<void> {
    if (session.state !== 'blocked' || waiting === undefined || session.answers !== waiting) return
    await this.#locks.cancel(await real.pid)
    const answers = await waiting
    const first = answers.findIndex(answer => 'error' in answer)
    const isAsItIs = instead === undefined || first < 0
    this.#answered(session, isAsItIs ? answers : answers.with(first, { error: instead }))
  }

  #answered(session: Session, answers: readonly Answer[]): void {
    const { sent } = session
    session.state = 'open'
    session.sent = []
    session.answers = undefined
    const shown = answers.map((answer, index) => this.#shown(sent[index], answer))
    sent.forEach((call, index) => {
      this.#noteAnswer(session, call.statement, shown[index])
    })
    this.#tell(session, () => {
      for (const [index, answer] of shown.entries()) {
        if ('rows' in answer) sent[index]?.resolve(answer.rows)
        else sent[index]?.reject(answer.error)
      }
    })
    if (session.calls.length > 0) this.#planSend(session)
    if (session.isEndPlanned) this.#planEnd(session)
  }

  #shown(call: Call | undefined, answer: Answer): Answer {
    if (call === undefined || !('rows' in answer)) return answer
    return { rows: inNoOrder(this.#world.random, call.statement, answer.rows) }
  }

  #noteAnswer(session: Session, statement: AnyStatement, answer: Answer | undefined): void {
    if (answer === undefined) return
    if ('rows' in answer && hasChanged(statement, answer.rows)) this.#world.progressAt = this.#world.now
    const text = 'rows' in answer ? `${answer.rows.length} ${digestOf(answer.rows)}` : String(answer.error)
    this.#world.note(`${session.owner.name} ${statement.name}: ${text}`)
  }

  #workEnded(session: Session, worked: Worked): void {
    session.worked = worked
    if ('value' in worked && this.#defect?.isToldTooSoon?.(session.names)) session.settle(worked)
    this.#planEnd(session)
  }

  #planEnd(session: Session): void {
    session.isEndPlanned = true
    if (session.state === 'open') this.#plan('ends', () => this.#end(session))
  }

  /** The program is done with it: commits or rolls back. What it called and does not wait for is sent before. */
  async #end(session: Session): Promise<void> {
    const { worked, real, broken } = session
    if (session.state !== 'open' || real === undefined || worked === undefined) return
    if (session.calls.length > 0) return await this.#send(session)
    if (broken !== undefined) return await this.#rollBack(session, real, broken)
    if ('error' in worked) return await this.#rollBack(session, real, worked.error)
    const fate = this.#faults.fate('commit')
    if (fate === 'lost') return await this.#rollBack(session, real, connectionLost())
    await this.#commit(session, real, fate === 'goes' ? worked : { error: unreachable() })
  }

  async #commit(session: Session, real: RealTransaction, told: Worked): Promise<void> {
    this.#over(session)
    const failure = await real.end()
    this.#world.note(`${session.owner.name} ${failure === undefined ? 'committed' : String(failure)}`)
    await this.#letGo()
    this.#tell(session, () => {
      session.settle(failure === undefined ? told : { error: failure })
      for (const call of session.later) this.#runApart(session, call)
    })
  }

  #runApart({ owner, scope }: Session, { statement, values }: Call): void {
    const work = (tx: Transaction) => tx.run(statement, values)
    this.#open(newSession({ owner, scope, work, settle: () => undefined, isApart: true }))
  }

  async #rollBack(session: Session, real: RealTransaction, why: unknown): Promise<void> {
    this.#over(session)
    const error = await real.end(why)
    this.#world.note(`${session.owner.name} rolled back`)
    await this.#letGo()
    this.#tell(session, () => session.settle({ error }))
  }

  /** The connection breaks: the server rolls back, whoever waits for an answer gets an error. */
  #lose(session: Session): void {
    if (session.state === 'over' || session.broken !== undefined) return
    session.broken = connectionLost()
    this.#world.note(`${session.owner.name} loses its connection`)
    const { real, answers } = session
    if (session.state === 'open') this.#answerBroken(session)
    else if (real !== undefined)
      this.#world.plan({ after: 1, what: 'breaks', happen: () => this.#cancel(session, real, answers, session.broken) })
  }

  #answerBroken(session: Session): void {
    const calls = session.calls.splice(0)
    this.#tell(session, () => {
      for (const call of calls) call.reject(session.broken)
    })
  }

  /** Its process is dead. The server notices after a while; what it was told before, it does. */
  #abandon(session: Session): void {
    if (session.state === 'over') return
    const isToldToCommit = session.isEndPlanned && session.worked !== undefined && 'value' in session.worked
    if (isToldToCommit && this.#world.random.chance(0.5)) return
    const after = this.#faults.noticeOfDeath()
    this.#world.plan({ after, what: 'notices a death', happen: () => this.#rollBackAbandoned(session) })
  }

  async #rollBackAbandoned(session: Session): Promise<void> {
    if (session.state === 'over') return
    const { real, state, answers } = session
    this.#over(session)
    if (real === undefined) return
    if (state === 'blocked') await this.#locks.cancel(await real.pid)
    await answers
    await real.end(connectionLost())
    await this.#letGo()
  }

  #over(session: Session): void {
    session.state = 'over'
    this.#sessions.delete(session)
    this.#admit()
  }

  /** A transaction has ended: those that waited for it go on, one after the other. */
  async #letGo(): Promise<void> {
    for (const session of this.#blocked()) await this.#await(session)
  }

  #plan(what: string, happen: () => void | Promise<void>): void {
    this.#world.plan({ after: this.#faults.delay(), what, happen })
  }

  /** Tells the owner, after the time that an answer takes. */
  #tell({ owner: process }: Session, happen: () => void): void {
    this.#world.plan({ after: this.#faults.delay(), what: 'is answered', process, happen })
  }
}
