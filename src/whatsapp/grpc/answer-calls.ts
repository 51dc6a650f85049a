import { type handleUnaryCall, Metadata, type ServerUnaryCall, status } from '@grpc/grpc-js'
import type { Origin } from '../../identity/audit.ts'
import { type Caller, refuseWithout } from '../../identity/callers.ts'
import { credentialOf, type KnownCallers } from '../../identity/known-callers.ts'
import type { Permission } from '../../identity/permissions.ts'
import type { RequestLimits } from '../../identity/request-limits.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { logError, saneRequestId } from '../../lib/http.ts'
import type { Log } from '../../lib/log.ts'
import type { Metrics } from '../../lib/metrics.ts'
import { callerAddress } from '../../lib/peer-address.ts'
import { statusOfError } from './status-of-error.ts'

/** A call, as whatever answers it sees it. */
export type Call = {
  /** Decoded, not checked. */
  readonly request: unknown
  readonly origin: Origin
  /**
   * Who calls, counted within the tenant's limit of requests. Throws `unauthenticated`, `forbidden` or
   * `too_many_requests`.
   */
  admit(permission: Permission, request: { readonly isRead: boolean }): Promise<Caller>
  /** Throws where nobody waits for the answer any more: what was done in the transaction that it is called in is undone. */
  refuseEnded(): void
}

/** Answers a call with the fields of its response, or throws. */
export type Answer = (call: Call) => Promise<object>

type Options = {
  readonly config: { readonly TRUSTED_PROXIES: readonly string[] }
  readonly callers: KnownCallers
  readonly limits: RequestLimits
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

type Unary = ServerUnaryCall<unknown, object>

/** The caller has gone, or its deadline has passed. */
class CallEnded extends Error {
  override readonly name = 'CallEnded'
}

/** Makes what answers one method: errors become status codes, and each call is counted. */
export function makeAnswering(options: Options) {
  return (method: string, answer: Answer): handleUnaryCall<unknown, object> =>
    (call, callback) => {
      const startMs = performance.now()
      const requestId = saneRequestId(textOf(call.metadata, 'x-request-id'))
      const trailer = new Metadata()
      trailer.set('x-request-id', requestId)
      answer(scopeOf(options, call, requestId, trailer)).then(
        response => {
          count(options, method, call, startMs, status.OK)
          callback(null, response, trailer)
        },
        (error: unknown) => {
          const { code, details, errorCode } = statusOfError(error)
          if (!(error instanceof CallEnded)) logError(error, requestId, options.log)
          trailer.set('error-code', errorCode)
          count(options, method, call, startMs, code)
          callback({ code, details, metadata: trailer })
        },
      )
    }
}

function count({ metrics }: Options, method: string, call: Unary, startMs: number, code: status): void {
  metrics.grpcCalls.inc({ method, code: status[call.cancelled ? endedCode(call) : code] })
  metrics.grpcSeconds.observe({ method }, (performance.now() - startMs) / 1000)
}

function endedCode(call: Unary): status {
  return Number(call.getDeadline()) <= Date.now() ? status.DEADLINE_EXCEEDED : status.CANCELLED
}

function scopeOf(options: Options, call: Unary, requestId: string, trailer: Metadata): Call {
  const { limits, callers, config, clock } = options
  const { metadata } = call
  const peer = peerAddress(call.getPeer())
  const address = callerAddress({ peer, forwardedFor: textOf(metadata, 'x-forwarded-for') }, config.TRUSTED_PROXIES)

  async function callerOf(): Promise<Caller> {
    const credential = credentialOf(textOf(metadata, 'authorization'), textOf(metadata, 'x-api-key'))
    const caller = credential === null ? null : await callers.of(credential)
    if (caller !== null) return caller
    limits.refuse('address', noted(trailer, await limits.takeStranger(address)))
    throw new AppError('unauthenticated', 'The access token or the API key is missing, wrong or expired.')
  }

  return {
    request: call.request,
    origin: {
      address,
      userAgent: textOf(metadata, 'user-agent')?.slice(0, userAgentLengthMax) ?? null,
      requestId,
      at: new Date(clock.now()),
    },
    async admit(permission, { isRead }) {
      const caller = await callerOf()
      limits.refuse('tenant', noted(trailer, await limits.admit(caller, { isRead, answer: null })))
      refuseWithout(caller, permission)
      return caller
    },
    refuseEnded() {
      if (call.cancelled) throw new CallEnded()
    },
  }
}

const userAgentLengthMax = 300

type Counted = {
  readonly allowed: boolean
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
}

function noted<T extends Counted>(trailer: Metadata, counted: T): T {
  trailer.set('ratelimit-limit', String(counted.limit))
  trailer.set('ratelimit-remaining', String(counted.remaining))
  trailer.set('ratelimit-reset', String(Math.max(1, Math.ceil(counted.resetMs / 1000))))
  return counted
}

/** The first value of a name in a call's metadata. */
function textOf(metadata: Metadata, name: string): string | undefined {
  return metadata.get(name)[0]?.toString()
}

/** An address and a port, without the port. */
function peerAddress(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}
