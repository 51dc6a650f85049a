import { Hono } from 'hono'
import { AppError } from './errors.ts'
import { problem, requestIdOf } from './http.ts'
import type { Metrics } from './metrics.ts'

/** What every role answers on its port: `/health` (503 while degraded) and `/metrics`. */
export function opsRoutes(options: {
  readonly health: () => Promise<{ readonly status: 'ok' | 'degraded' }>
  readonly metrics: Metrics
}): Hono {
  const { health, metrics } = options
  const app = new Hono()
  for (const path of ['/health', '/api/health'])
    app.get(path, async context => {
      const state = await health()
      return context.json(state, state.status === 'ok' ? 200 : 503)
    })
  app.get('/metrics', async () => {
    const text = await metrics.registry.metrics()
    return new Response(text, { headers: { 'content-type': metrics.registry.contentType } })
  })
  app.notFound(context =>
    problem(
      new AppError('not_found', `There is no ${context.req.method} ${context.req.path}.`),
      requestIdOf(context.req.raw),
    ),
  )
  return app
}
