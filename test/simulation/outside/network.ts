import type { Faults } from '../world/faults.ts'
import { ms, type Process, type World } from '../world/world.ts'
import { type Service, serviceOrigin } from './service.ts'
import type { Outcome, WhatsApp } from './whatsapp.ts'

/** A request of the program's to a provider. `left`: its body has, and nobody can say any more that nothing was sent. */
type Exchange = {
  readonly owner: Process
  readonly request: { readonly url: string; readonly headers: Headers; readonly body: string }
  readonly key: string | undefined
  heard: Outcome | null
}

/** Answers after which a message may be sent again. */
const mayTryAgain: ReadonlySet<Outcome | null> = new Set(['for now', 'account', 'refused'])

/** The network between the program and the providers: loses requests before and after they arrive, and answers. */
export class Network {
  readonly #world: World
  readonly #faults: Faults
  readonly #whatsapp: WhatsApp
  readonly #service: Service
  /** Requests whose body left, by the message that they carry. */
  readonly #left = new Map<string, Exchange[]>()
  readonly wrongs: string[] = []

  constructor(world: World, faults: Faults, whatsapp: WhatsApp, service: Service) {
    this.#world = world
    this.#faults = faults
    this.#whatsapp = whatsapp
    this.#service = service
  }

  /** As the global `fetch`, for code of the world. */
  send(url: string, init: RequestInit): Promise<Response> {
    const owner = this.#world.caller()
    return new Promise((resolve, reject) => {
      const { signal } = init
      signal?.addEventListener('abort', () => reject(signal.reason))
      const isGone = () => signal?.aborted === true
      this.#plan('connects', owner, () =>
        isGone() ? undefined : this.#connect(owner, url, init, isGone, resolve, reject),
      )
    })
  }

  async #connect(
    owner: Process,
    url: string,
    init: RequestInit,
    isGone: () => boolean,
    resolve: (response: Response) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    if (this.#faults.isProviderDown) return this.#world.random.chance(0.7) ? reject(refused()) : undefined
    const isLost = this.#faults.happens('requestLost')
    if (isLost && this.#world.random.chance(0.3)) return reject(refused())
    if (isLost && this.#world.random.chance(0.3)) return
    const body = init.body == null ? '' : await new Response(init.body).text()
    const request = { url, headers: new Headers(init.headers), body }
    const exchange: Exchange = { owner, request, key: this.#keyOf(request), heard: null }
    this.#noteLeft(exchange)
    if (isLost) return this.#world.random.chance(0.5) ? this.#plan('breaks', owner, () => reject(broken())) : undefined
    this.#plan('arrives', null, () => this.#arrive(exchange, isGone, resolve, reject))
  }

  #arrive(
    exchange: Exchange,
    isGone: () => boolean,
    resolve: (response: Response) => void,
    reject: (error: unknown) => void,
  ): void {
    const { request } = exchange
    const { reply, outcome } = isOfService(request.url) ? this.#service.take() : this.#whatsapp.take(request)
    this.#world.progressAt = this.#world.now
    if (this.#faults.happens('answerLost')) {
      if (this.#world.random.chance(0.5)) this.#plan('breaks', exchange.owner, () => reject(broken()))
      return
    }
    this.#plan(`is answered ${reply.status}`, exchange.owner, () => {
      if (isGone()) return
      exchange.heard = outcome
      resolve(Response.json(reply.body, { status: reply.status }))
    })
  }

  /** What the program calls what it asks for; undefined where that is not told, and the text is not the only one of its kind. */
  #keyOf(request: Exchange['request']): string | undefined {
    if (isOfService(request.url)) return request.headers.get('idempotency-key') ?? undefined
    const found = this.#whatsapp.read(request)
    if (found === undefined) return undefined
    const { reference, to, text } = found.sent
    if (reference === null && /^(Sold out|Too late|Not called)/.test(text)) return undefined
    return reference ?? `${found.shop.index} ${to} ${text}`
  }

  /** Once it may have been taken, a message is never sent again, whoever sent it. */
  #noteLeft(exchange: Exchange): void {
    const { key } = exchange
    if (key === undefined) return
    const before = this.#left.get(key) ?? []
    const doubtful = before.find(({ heard }) => !mayTryAgain.has(heard))
    if (doubtful !== undefined)
      this.wrongs.push(
        `once in effect: asked again, although the try before it ${doubtful.heard === null ? 'is in doubt' : `was ${doubtful.heard}`}: ${key}`,
      )
    this.#left.set(key, [...before, exchange])
  }

  #plan(what: string, process: Process | null, happen: () => void | Promise<void>): void {
    this.#world.plan({ after: this.#faults.networkDelay(), what, process, happen })
  }
}

function isOfService(url: string): boolean {
  return url.startsWith(serviceOrigin)
}

/** As Bun's fetch names them. */
function refused(): Error {
  const error = new Error('Unable to connect. Is the computer able to access the url?')
  return Object.assign(error, { code: 'ConnectionRefused' })
}

function broken(): Error {
  return Object.assign(new Error('The socket connection was closed unexpectedly.'), { code: 'ECONNRESET' })
}

/** The time that a provider has to answer, and to tell of what is in doubt: short ones, so that a seed takes less of them. */
export const sendTimeoutMs = 1_500
export const settleMs = 2_500
export const providerPatience = 8_000 * ms
