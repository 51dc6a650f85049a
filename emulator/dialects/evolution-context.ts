import type { Context } from 'hono'
import type { Stage } from './dialect.ts'
import type { Access, EvolutionNumber } from './evolution-account.ts'
import type { Connections } from './evolution-connection.ts'
import type { Pairings } from './evolution-pairing.ts'

/** What the routes of instances share. */
export type Instances = {
  readonly stage: Stage
  readonly pairings: Pairings
  readonly connections: Connections
  readonly access: (context: Context) => Access
  /** Answers for the instance of the path, or says that there is none. */
  readonly withInstance: (
    context: Context,
    answer: (number: EvolutionNumber) => Response | Promise<Response>,
  ) => Promise<Response>
}
