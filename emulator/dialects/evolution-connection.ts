import type { Stage } from './dialect.ts'
import { changeAccount, type EvolutionNumber } from './evolution-account.ts'
import { ownJid } from './evolution-jid.ts'
import type { Pairings } from './evolution-pairing.ts'

/** What happens to an instance's connection to WhatsApp, and what the bot's server is told of it. */
export class Connections {
  readonly #stage: Stage
  readonly #pairings: Pairings

  constructor(stage: Stage, pairings: Pairings) {
    this.#stage = stage
    this.#pairings = pairings
  }

  /** A phone has scanned the QR: the instance is linked to it. */
  link(number: EvolutionNumber, phone: string | null): EvolutionNumber {
    this.#pairings.stop(number.id)
    if (phone !== null) this.#stage.world.putNumber({ ...number, display_phone_number: phone })
    // WhatsApp closes the connection once after pairing: it comes back as a linked one.
    this.#tell(number, 'connection.update', {
      instance: number.account.instance,
      state: 'connecting',
      statusReason: 200,
    })
    return this.open(number)
  }

  /** The linked instance is connected: what was written meanwhile comes now. */
  open(number: EvolutionNumber): EvolutionNumber {
    const opened = changeAccount(this.#stage.world, number, { state: 'open', is_linked: true })
    const profile = { wuid: ownJid(opened), profileName: opened.name, profilePictureUrl: null }
    const data = { instance: opened.account.instance, ...profile, state: 'open', statusReason: 200 }
    this.#tell(opened, 'connection.update', data)
    this.#stage.exchange.redeliver(number.id)
    return opened
  }

  /** The connection breaks. Evolution connects again by itself, and only says that it does. */
  drop(number: EvolutionNumber): EvolutionNumber {
    const dropped = changeAccount(this.#stage.world, number, { state: 'connecting' })
    const data = { instance: dropped.account.instance, state: 'connecting', statusReason: 200 }
    this.#tell(dropped, 'connection.update', data)
    return dropped
  }

  /** The phone unlinks the instance, or the instance logs out: it has to be paired again. */
  logOut(number: EvolutionNumber): EvolutionNumber {
    this.#pairings.stop(number.id)
    const { world, now } = this.#stage
    const closed = changeAccount(world, number, { state: 'close', is_linked: false })
    const { instance } = closed.account
    this.#tell(closed, 'status.instance', {
      ...{ instance, status: 'closed', disconnectionAt: new Date(now()).toISOString(), disconnectionReasonCode: 401 },
      disconnectionObject: '{"error":{"output":{"statusCode":401}}}',
    })
    this.#tell(closed, 'logout.instance', null)
    this.#tell(closed, 'connection.update', { instance, state: 'close', statusReason: 401 })
    return closed
  }

  #tell({ id }: EvolutionNumber, name: string, data: unknown): void {
    const { deliveries, now } = this.#stage
    void deliveries.add(id, { kind: 'notice', name, data, at: now() })
  }
}
