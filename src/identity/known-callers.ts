import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Lru } from '../lib/lru.ts'
import type { Bus } from '../stores/bus.ts'
import type { Database } from '../stores/postgres/database.ts'
import { verifyAccessToken } from './access-token.ts'
import {
  apiKeyPrefix,
  type Caller,
  type CallerKey,
  findCaller,
  findKeyCaller,
  findUserCaller,
  noteKeyUse,
} from './callers.ts'

/** Finds out who asks by an access token or an API key. */
export type KnownCallers = {
  /** Whose credential it is; null where it is wrong, revoked or has run out. */
  of(credential: string): Caller | null | Promise<Caller | null>
  /** The same as they are at this moment, and until when the credential is good. */
  identify(credential: string): Promise<Identified | null>
  /** Who was identified before, as they are at this moment; null where that login or key is no more. */
  again(caller: CallerKey): Promise<Caller | null>
}

export type Identified = { readonly caller: Caller; readonly endsMs: number }

const knownMax = 5_000
/** A change is told at once over the bus; where that is lost, it counts after this long. */
const knownMs = 30_000
const useNotedMs = 60_000

type Known = { readonly caller: Caller; readonly endsMs: number; notedMs: number }

export function makeKnownCallers(options: {
  readonly config: { readonly JWT_SECRET: string; readonly JWT_SECRET_PREVIOUS?: string | undefined }
  readonly database: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
}): KnownCallers {
  const { bus, clock, config, database, log } = options
  const known = new Lru<string, Known>(knownMax)
  let changes = 0
  bus.subscribe('caller.changed', id => {
    changes++
    known.deleteWhere(({ caller }) => caller.id === id || caller.tenantId === id)
  })

  function of(credential: string): Caller | null | Promise<Caller | null> {
    const found = known.get(credential)
    if (found === undefined || found.endsMs <= clock.now()) return lookUp(credential)
    if (found.caller.kind === 'api_key') noteUse(found)
    return found.caller
  }

  async function lookUp(credential: string): Promise<Caller | null> {
    const [nowMs, changesBefore] = [clock.now(), changes]
    const found = await identified(credential)
    if (found === null) return null
    const one = { caller: found.caller, endsMs: Math.min(nowMs + knownMs, found.endsMs), notedMs: 0 }
    // Read while somebody was changed: it may be them, as they were.
    if (changes === changesBefore) known.set(credential, one)
    if (one.caller.kind === 'api_key') noteUse(one)
    return one.caller
  }

  function identified(credential: string): Promise<Identified | null> {
    return credential.startsWith(apiKeyPrefix) ? byKey(credential) : byToken(credential, clock.now())
  }

  async function byKey(key: string): Promise<Identified | null> {
    const now = new Date(clock.now())
    const found = await database.read({ role: 'auth' }, tx => findKeyCaller(tx, key, now))
    return found === undefined ? null : { caller: found.caller, endsMs: found.expiresAt?.getTime() ?? Infinity }
  }

  async function byToken(token: string, nowMs: number): Promise<Identified | null> {
    const claims = verifyAccessToken(token, [config.JWT_SECRET, config.JWT_SECRET_PREVIOUS], nowMs)
    if (claims === null) return null
    const { tenantId } = claims
    const caller = await database.read({ role: 'app', tenantId }, tx => findUserCaller(tx, claims))
    return caller === undefined ? null : { caller, endsMs: claims.endsMs }
  }

  function noteUse(one: Known): void {
    const nowMs = clock.now()
    if (nowMs - one.notedMs < useNotedMs) return
    one.notedMs = nowMs
    const { caller } = one
    database
      .transaction({ role: 'app', tenantId: caller.tenantId }, tx => noteKeyUse(tx, caller, new Date(nowMs)))
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'the use of an API key was not noted'))
  }

  return {
    of,
    identify: identified,
    async again(key) {
      const now = new Date(clock.now())
      const scope = { role: 'app', tenantId: key.tenantId } as const
      return (await database.read(scope, tx => findCaller(tx, key, now))) ?? null
    },
  }
}

/** The credential of a request that has these headers; null where it has none. */
export function credentialOf(authorization: string | undefined, apiKey: string | undefined): string | null {
  if (authorization !== undefined) return /^Bearer ([\w.-]+)$/i.exec(authorization)?.[1] ?? null
  return apiKey?.startsWith(apiKeyPrefix) ? apiKey : null
}
