import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { BusinessNumber } from '../records.ts'
import { parseJson, respond } from '../send-api.ts'
import type { World } from '../world.ts'
import { gateAnswer, invalidKey } from './d360-errors.ts'
import { numberOfKey } from './d360-key.ts'
import { headers, webhookUrl } from './number-input.ts'

const configSchema = v.object({ url: webhookUrl, headers: v.optional(headers, {}) })

/** `POST` and `GET /v1/configs/webhook`: where a number's webhooks go, and the headers they carry. Same for both flavours. */
export function webhookConfig(world: World): Hono {
  const app = new Hono()
  app.get('/v1/configs/webhook', context => {
    const number = numberOfKey(world, context.req.raw, 'd360', 'legacy')
    return number === null ? respond(invalidKey()) : context.json(shownConfig(number))
  })
  app.post('/v1/configs/webhook', context => setWebhook(world, context))
  app.get('/v1/configs/templates', context => {
    const number = numberOfKey(world, context.req.raw, 'd360', 'legacy')
    if (number === null) return respond(invalidKey())
    return context.json({ waba_templates: [], count: 0, total: 0, limit: 1000, offset: 0 })
  })
  return app
}

async function setWebhook(world: World, context: Context): Promise<Response> {
  const number = numberOfKey(world, context.req.raw, 'd360', 'legacy')
  if (number === null) return respond(invalidKey())
  const config = v.safeParse(configSchema, parseJson(await context.req.text()))
  if (!config.success) return respond(gateAnswer(400, `Invalid webhook: ${config.issues[0].message}`))
  const changed = { ...number, webhook_url: config.output.url, account: withHeaders(number, config.output.headers) }
  world.putNumber(changed)
  return context.json(shownConfig(changed))
}

function withHeaders({ account }: BusinessNumber, webhook_headers: Record<string, string>): BusinessNumber['account'] {
  return account.dialect === 'd360' || account.dialect === 'legacy' ? { ...account, webhook_headers } : account
}

function shownConfig({ webhook_url, account }: BusinessNumber) {
  const isHosted = account.dialect === 'd360' || account.dialect === 'legacy'
  return { url: webhook_url ?? '', headers: isHosted ? account.webhook_headers : {} }
}
