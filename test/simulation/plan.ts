import { type Random, randomFrom } from './world/random.ts'
import { type Micros, ms, seconds } from './world/world.ts'

/** How the program is spread over processes: each list is the roles of one. */
export type Topology = readonly (readonly ('adapter' | 'orchestrator')[])[]

export type Written = {
  readonly tenant: number
  readonly customer: number
  readonly at: Micros
  readonly text: string
}

/** How often what goes wrong does, from 0 to 1, and how slow what is slow is. */
export type Chances = {
  /** A process dies before what it was about to do: of each thing that it does. */
  readonly death: number
  readonly databaseLost: number
  readonly commitAnswerLost: number
  readonly busLost: number
  readonly requestLost: number
  readonly answerLost: number
  readonly refusedForNow: number
  readonly refusedForGood: number
  readonly webhookTwice: number
  readonly webhookAnswerLost: number
  readonly statusFailed: number
}

/** Something that is done to the installation. */
export type Blow =
  | { readonly kind: 'pause'; readonly process: number; readonly forUs: Micros }
  | { readonly kind: 'clock'; readonly process: number | 'database'; readonly byMs: number }
  | { readonly kind: 'database_restart'; readonly forUs: Micros }
  | { readonly kind: 'redis_down'; readonly forUs: Micros }
  | { readonly kind: 'redis_flushed' }
  | { readonly kind: 'provider_down'; readonly forUs: Micros }
  | { readonly kind: 'account_refused'; readonly tenant: number; readonly forUs: Micros }
  | { readonly kind: 'stop'; readonly process: number }
  | { readonly kind: 'agent'; readonly tenant: number; readonly does: 'handoff' | 'resume' | 'close' }

/** All that a seed decides before its world begins. The rest is decided on the way. */
export type Plan = {
  readonly topology: Topology
  readonly providers: readonly ProviderKind[]
  readonly customers: number
  readonly written: readonly Written[]
  readonly stock: number
  readonly chances: Chances
  readonly databaseDelay: Micros
  readonly networkDelay: Micros
  readonly blows: readonly (Blow & { readonly at: Micros })[]
  /** From then on nothing goes wrong any more. */
  readonly healedAt: Micros
  readonly hasAgents: boolean
}

export type ProviderKind = 'meta' | 'legacy' | 'twilio'

const everything = ['adapter', 'orchestrator'] as const
const topologies: readonly Topology[] = [
  [everything],
  [everything, everything],
  [['adapter'], ['orchestrator'], ['orchestrator']],
  [['adapter'], ['adapter'], ['orchestrator'], ['orchestrator']],
]

const noChances: Chances = {
  ...{ death: 0, databaseLost: 0, commitAnswerLost: 0, busLost: 0, requestLost: 0, answerLost: 0 },
  ...{ refusedForNow: 0, refusedForGood: 0, webhookTwice: 0, webhookAnswerLost: 0, statusFailed: 0 },
}

export function planFor(seed: number): Plan {
  const random = randomFrom(seed)
  const topology = random.pick(topologies)
  const customers = random.between(1, 3)
  const isCalm = random.chance(0.08)
  const written = writtenBy(random, customers)
  const lastAt = Math.max(...written.map(one => one.at))
  const healedAt = lastAt + random.between(0.2 * seconds, 4 * seconds)
  const hasAgents = !isCalm && random.chance(0.2)
  return {
    topology,
    providers: [random.pick(['meta', 'twilio']), random.pick(['meta', 'legacy', 'twilio'])],
    customers,
    written,
    stock: random.between(0, 4),
    chances: isCalm ? noChances : chancesOf(random),
    databaseDelay: random.pick([0.2 * ms, 1 * ms, 5 * ms]),
    networkDelay: random.pick([2 * ms, 20 * ms, 100 * ms]),
    blows: isCalm ? [] : blowsOf(random, topology, healedAt, hasAgents),
    healedAt,
    hasAgents,
  }
}

function writtenBy(random: Random, customers: number): Written[] {
  const spread = random.pick([50 * ms, 500 * ms, 4 * seconds])
  return [0, 1].flatMap(tenant =>
    Array.from({ length: customers }, (_, customer) => customer).flatMap(customer =>
      Array.from({ length: random.between(1, 4) }, (_, index) => {
        const kind = random.pick(['hello', 'hello', 'order', 'ask', 'long', 'call'])
        const text = `${kind} t${tenant}c${customer}m${index}`
        return { tenant, customer, at: random.between(0, spread), text }
      }),
    ),
  )
}

/** Of each kind of fault a seed has much, little or nothing: some are found only where nothing else goes wrong. */
function chancesOf(random: Random): Chances {
  const some = (most: number) => random.pick([0, 0, most / 4, most])
  return {
    death: some(0.008),
    databaseLost: some(0.01),
    commitAnswerLost: some(0.05),
    busLost: some(1),
    requestLost: some(0.2),
    answerLost: some(0.3),
    refusedForNow: some(0.3),
    refusedForGood: some(0.1),
    webhookTwice: some(0.4),
    webhookAnswerLost: some(0.3),
    statusFailed: some(0.15),
  }
}

function blowsOf(random: Random, topology: Topology, until: Micros, hasAgents: boolean): Plan['blows'] {
  const kinds = hasAgents ? ([...blowKinds, 'agent', 'agent', 'agent'] as const) : blowKinds
  const count = random.between(0, hasAgents ? 6 : 3)
  return Array.from({ length: count }, () => {
    const kind = random.pick(kinds)
    return { ...blowOf(random, kind, topology), at: random.between(0, until) }
  })
}

const blowKinds = [
  ...['pause', 'clock', 'database_restart', 'redis_down', 'redis_flushed'],
  ...['provider_down', 'account_refused', 'stop'],
] as const satisfies readonly Blow['kind'][]

function blowOf(random: Random, kind: Blow['kind'], topology: Topology): Blow {
  const process = random.between(0, topology.length - 1)
  const forUs = random.pick([20 * ms, 300 * ms, 3 * seconds, 12 * seconds, 40 * seconds])
  switch (kind) {
    case 'clock':
      return { kind, process: random.chance(0.3) ? 'database' : process, byMs: jumpOf(random) }
    case 'account_refused':
      return { kind, tenant: random.between(0, 1), forUs }
    case 'agent':
      return { kind, tenant: random.between(0, 1), does: random.pick(['handoff', 'resume', 'resume', 'close']) }
    case 'pause':
      return { kind, process, forUs }
    case 'stop':
      return { kind, process }
    case 'redis_flushed':
      return { kind }
    default:
      return { kind, forUs }
  }
}

function jumpOf(random: Random): number {
  const size = random.pick([30, 400, 3_000, 60_000, 7_200_000, 2 * 86_400_000])
  return random.chance(0.5) ? size : -size
}
