import { makeBounded } from '../lib/bounded.ts'

const cost = 12
export const hashesAtOnceMax = 2
export const hashesWaitingMax = 50

/**
 * A hash keeps a core busy for a fifth of a second, on a thread beside the event loop. So many at once and no more: a
 * flood of logins neither takes all of the machine nor waits without end.
 */
const inTurn = makeBounded({ atOnceMax: hashesAtOnceMax, waitingMax: hashesWaitingMax })

/** Throws `overloaded` where too many wait. */
export async function hashPassword(password: string): Promise<string> {
  return await inTurn(() => Bun.password.hash(password.normalize('NFC'), { algorithm: 'bcrypt', cost }))
}

/** Of a password that nobody has, at the same cost: what an unknown e-mail address is held against. */
const nobodysHash = `$2b$${cost}$40AocZyudRJTxaefORNVDOZy3zCiWRLhRTUuF8C7fYHubycv.uA16`

/**
 * Whether the password fits the hash. Takes as long where there is none, so that time does not tell who exists. Throws
 * `overloaded` where too many wait.
 */
export async function isPasswordOf(password: string, hash: string | null): Promise<boolean> {
  const fits = await inTurn(() => Bun.password.verify(password.normalize('NFC'), hash ?? nobodysHash, 'bcrypt'))
  return fits && hash !== null
}
