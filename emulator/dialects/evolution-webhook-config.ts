import { Hono } from 'hono'
import * as v from 'valibot'
import { parseJson, respond } from '../send-api.ts'
import { type EvolutionAccount, type EvolutionNumber, eventNames } from './evolution-account.ts'
import type { Instances } from './evolution-context.ts'
import { badRequest, invalid } from './evolution-errors.ts'
import { issueOf } from './evolution-issue.ts'
import { settingsInput, shownSettings } from './evolution-settings.ts'
import { headers } from './number-input.ts'

/** How a webhook is given, to `/webhook/set` and when an instance is made. */
export const webhookSchema = v.looseObject({
  enabled: v.optional(v.boolean(), true),
  url: v.pipe(v.string(), v.minLength(1)),
  headers: v.optional(v.nullable(headers), {}),
  byEvents: v.optional(v.boolean(), false),
  base64: v.optional(v.boolean(), false),
  events: v.optional(v.array(v.picklist(eventNames)), []),
})

const setSchema = v.looseObject({ webhook: webhookSchema })

type Webhook = v.InferOutput<typeof webhookSchema>

/** `/webhook/…` and `/settings/…`. */
export function configRoutes({ stage: { world, now }, withInstance }: Instances): Hono {
  const app = new Hono()
  app.post('/webhook/set/:name', context =>
    withInstance(context, async number => {
      const body = v.safeParse(setSchema, parseJson(await context.req.text()))
      if (!body.success) return respond(invalid(issueOf(body.issues[0])))
      const { webhook } = body.output
      if (!isWebAddress(webhook.url)) return respond(badRequest('Invalid "url" property'))
      const changed = { ...number, webhook_url: webhook.url, account: { ...number.account, ...webhookChange(webhook) } }
      world.putNumber(changed)
      return context.json(shownWebhook(changed, now()), 201)
    }),
  )
  app.get('/webhook/find/:name', context =>
    withInstance(context, number => context.json(number.webhook_url === null ? null : shownWebhook(number, now()))),
  )
  app.post('/settings/set/:name', context =>
    withInstance(context, async number => {
      const body = v.safeParse(settingsInput, parseJson(await context.req.text()))
      if (!body.success) return respond(invalid(issueOf(body.issues[0])))
      world.putNumber({ ...number, account: { ...number.account, settings: body.output } })
      return context.json({ settings: { instanceName: number.account.instance, settings: body.output } }, 201)
    }),
  )
  app.get('/settings/find/:name', context =>
    withInstance(context, number => context.json(shownSettings(number.account.settings))),
  )
  return app
}

function isWebAddress(url: string): boolean {
  return /^https?:$/.test(URL.parse(url)?.protocol ?? '')
}

/** What a webhook changes of an account. No events stand for all of them. */
export function webhookChange({ enabled, headers, byEvents, base64, events }: Webhook): Partial<EvolutionAccount> {
  return {
    ...{ is_webhook_enabled: enabled, webhook_headers: headers ?? {}, webhook_by_events: byEvents },
    ...{ webhook_base64: base64, webhook_events: events.length === 0 ? null : events },
  }
}

export function shownCreatedWebhook({ webhook_url, account }: EvolutionNumber): unknown {
  if (webhook_url === null) return {}
  return {
    ...{ webhookUrl: webhook_url, webhookHeaders: account.webhook_headers },
    ...{ webhookByEvents: account.webhook_by_events, webhookBase64: account.webhook_base64 },
  }
}

function shownWebhook({ id, webhook_url, account }: EvolutionNumber, atMs: number): unknown {
  const at = new Date(atMs).toISOString()
  return {
    ...{ id: `cm${Bun.hash(id).toString(36).padStart(23, '0')}`, url: webhook_url, headers: account.webhook_headers },
    ...{ enabled: account.is_webhook_enabled, events: account.webhook_events ?? eventNames },
    ...{ webhookByEvents: account.webhook_by_events, webhookBase64: account.webhook_base64 },
    ...{ createdAt: at, updatedAt: at, instanceId: account.instance_id },
  }
}
