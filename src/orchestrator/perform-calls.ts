import * as v from 'valibot'
import type { ActionResult } from '../commerce/actions/action.ts'
import { type HttpCall, httpCallSchema, httpRequest, httpTimeoutMsMax } from '../commerce/actions/http-request.ts'
import { openSecrets } from '../identity/tenant-secrets.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { messageOf } from '../lib/errors.ts'
import type { Fetch } from '../lib/guarded-fetch.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { startWorkLoop } from '../lib/work-loop.ts'
import {
  type CallAgain,
  type CallEnd,
  type ClaimedCall,
  claimCalls,
  type DeadCall,
  endCalls,
  findDeadCalls,
  newCallCursor,
  requeueCalls,
} from '../messaging/calls.ts'
import type { Bus } from '../stores/bus.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { makeResultKeeper } from './keep-results.ts'
import { type Secrets, secretsOf, type Tried, tryHttpCall, unknown } from './try-http-call.ts'

/** Calls of this process that are under way at the same time. */
const inFlightMax = 100
/** Of one tenant, in all processes together: one whose address is slow leaves the others their share. */
const perTenantMax = 10
/** Tries of one call. */
const triesMax = 3
/** From the first try of a call until the last one may begin. */
const retriesMsMax = 120_000
const retryAfterMsMax = 60_000
const backOffMs = [1_000, 3_000] as const
/** Beyond what a call may take, until its process is taken for dead. */
const marginMs = 15_000
const leaseMs = httpTimeoutMsMax + marginMs
const pollMs = 1_000
const deadPollMs = 5_000
const deadMax = 100
/** For calls under way at a stop, before they are ended. */
const stopMs = 3_000

export type CallLoopOptions = {
  readonly database: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  /** What asks, for addresses that tenants write: `makeGuardedFetch`. */
  readonly fetch: Fetch
  /** Whether no other process can be making calls: what is marked as being made is then left over from one that died. */
  readonly isAlone: boolean
  /** From 0 to 1, for the jitter of retries. */
  readonly random?: () => number
}

/** A call that is to be made; its request is null where this version cannot read it. */
type Start = { readonly call: ClaimedCall; readonly request: HttpCall | null; readonly secrets: Secrets }

type Kept = { readonly end: CallEnd } | { readonly again: CallAgain }

/**
 * Makes the calls that turns have queued, and puts their results into the mail. Each is marked before it is made: one
 * that this process leaves behind is found, and made again only where that does no harm.
 */
export function startCallLoop(options: CallLoopOptions): { wake(): void; stop(): Promise<void> } {
  const { database, bus, clock, ids, log, metrics, sealer, fetch, random = Math.random } = options
  const cursor = newCallCursor()
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()
  let isFirst = options.isAlone

  const results = makeResultKeeper<Kept>({
    ...{ log, batchMax: inFlightMax, queueMax: 2 * inFlightMax },
    async write(batch) {
      const ends = batch.flatMap(one => ('end' in one ? [one.end] : []))
      const again = batch.flatMap(one => ('again' in one ? [one.again] : []))
      await database.transaction({ role: 'worker' }, tx => write(tx, ends, again))
      if (ends.length > 0) bus.publish('inbox')
      for (const { waitMs } of again) loop.wakeIn(waitMs)
    },
  })

  async function write(tx: Transaction, ends: readonly CallEnd[], again: readonly CallAgain[]): Promise<void> {
    await Promise.all([endCalls(tx, ids, ends), requeueCalls(tx, again)])
  }

  async function claim(): Promise<'more' | 'done'> {
    if (isFirst) await settleDead(true)
    isFirst = false
    const limit = inFlightMax - inFlight.size
    if (limit <= 0) return 'done'
    const { starts, hasMore } = await database.transaction({ role: 'worker' }, async tx => {
      const { calls, hasMore } = await claimCalls(tx, cursor, { limit, perTenantMax, leaseMs })
      return { starts: await withSecrets(tx, calls), hasMore }
    })
    for (const start of starts) begin(start)
    return hasMore ? 'more' : 'done'
  }

  async function withSecrets(tx: Transaction, calls: readonly ClaimedCall[]): Promise<readonly Start[]> {
    const starts = calls.map(call => ({ call, request: requestOf(call) }))
    const opened = await openSecrets(
      tx,
      sealer,
      starts.flatMap(({ call, request }) =>
        (request === null ? [] : secretsOf(request)).map(name => ({ tenantId: call.tenant_id, name })),
      ),
    )
    return starts.map(start => {
      const own = opened.filter(secret => secret.tenantId === start.call.tenant_id)
      return { ...start, secrets: new Map(own.map(({ name, value }) => [name, value])) }
    })
  }

  function begin(start: Start): void {
    const making = make(start).finally(() => {
      inFlight.delete(making)
      // Its tenant has a place again.
      loop.wake()
    })
    inFlight.add(making)
  }

  async function make({ call, request, secrets }: Start): Promise<void> {
    const began = performance.now()
    const tried = await tryOnce(call, request, secrets)
    const elapsedMs = call.elapsed_ms + performance.now() - began
    await results.keep(resultOf(call, tried, elapsedMs))
  }

  async function tryOnce({ id, tenant_id, handler }: ClaimedCall, request: HttpCall | null, secrets: Secrets) {
    try {
      if (request === null) throw new Error(`a call of "${handler}" cannot be read`)
      const tools = { fetch, secrets, key: id, nowMs: clock.now(), stop: stopping.signal }
      return await tryHttpCall(request, tools)
    } catch (error) {
      log.error({ tenant_id, id, handler, error: messageOf(error) }, 'a call could not be made')
      return defect
    }
  }

  function resultOf({ id, attempts }: ClaimedCall, tried: Tried, elapsedMs: number): Kept {
    if (tried.kind === 'stopped') return again(id, attempts, 0)
    if (tried.kind === 'passing' && attempts < triesMax) {
      const waitMs = waitAfter(attempts, tried.waitMs)
      if (elapsedMs + waitMs <= retriesMsMax) return again(id, attempts, waitMs)
    }
    metrics.outsideCalls.inc({ outcome: outcomeOf(tried.result) })
    return { end: { id, attempts, result: tried.result } }
  }

  function again(id: string, attempts: number, waitMs: number): Kept {
    metrics.outsideCalls.inc({ outcome: 'again' })
    return { again: { id, attempts, waitMs } }
  }

  /** With a jitter of a quarter either way, so that what was refused together does not come back together. */
  function waitAfter(attempts: number, askedMs: number): number {
    const backOff = (backOffMs[attempts - 1] ?? backOffMs[1]) * (0.75 + random() / 2)
    return Math.max(backOff, Math.min(askedMs, retryAfterMsMax))
  }

  async function settleDead(isAll: boolean): Promise<'more' | 'done'> {
    const dead = await database.transaction({ role: 'worker' }, async tx => {
      const found = await findDeadCalls(tx, deadMax, isAll)
      const [lost, left] = [found.filter(one => !isHarmless(one)), found.filter(isHarmless)]
      await write(
        tx,
        lost.map(one => ({ ...one, result: lostResult(one) })),
        left.map(one => ({ ...one, waitMs: 0 })),
      )
      return found.length
    })
    if (dead > 0) {
      log.warn({ calls: dead }, 'calls were left behind by a process that died')
      bus.publish('inbox')
      loop.wake()
    }
    return dead === deadMax ? (isAll ? settleDead(true) : 'more') : 'done'
  }

  const loop = startWorkLoop({ name: 'calls', pollMs, log, work: claim })
  const dead = startWorkLoop({ name: 'dead_calls', pollMs: deadPollMs, log, work: () => settleDead(false) })
  const unsubscribe = bus.subscribe('calls', () => loop.wake())

  return {
    wake: () => loop.wake(),
    async stop() {
      unsubscribe()
      await Promise.all([loop.stop(), dead.stop()])
      await Promise.race([Promise.all(inFlight), Bun.sleep(stopMs)])
      results.stop()
      stopping.abort()
      await Promise.all(inFlight)
    },
  }
}

const defect: Tried = {
  kind: 'ended',
  result: { ok: false, code: 'unexpected', message: 'The call could not be made: the reason is in the log.' },
}

function requestOf({ handler, request }: Pick<ClaimedCall, 'handler' | 'request'>): HttpCall | null {
  if (handler !== httpRequest.handler) return null
  const parsed = v.safeParse(httpCallSchema, request)
  return parsed.success ? parsed.output : null
}

/** Whether a call of a process that died can be made again: what only reads does no harm twice. */
function isHarmless(call: DeadCall): boolean {
  return requestOf(call)?.method === 'GET' && call.attempts < triesMax
}

function lostResult(call: DeadCall): ActionResult {
  return unknown(requestOf(call)?.url ?? '')
}

function outcomeOf(result: ActionResult): string {
  if (result.ok) return 'done'
  return result.code === 'unknown' ? 'unknown' : 'failed'
}
