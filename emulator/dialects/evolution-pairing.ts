import type { Stage } from './dialect.ts'
import { changeAccount, type EvolutionNumber, isEvolution } from './evolution-account.ts'
import { ownJid } from './evolution-jid.ts'
import { qrImage } from './qr-image.ts'

/** What a phone scans, or types: a credential. Fields are missing until the server has them. */
export type Qr = {
  readonly pairingCode?: string | null
  readonly code?: string
  readonly base64?: string
  readonly count: number
}

type Pairing = { qr: Qr; timer: Timer | null; readonly withCode: boolean }

/** Crockford's alphabet, which Baileys takes for pairing codes. */
const letters = '123456789ABCDEFGHJKLMNPQRSTVWXYZ'

/**
 * Instances that wait for a phone: each shows a QR, a new one after a while, and gives up after so many. In memory only:
 * after a restart, connecting begins anew.
 */
export class Pairings {
  readonly #stage: Stage
  readonly #pairings = new Map<string, Pairing>()

  constructor(stage: Stage) {
    this.#stage = stage
    stage.signal.addEventListener('abort', () => this.clear())
  }

  /** What the instance shows now. */
  qr(id: string): Qr {
    return this.#pairings.get(id)?.qr ?? { count: 0 }
  }

  isWaiting(id: string): boolean {
    return this.#pairings.has(id)
  }

  /** The instance connects, and waits to be linked; with a pairing code where `withCode`. */
  start(number: EvolutionNumber, withCode: boolean): EvolutionNumber {
    this.stop(number.id)
    const connecting = changeAccount(this.#stage.world, number, { state: 'connecting', is_linked: false })
    const pairing: Pairing = { qr: { count: 0 }, timer: null, withCode }
    this.#pairings.set(number.id, pairing)
    const { instance, qr_delay_ms } = connecting.account
    this.#tell(number.id, 'connection.update', { instance, state: 'connecting', statusReason: 200 })
    if (qr_delay_ms === 0) this.#next(number.id, pairing)
    else pairing.timer = setTimeout(() => this.#next(number.id, pairing), qr_delay_ms)
    return connecting
  }

  stop(id: string): void {
    clearTimeout(this.#pairings.get(id)?.timer ?? undefined)
    this.#pairings.delete(id)
  }

  clear(): void {
    for (const id of [...this.#pairings.keys()]) this.stop(id)
  }

  /** Shows the next QR, or gives up. */
  #next(id: string, pairing: Pairing): void {
    const number = this.#stage.world.number(id)
    if (number === null || !isEvolution(number) || !isUnlinked(number)) return void this.stop(id)
    const { instance, qr_limit, qr_rotate_ms } = number.account
    if (pairing.qr.count === qr_limit) return void this.#giveUp(number)
    const code = `2@${[1, 2, 3, 4].map(() => secret()).join(',')}`
    const pairingCode = pairing.withCode ? (pairing.qr.pairingCode ?? newPairingCode()) : null
    pairing.qr = { pairingCode, code, base64: qrImage(code), count: pairing.qr.count + 1 }
    pairing.timer = setTimeout(() => this.#next(id, pairing), qr_rotate_ms)
    const { base64 } = pairing.qr
    this.#tell(id, 'qrcode.updated', { qrcode: { instance, pairingCode, code, base64 } })
    this.#stage.onNotice(id)
  }

  #giveUp(number: EvolutionNumber): void {
    this.stop(number.id)
    const { account } = changeAccount(this.#stage.world, number, { state: 'close' })
    const message = 'QR code limit reached, please login again'
    this.#tell(number.id, 'qrcode.updated', { message, statusCode: 500 })
    const refused = { instance: account.instance, state: 'refused', statusReason: 428 }
    this.#tell(number.id, 'connection.update', { ...refused, wuid: ownJid(number), profilePictureUrl: null })
    this.#stage.onNotice(number.id)
  }

  #tell(id: string, name: string, data: unknown): void {
    const { deliveries, now } = this.#stage
    void deliveries.add(id, { kind: 'notice', name, data, at: now() })
  }
}

function isUnlinked({ account }: EvolutionNumber): boolean {
  return account.state === 'connecting' && !account.is_linked
}

function secret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')
}

function newPairingCode(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map(byte => letters[byte % letters.length]).join('')
}
