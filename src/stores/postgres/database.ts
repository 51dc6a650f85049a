import { type ReservedSQL, SQL, type TransactionSQL } from 'bun'
import { AppError } from '../../lib/errors.ts'
import type { Metrics } from '../../lib/metrics.ts'
import type { PostgresConnection } from './embedded.ts'
import { type Columns, execute, type RowOf, type Statement, type Values } from './statement.ts'

/** Connections of one process. */
const poolSize = 10
const connectTimeoutSeconds = 30
/** For transactions that are still open at the end. */
const closeTimeoutSeconds = 3

/** How long the server bears with a connection before it ends what that does; 0 for ever. */
export type Limits = {
  /** For one statement. */
  readonly statementMs: number
  /** For a statement that waits for another transaction. */
  readonly lockMs: number
  /** Between two statements of a transaction. */
  readonly idleInTransactionMs: number
}

/** What the program does takes milliseconds: beyond these, something hangs, and holds up everybody else. */
export const programLimits: Limits = { statementMs: 30_000, lockMs: 10_000, idleInTransactionMs: 30_000 }

/** A migration may take as long as the table is large, and waits for the one that another process runs. */
const migrationLimits: Limits = { statementMs: 0, lockMs: 0, idleInTransactionMs: 30_000 }

/** A peer that vanished without a word (no power, no network) is noticed by the server after a minute. */
const keepalives = { tcp_keepalives_idle: 30, tcp_keepalives_interval: 10, tcp_keepalives_count: 3 }

/**
 * What a transaction may see. `app`: the rows of one tenant (what a request does). `worker`: the rows of every tenant
 * in the tables that claiming and batching need. `auth`: users, tokens and keys, to find out who asks. `cleaner`: the rows
 * of every tenant in the tables in which something grows too old. `privacy`: all rows of one tenant, those that no request
 * may change or see among them, to hand them out or to erase them.
 */
export type Scope =
  | { readonly role: 'app' | 'privacy'; readonly tenantId: string }
  | { readonly role: 'worker' | 'auth' | 'cleaner' }

/** An open transaction: runs named statements in order. Calls that are not awaited one by one share round trips. */
export type Transaction = {
  run<P extends readonly string[], C extends Columns>(
    statement: Statement<P, C>,
    values: Values<P>,
  ): Promise<RowOf<C>[]>
}

/** The one door to PostgreSQL, and the only module that knows its client. */
export type Database = {
  /**
   * Runs `work` in one transaction that takes the scope's database role at its start: committed when it resolves,
   * rolled back when it rejects. Throws `AppError('database_unavailable')` where the server cannot be reached, or ended
   * the transaction because it took too long.
   */
  transaction<T>(scope: Scope, work: (tx: Transaction) => Promise<T>): Promise<T>
  /**
   * The same for `work` that runs one statement, which writes nothing: the whole transaction takes one round trip, and
   * half the time. A second statement is refused.
   */
  read<T>(scope: Scope, work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Whether the server answers. */
  isReachable(): Promise<boolean>
  /** Calls back at each notification of a channel, from any process. `onLost` when some may have been missed. */
  listen(channel: string, onMessage: (payload: string) => void, onLost: () => void): Promise<() => Promise<void>>
  notify(channel: string, payload: string): Promise<void>
  /** Waits for open transactions, then closes the connections. */
  close(): Promise<void>
}

export function openDatabase(
  target: string | PostgresConnection,
  metrics: Metrics,
  limits: Limits = programLimits,
): Database {
  // Outside a transaction a connection has the role that sees least: with no tenant, nothing at all.
  const pool = connect(target, poolSize, limits, { role: 'dashoffice_app' })
  metrics.poolSize.set(poolSize)
  return {
    async transaction(scope, work) {
      try {
        return await pool.begin(async sql => {
          const role = takeRole(sql, scope)
          const result = await work(transactionOn(sql, metrics))
          await role
          return result
        })
      } catch (error) {
        throw asKnown(error)
      }
    },
    async read(scope, work) {
      try {
        const connection = await pool.reserve()
        try {
          return await work(readingOn(connection, scope, metrics))
        } finally {
          connection.release()
        }
      } catch (error) {
        throw asKnown(error)
      }
    },
    async isReachable() {
      return await pool`select 1`.then(
        () => true,
        () => false,
      )
    },
    async listen(channel, onMessage, onLost) {
      const subscription = await pool.listen(channel, onMessage, onLost)
      return () => subscription.unlisten()
    },
    async notify(channel, payload) {
      await pool.notify(channel, payload)
    },
    async close() {
      await pool.close({ timeout: closeTimeoutSeconds })
    },
  }
}

/** A pool on a URL or on the embedded server; as patient as a migration, where no other limits are given. */
export function connect(
  target: string | PostgresConnection,
  max: number,
  limits: Limits = migrationLimits,
  more: { readonly role?: string } = {},
): SQL {
  const connection = {
    application_name: 'dashoffice',
    statement_timeout: limits.statementMs,
    lock_timeout: limits.lockMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    ...keepalives,
    ...more,
  }
  const common = { max, connectionTimeout: connectTimeoutSeconds, connection }
  if (typeof target === 'string') return new SQL({ ...common, url: target, adapter: 'postgres' })
  const { host, port, user, password, database } = target
  return new SQL({ ...common, adapter: 'postgres', hostname: host, port, username: user, password, database })
}

/** Sent ahead of the first statement, on the same round trip. Without it the transaction would see no rows at all. */
function takeRole(sql: SQL, scope: Scope): Promise<unknown> {
  const tenantId = 'tenantId' in scope ? scope.tenantId : ''
  const query = sql.unsafe("select set_config('role', $1, true), set_config('app.tenant_id', $2, true)", [
    `dashoffice_${scope.role}`,
    tenantId,
  ])
  return query.execute()
}

function transactionOn(sql: TransactionSQL, metrics: Metrics): Transaction {
  return {
    async run(statement, values) {
      const start = performance.now()
      try {
        return await execute(sql, statement, values)
      } finally {
        metrics.querySeconds.observe({ query: statement.name }, (performance.now() - start) / 1000)
      }
    },
  }
}

/** A transaction of one statement. All of it is sent at once: what follows one that failed fails too, by the server's rules. */
function readingOn(connection: ReservedSQL, scope: Scope, metrics: Metrics): Transaction {
  let isSpent = false
  return {
    async run(statement, values) {
      if (isSpent) throw new Error(`A read runs one statement: ${statement.name} would be the second`)
      isSpent = true
      const start = performance.now()
      const begun = connection`begin read only`.execute()
      const role = takeRole(connection, scope)
      const rows = execute(connection, statement, values)
      const ended = connection`commit`.execute()
      const outcomes = await Promise.allSettled([begun, role, rows, ended])
      metrics.querySeconds.observe({ query: statement.name }, (performance.now() - start) / 1000)
      const failed = outcomes.find(outcome => outcome.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      return await rows
    },
  }
}

function asKnown(error: unknown): unknown {
  return isConnectionError(error) || isTimeout(error) ? unavailable(error) : error
}

/** The SQLSTATE of a PostgreSQL error; undefined for any other. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof SQL.PostgresError && typeof error.errno === 'string' ? error.errno : undefined
}

/** Whether a unique constraint of this name refused a row. */
export function isDuplicate(error: unknown, constraint: string): boolean {
  return sqlState(error) === '23505' && error instanceof SQL.PostgresError && error.constraint === constraint
}

/** Whether the server could not be reached, was lost, or takes no more connections. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof SQL.PostgresError)) return false
  const state = sqlState(error)
  if (state !== undefined) return state.startsWith('08') || state.startsWith('57P') || state === '53300'
  return /CONNECTION|REFUSED|CLOSED|TIMEOUT/.test(error.code)
}

/** Whether the server ended a transaction that did nothing (25P03), waited (55P03) or ran (57014) for too long. */
function isTimeout(error: unknown): boolean {
  return ['25P03', '55P03', '57014'].includes(sqlState(error) ?? '')
}

function unavailable(cause: unknown): AppError {
  const error = new AppError(
    'database_unavailable',
    'The database cannot be reached, or takes too long: try again in a moment.',
  )
  error.cause = cause
  return error
}
