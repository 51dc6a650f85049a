import type { LogStore } from '../../src/stores/log-store.ts'
import type { Database } from '../../src/stores/postgres/database.ts'

/** Where a process is killed: before a step has done anything, within its transaction, or after it, before it is told. */
export const moments = ['before', 'within', 'after'] as const
export type Moment = (typeof moments)[number]

export class Killed extends Error {
  override readonly name = 'Killed'
}

/** What a process is made of that is killed at its n-th step, and whether it came to that. */
export type Mortal = { readonly database: Database; readonly logs: LogStore; wasKilled(): boolean }

/** Steps are transactions and appends to the log, of everything together. */
export function killedAt(
  parts: { readonly database: Database; readonly logs: LogStore },
  n: number,
  moment: Moment,
): Mortal {
  let steps = 0
  let isDead = false
  const kill = (): never => {
    isDead = true
    throw new Killed(`${moment} step ${n}`)
  }
  async function step<T>(work: (onEnd: () => void) => Promise<T>): Promise<T> {
    if (isDead) throw new Killed('dead already')
    const isLast = ++steps === n
    if (isLast && moment === 'before') kill()
    const result = await work(() => {
      if (isLast && moment === 'within') kill()
    })
    return isLast && moment === 'after' ? kill() : result
  }
  return {
    database: {
      ...parts.database,
      transaction: (scope, work) =>
        step(async onEnd =>
          parts.database.transaction(scope, async tx => {
            const result = await work(tx)
            onEnd()
            return result
          }),
        ),
      read: (scope, work) => step(() => parts.database.read(scope, work)),
    },
    logs: { ...parts.logs, append: (log, entries) => step(() => parts.logs.append(log, entries)) },
    wasKilled: () => isDead,
  }
}

/** The database, each transaction of which commits once `release` is called; `isDone`: the first is about to. */
export function heldBeforeCommit(database: Database) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: isDone, resolve: done } = Promise.withResolvers<void>()
  const held: Database = {
    ...database,
    transaction: (scope, work) =>
      database.transaction(scope, async tx => {
        const result = await work(tx)
        done()
        await released
        return result
      }),
  }
  return { held, isDone, release }
}
