import type { Connection } from '../../provider.ts'

/** How long WhatsApp takes a QR code of Evolution's: it shows the next after 45 seconds (`qrTimeout`). */
const codeMs = 40_000

/** What pairs a phone now; null where Evolution has no code. The picture that it makes of the code is left to us. */
export function pairingOf(qr: string | null, pairingCode: string | null, now: Date): Connection | null {
  if (!qr && !pairingCode) return null
  const expiresAt = new Date(now.getTime() + codeMs)
  return { kind: 'pairing', qr: qr || null, pairingCode: pairingCode || null, expiresAt }
}

const lost = 'Evolution has lost the connection to WhatsApp, and is asked to make it again.'

const byCode: ReadonlyMap<number, Connection> = new Map([
  [401, { kind: 'logged_out', reason: 'The instance was logged out, on the phone or at Evolution: pair it again.' }],
  [402, { kind: 'refused', reason: 'WhatsApp has banned the account for a while: it says on the phone until when.' }],
  [403, { kind: 'refused', reason: 'WhatsApp has blocked the account: look at the phone for what to do.' }],
  [406, { kind: 'refused', reason: 'WhatsApp refuses this version of Evolution: update it, then connect again.' }],
] as const)

/**
 * Why a connection is closed, by the code that WhatsApp closed it with (Baileys, `DisconnectReason`, and those beside
 * it that Evolution never connects again after).
 */
export function closedBecause(code: number | null): Connection {
  return byCode.get(code ?? 0) ?? { kind: 'connecting', reason: lost }
}

export const unscanned: Connection = {
  kind: 'refused',
  reason: 'Nobody has scanned a QR code before Evolution ran out of them: connect again when the phone is at hand.',
}

/** An instance's state in words; null for one that is not known. `code`: what closed it. */
export function stateOf(state: string, code: number | null): Connection | null {
  switch (state) {
    case 'open':
      return { kind: 'connected', reason: null }
    case 'connecting':
      return { kind: 'connecting', reason: 'Evolution is connecting to WhatsApp.' }
    case 'close':
    case 'closed':
      return closedBecause(code)
    case 'refused':
      return unscanned
    default:
      return null
  }
}
