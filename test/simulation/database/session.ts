import type { Scope, Transaction } from '../../../src/stores/postgres/database.ts'
import type { Process } from '../world/world.ts'
import type { AnyRow, AnyStatement, AnyValues } from './any-statement.ts'
import type { RealTransaction } from './real-transaction.ts'

/** A statement that the program waits for. */
export type Call = {
  readonly statement: AnyStatement
  readonly values: AnyValues
  readonly resolve: (rows: AnyRow[]) => void
  readonly reject: (error: unknown) => void
}

export type Answer = { readonly rows: AnyRow[] } | { readonly error: unknown }

/** How the program's own part of a transaction ended, or what it is told of the whole. */
export type Worked = { readonly value: unknown } | { readonly error: unknown }

/** A transaction of a process: what it has asked for, and how far the server is with it. */
export type Session = {
  readonly owner: Process
  readonly scope: Scope
  readonly work: (tx: Transaction) => Promise<unknown>
  /** Tells the program; the first time counts. */
  readonly settle: (worked: Worked) => void
  /** Whether it is one that a defect has made. */
  readonly isApart: boolean
  state: 'waiting' | 'open' | 'busy' | 'blocked' | 'over'
  /** Called, and not sent yet. */
  calls: Call[]
  /** Sent, and not answered yet. */
  sent: readonly Call[]
  answers: Promise<readonly Answer[]> | undefined
  real: RealTransaction | undefined
  worked: Worked | undefined
  /** Why every further statement fails. */
  broken: unknown
  isSendPlanned: boolean
  isEndPlanned: boolean
  /** What has run in it. */
  readonly names: Set<string>
  /** What a defect leaves for a transaction of its own. */
  readonly later: Call[]
}

export function newSession(of: Pick<Session, 'owner' | 'scope' | 'work' | 'settle' | 'isApart'>): Session {
  return {
    ...of,
    ...{ state: 'waiting', calls: [], sent: [], answers: undefined, real: undefined, worked: undefined },
    ...{ broken: undefined, isSendPlanned: false, isEndPlanned: false, names: new Set(), later: [] },
  }
}
