import type { Database, Scope, Transaction } from '../../../src/stores/postgres/database.ts'
import { statement } from '../../../src/stores/postgres/statement.ts'

const beginStatement = statement({
  name: 'world_begin',
  params: ['now'],
  row: { pid: 'int4' },
  sql: `select pg_backend_pid() as pid from (select set_config('world.now', $1, true)) as s`,
})

/** A transaction on the real server, by the program's own door to it. */
export type RealTransaction = {
  readonly tx: Transaction
  /** Of the server's process that runs it. */
  readonly pid: Promise<number>
  /** Commits, or rolls back with an error. Resolves with the error that the program gets; undefined where it is committed. */
  end(error?: unknown): Promise<unknown>
}

/** Begins one, in which it is `now`. It stays open until it is told how to end. */
export async function beginReal(database: Database, scope: Scope, now: string): Promise<RealTransaction> {
  const opened = Promise.withResolvers<Transaction>()
  const told = Promise.withResolvers<unknown>()
  const done = database
    .transaction(scope, async tx => {
      opened.resolve(tx)
      const error = await told.promise
      if (error !== undefined) throw error
    })
    .then(
      () => undefined,
      (error: unknown) => {
        opened.reject(error)
        return error
      },
    )
  const tx = await opened.promise
  const pid = tx.run(beginStatement, { now }).then(rows => rows[0]?.pid ?? 0)
  return {
    ...{ tx, pid },
    async end(error) {
      await pid
      told.resolve(error)
      return await done
    },
  }
}
