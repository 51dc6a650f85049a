import type { Context } from 'hono'
import type { Caller, CallerKey } from '../identity/callers.ts'
import { credentialOf, type Identified, makeKnownCallers } from '../identity/known-callers.ts'
import type { GatewayOptions } from './options.ts'

/** Finds out who asks. */
export type Callers = {
  /** The caller of an access token or an API key; null where it is missing, wrong, revoked or has run out. */
  of(context: Context): Caller | null | Promise<Caller | null>
  /** The same as they are at this moment, and until when what they ask with is good. */
  identify(context: Context): Promise<Identified | null>
  /** Who was identified before, as they are at this moment; null where that login or key is no more. */
  again(caller: CallerKey): Promise<Caller | null>
}

export function makeCallers(options: GatewayOptions): Callers {
  const known = makeKnownCallers(options)
  return {
    of(context) {
      const credential = credentialIn(context)
      return credential === null ? null : known.of(credential)
    },
    async identify(context) {
      const credential = credentialIn(context)
      return credential === null ? null : await known.identify(credential)
    },
    again: known.again,
  }
}

function credentialIn({ req }: Context): string | null {
  return credentialOf(req.header('authorization'), req.header('x-api-key'))
}
