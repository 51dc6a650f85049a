import { SQL } from 'bun'
import { AppError } from '../../../src/lib/errors.ts'

// Errors as the program's client of the database, or its own door to it, makes them.

export function connectionLost(): unknown {
  return new SQL.PostgresError('Connection closed', { code: 'ERR_POSTGRES_CONNECTION_CLOSED', detail: '', hint: '' })
}

export function deadlock(): unknown {
  const code = 'ERR_POSTGRES_SERVER_ERROR'
  return new SQL.PostgresError('deadlock detected', { code, errno: '40P01', detail: '', hint: '', severity: 'ERROR' })
}

export function unreachable(): AppError {
  return new AppError(
    'database_unavailable',
    'The database cannot be reached, or takes too long: try again in a moment.',
  )
}
