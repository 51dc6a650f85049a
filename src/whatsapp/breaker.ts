import { Lru } from '../lib/lru.ts'

/** Bots that are watched: those unused longest are forgotten, and start afresh. */
const botsMax = 10_000
/** Failures one after the other, until no more is sent for a while. */
const failuresMax = 5
const firstMs = 5_000
const longestMs = 300_000

/** Whether a send by a bot may be tried: `probe` is one try after a while, of which the next ones depend. */
export type Passage = { readonly kind: 'closed' | 'probe' } | { readonly kind: 'open'; readonly untilMs: number }

type Circuit = {
  failures: number
  /** 0 while sends go on as usual. */
  openUntil: number
  /** How long it was last open. */
  openMs: number
  isProbing: boolean
}

/**
 * A circuit breaker for each bot, in this process: after some sends in a row that its provider did not take, or did not
 * answer, no more go out for a while, then a single one, which closes it or opens it for twice as long. A provider that is
 * down is then neither hammered nor made to leave hundreds of messages in doubt.
 */
export class Breakers {
  readonly #circuits = new Lru<string, Circuit>(botsMax)

  /** Whether a send would go through now. Begins nothing. */
  isOpen(botId: string, now: number): boolean {
    return this.pass(botId, now).kind === 'open'
  }

  /** Whether a send may go out now. One that begins as a probe must be told of by `took`, `failed` or `dropProbe`. */
  pass(botId: string, now: number): Passage {
    const circuit = this.#circuits.get(botId)
    if (circuit === undefined || circuit.openUntil === 0) return { kind: 'closed' }
    if (now < circuit.openUntil) return { kind: 'open', untilMs: circuit.openUntil }
    // Whoever waits for a probe comes back soon after it.
    return circuit.isProbing ? { kind: 'open', untilMs: now + probeWaitMs } : { kind: 'probe' }
  }

  /** The send that was let through as a probe begins. */
  beginProbe(botId: string): void {
    const circuit = this.#circuits.get(botId)
    if (circuit !== undefined) circuit.isProbing = true
  }

  /** The probe did not come as far as the provider: it tells nothing, and another send may be one. */
  dropProbe(botId: string): void {
    const circuit = this.#circuits.get(botId)
    if (circuit !== undefined) circuit.isProbing = false
  }

  /** The provider has answered a send, whatever it said of the message. */
  took(botId: string): void {
    this.#circuits.delete(botId)
  }

  /** A send was not taken, or not answered. Returns whether that has opened the circuit. */
  failed(botId: string, now: number): boolean {
    const circuit = this.#circuits.get(botId) ?? { failures: 0, openUntil: 0, openMs: 0, isProbing: false }
    const isProbe = circuit.isProbing
    circuit.failures += 1
    circuit.isProbing = false
    const opens = isProbe || (circuit.openUntil === 0 && circuit.failures >= failuresMax)
    if (opens) {
      circuit.openMs = Math.min(longestMs, circuit.openMs === 0 ? firstMs : circuit.openMs * 2)
      circuit.openUntil = now + circuit.openMs
    }
    this.#circuits.set(botId, circuit)
    return opens
  }
}

const probeWaitMs = 1_000
