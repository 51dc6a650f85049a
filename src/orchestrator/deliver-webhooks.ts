import { excerptOf, hostOf } from '../commerce/actions/http-answer.ts'
import {
  type ClaimedDelivery,
  claimDeliveries,
  type DeliveryTried,
  deleteOldDeliveries,
  newDeliveryCursor,
  recordDeliveries,
  requeueDeadDeliveries,
} from '../commerce/claim-deliveries.ts'
import type { DeliveryError } from '../commerce/webhook-deliveries.ts'
import { secretContext } from '../commerce/webhooks.ts'
import { type Asked, askOutside } from '../lib/ask-outside.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { messageOf } from '../lib/errors.ts'
import type { Fetch } from '../lib/guarded-fetch.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { signWebhook } from '../lib/webhook-signature.ts'
import { startWorkLoop } from '../lib/work-loop.ts'
import type { Database } from '../stores/postgres/database.ts'
import { makeResultKeeper } from './keep-results.ts'
import { retryAfterMs } from './retry-after.ts'

/** Deliveries of this process that are under way at the same time. */
const inFlightMax = 100
/** Of one tenant, and of one webhook, in all processes together: who is slow leaves the others their share. */
const perTenantMax = 10
const perWebhookMax = 4
/** Standard Webhooks recommends 15 to 30 seconds ("Request timeouts"). */
const timeoutMs = 15_000
const leaseMs = timeoutMs + 15_000
/** What is read of an answer, for a person to see. */
const answerBytesMax = 16 * 1024
/** After each try that failed, until the next: about a day in all. */
const retriesMs = [5_000, 60_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 28_800_000, 28_800_000]
const retryAfterMsMax = 3_600_000
/** A webhook that took nothing for so long is switched off. */
const patienceMs = 3 * 86_400_000
const pollMs = 1_000
const deadPollMs = 5_000
const deadMax = 500
const sweepPollMs = 3_600_000
const sweepMax = 1_000
/** For deliveries under way at a stop, before they are ended. */
const stopMs = 3_000

export type WebhookLoopOptions = {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  /** What asks, for addresses that tenants write: `makeGuardedFetch`. */
  readonly fetch: Fetch
  /** Days that deliveries which have ended are kept. */
  readonly keptDays: number
  /** Whether no other process can be delivering: what is marked as being sent is then left over from one that died. */
  readonly isAlone: boolean
  /** From 0 to 1, for the jitter of retries. */
  readonly random?: () => number
}

/**
 * Delivers what waits for tenants' webhooks, signed, until each is taken or a day is over. One may arrive twice where a
 * process died or an answer was lost: its id is the same then.
 */
export function startWebhookLoop(options: WebhookLoopOptions): { wake(): void; stop(): Promise<void> } {
  const { database, clock, log, metrics, sealer, fetch, random = Math.random } = options
  const cursor = newDeliveryCursor()
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()
  let isFirst = options.isAlone

  const results = makeResultKeeper<DeliveryTried>({
    ...{ log, batchMax: inFlightMax, queueMax: 2 * inFlightMax },
    async write(batch) {
      const off = await database.transaction({ role: 'worker' }, tx => recordDeliveries(tx, batch, patienceMs))
      for (const { tenantId, id } of off) log.warn({ tenant_id: tenantId, id }, 'a webhook was switched off')
      for (const { state, waitMs } of batch) if (state === 'queued') loop.wakeIn(waitMs)
    },
  })

  async function claim(): Promise<'more' | 'done'> {
    if (isFirst) await requeueDead(true)
    isFirst = false
    const limit = inFlightMax - inFlight.size
    if (limit <= 0) return 'done'
    const bounds = { limit, perTenantMax, perWebhookMax, leaseMs }
    const { deliveries, hasMore } = await database.transaction({ role: 'worker' }, tx =>
      claimDeliveries(tx, cursor, bounds),
    )
    for (const delivery of deliveries) begin(delivery)
    return hasMore ? 'more' : 'done'
  }

  function begin(delivery: ClaimedDelivery): void {
    const delivering = deliver(delivery).finally(() => {
      inFlight.delete(delivering)
      // Its webhook has a place again.
      loop.wake()
    })
    inFlight.add(delivering)
  }

  async function deliver(delivery: ClaimedDelivery): Promise<void> {
    const tried = await tryOnce(delivery)
    metrics.webhookDeliveries.inc({ outcome: tried.state === 'queued' ? 'again' : tried.state })
    await results.keep(tried)
  }

  async function tryOnce(delivery: ClaimedDelivery): Promise<DeliveryTried> {
    if (!delivery.active) return { ...endOf(delivery, 'failed', webhookOff), isIdle: true }
    const secrets = openSecrets(delivery)
    if (secrets === null) return { ...again(delivery, unreadable, 0), isIdle: true }
    const start = performance.now()
    const asked = await send(delivery, secrets)
    return { ...judge(delivery, asked), latencyMs: performance.now() - start }
  }

  function openSecrets({ webhook_id, sealed, previous_sealed }: ClaimedDelivery): readonly string[] | null {
    try {
      const all = previous_sealed === null ? [sealed] : [sealed, previous_sealed]
      return all.map(one => sealer.open(one, secretContext(webhook_id)))
    } catch (error) {
      log.error({ webhook_id, error: messageOf(error) }, "a webhook's secret cannot be opened")
      return null
    }
  }

  function send({ event_id, payload, url }: ClaimedDelivery, secrets: readonly string[]): Promise<Asked> {
    const signed = signWebhook(payload, { id: event_id, atMs: clock.now(), secrets })
    const request = {
      ...{ method: 'POST', url, body: payload, headers: { 'content-type': 'application/json', ...signed } },
      ...{ secretHeaders: new Set<string>(), timeoutMs, redirectsMax: 0, answerBytesMax, cutsAnswer: true },
    }
    return askOutside(fetch, request, stopping.signal)
  }

  function judge(delivery: ClaimedDelivery, asked: Asked): DeliveryTried {
    if (asked.kind === 'failed') {
      const { code, message } = asked
      if (code === 'stopped') return { ...endOf(delivery, 'queued', { code, message }), isIdle: true }
      return again(delivery, { code, message }, 0)
    }
    const { status, headers } = asked
    if (status >= 200 && status < 300) return { ...endOf(delivery, 'delivered', null), responseStatus: status }
    const error = { code: `http_${status}`, message: `${hostOf(delivery.url)} answered ${status}${excerptOf(asked)}` }
    const isGone = status === 410
    const tried = isGone ? endOf(delivery, 'failed', error) : again(delivery, error, retryAfterMs(headers, clock.now()))
    return { ...tried, responseStatus: status, isGone }
  }

  /** As long as there are tries left. */
  function again(delivery: ClaimedDelivery, error: DeliveryError, askedMs: number): DeliveryTried {
    const pauseMs = retriesMs[delivery.attempts - 1]
    if (pauseMs === undefined) return endOf(delivery, 'failed', error)
    const waitMs = Math.max(pauseMs * (0.75 + random() / 2), Math.min(askedMs, retryAfterMsMax))
    return { ...endOf(delivery, 'queued', error), waitMs }
  }

  async function requeueDead(isAll: boolean): Promise<'more' | 'done'> {
    const dead = await database.transaction({ role: 'worker' }, tx => requeueDeadDeliveries(tx, deadMax, isAll))
    if (dead > 0) loop.wake()
    if (dead < deadMax) return 'done'
    return isAll ? await requeueDead(true) : 'more'
  }

  async function sweep(): Promise<'more' | 'done'> {
    const before = new Date(clock.now() - options.keptDays * 86_400_000)
    const gone = await database.transaction({ role: 'worker' }, tx => deleteOldDeliveries(tx, before, sweepMax))
    return gone === sweepMax ? 'more' : 'done'
  }

  const loop = startWorkLoop({ name: 'webhooks', pollMs, log, work: claim })
  const dead = startWorkLoop({ name: 'dead_webhooks', pollMs: deadPollMs, log, work: () => requeueDead(false) })
  const sweeper = startWorkLoop({ name: 'old_webhooks', pollMs: sweepPollMs, log, work: sweep })

  return {
    wake: () => loop.wake(),
    async stop() {
      await Promise.all([loop, dead, sweeper].map(one => one.stop()))
      await Promise.race([Promise.all(inFlight), Bun.sleep(stopMs)])
      results.stop()
      stopping.abort()
      await Promise.all(inFlight)
    },
  }
}

const webhookOff: DeliveryError = {
  code: 'webhook_off',
  message: 'The webhook was switched off before this was delivered.',
}
const unreadable: DeliveryError = {
  code: 'unreadable_secret',
  message: 'The secret of the webhook cannot be opened: make another one.',
}

function endOf(
  { tenant_id, webhook_id, id, attempts }: ClaimedDelivery,
  state: DeliveryTried['state'],
  error: DeliveryError | null,
): DeliveryTried {
  return {
    ...{ tenant_id, webhook_id, id, attempts, state, error },
    ...{ waitMs: 0, responseStatus: null, latencyMs: null },
  }
}
