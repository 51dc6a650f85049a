import type { Standstill } from './leases.ts'

// What a session does once its socket has closed: by the code that WhatsApp, or the library for it, gave
// (Baileys 7.0.0-rc14, `DisconnectReason` and `CB:failure`).

/** A socket that was closed. */
export type Closed = {
  readonly code: number
  /** Whether a phone has linked the session. */
  readonly isPaired: boolean
  /** How long it was open; 0 where it never was. */
  readonly openMs: number
}

/** Closes in a row after which no socket stayed open for a minute. */
export type Failures = { readonly count: number; readonly ofSession: number }

export const noFailures: Failures = { count: 0, ofSession: 0 }

export type AfterClose =
  | { readonly kind: 'reconnect'; readonly delayMs: number; readonly failures: Failures }
  | {
      readonly kind: 'stop'
      readonly standstill: Standstill
      /** Whether the keys are of no use any more. */
      readonly forgets: boolean
    }

const steadyMs = 60_000
const delayMinMs = 1_000
const delayMaxMs = 60_000
const badSessionsMax = 3
/** Restarts that WhatsApp asks for, one after the other, without a socket that opens in between. */
const restartsMax = 3

/** `random`: from 0 to 1, so that sessions that were closed together do not come back together. */
export function afterClose(closed: Closed, before: Failures, random: number): AfterClose {
  const failures = closed.openMs >= steadyMs ? noFailures : before
  const next = { count: failures.count + 1, ofSession: failures.ofSession }
  switch (closed.code) {
    case 515:
      return closed.openMs > 0 || failures.count < restartsMax
        ? { kind: 'reconnect', delayMs: 0, failures: next }
        : again(next, random)
    case 428:
    case 503:
      return again(next, random)
    case 408:
      return closed.isPaired ? again(next, random) : stop('refused', unscanned)
    default: {
      const end = ends.get(closed.code)
      if (end !== undefined) return end
      // 500, and whatever is not known here: the library says 500 for most things that it does not know either.
      if (failures.ofSession + 1 >= badSessionsMax) return stop('refused', broken)
      return again({ ...next, ofSession: failures.ofSession + 1 }, random)
    }
  }
}

function again(failures: Failures, random: number): AfterClose {
  const delayMs = Math.min(delayMaxMs, delayMinMs * 2 ** Math.min(failures.count - 1, 10))
  return { kind: 'reconnect', delayMs: delayMs * (0.75 + random / 2), failures }
}

function stop(state: Standstill['state'], reason: string, forgets = false): AfterClose {
  return { kind: 'stop', standstill: { state, reason }, forgets }
}

const unscanned = 'Nobody paired the bot in time: connect it again when the phone is at hand.'
const broken =
  'WhatsApp closed the session again and again. Connect the bot again; if that does not help, log it out and pair it anew.'

const ends: ReadonlyMap<number, AfterClose> = new Map([
  [400, stop('refused', 'Not WhatsApp has answered: look at proxies between this machine and web.whatsapp.com.')],
  [401, stop('logged_out', 'The phone has removed this device: connect the bot to pair it again.', true)],
  [402, stop('refused', 'WhatsApp has banned this account for a while: the phone shows until when.')],
  [403, stop('refused', 'WhatsApp has blocked this account: the phone shows what can be done.')],
  [405, stop('refused', 'WhatsApp takes this version of WhatsApp Web no more: update the program.')],
  [406, stop('refused', 'WhatsApp has banned this way of connecting: update the program.')],
  [411, stop('refused', 'The WhatsApp of the phone takes no linked devices: update it, and pair the bot again.')],
  [440, stop('refused', 'Another program took over this WhatsApp session: end it there, then connect the bot again.')],
])
