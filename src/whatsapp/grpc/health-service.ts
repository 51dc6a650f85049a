import { type handleUnaryCall, type ServerWritableStream, status } from '@grpc/grpc-js'
import * as v from 'valibot'
import type { Health } from '../../stores/health.ts'

// The standard health service, by which load balancers and orchestrators ask: "gRPC Health Checking Protocol" (grpc.io).

/** Between two looks on behalf of those that watch. */
const watchPollMs = 5_000
const watchersMax = 100

/** The whole server, and the one service that is asked for. */
const known: ReadonlySet<string> = new Set(['', 'dashoffice.v1.WhatsApp'])
const checkRequest = v.object({ service: v.string() })

type Stream = ServerWritableStream<unknown, object>
type Watcher = { readonly stream: Stream; readonly isKnown: boolean; last: string }

export function makeHealthService(health: () => Promise<Health>) {
  const watchers = new Set<Watcher>()
  let isEnding = false
  let timer: Timer | undefined

  async function statusNow(): Promise<string> {
    const isWell = !isEnding && (await health()).status === 'ok'
    return isWell ? 'SERVING' : 'NOT_SERVING'
  }

  const check: handleUnaryCall<unknown, object> = (call, callback) => {
    const { service } = v.parse(checkRequest, call.request)
    if (!known.has(service)) return callback({ code: status.NOT_FOUND, details: 'There is no such service.' })
    statusNow().then(
      now => callback(null, { status: now }),
      () => callback(null, { status: 'NOT_SERVING' }),
    )
  }

  function watch(stream: Stream): void {
    if (isEnding || watchers.size >= watchersMax) {
      const details = `At most ${watchersMax} may watch, and none while the server stops.`
      stream.emit('error', { code: isEnding ? status.UNAVAILABLE : status.RESOURCE_EXHAUSTED, details })
      return
    }
    const watcher: Watcher = { stream, isKnown: known.has(v.parse(checkRequest, stream.request).service), last: '' }
    watchers.add(watcher)
    stream.on('cancelled', () => forget(watcher))
    stream.on('close', () => forget(watcher))
    timer ??= setInterval(() => void tellAll(), watchPollMs)
    void tellAll()
  }

  function forget(watcher: Watcher): void {
    watchers.delete(watcher)
    if (watchers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  async function tellAll(): Promise<void> {
    const now = await statusNow().catch(() => 'NOT_SERVING')
    for (const watcher of watchers) {
      const shown = watcher.isKnown ? now : 'SERVICE_UNKNOWN'
      if (shown === watcher.last) continue
      watcher.last = shown
      watcher.stream.write({ status: shown })
    }
  }

  return {
    implementation: { Check: check, Watch: watch },
    /** Says that nothing is served any more, and ends the streams: they would go on for ever. */
    end(): void {
      isEnding = true
      for (const watcher of [...watchers]) {
        if (watcher.isKnown) watcher.stream.write({ status: 'NOT_SERVING' })
        watcher.stream.end()
        forget(watcher)
      }
    },
  }
}
