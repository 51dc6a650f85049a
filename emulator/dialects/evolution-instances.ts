import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { Answer } from '../read-send.ts'
import { parseJson, respond } from '../send-api.ts'
import type { Stage } from './dialect.ts'
import {
  type Access,
  changeAccount,
  type EvolutionNumber,
  evolutionNumbers,
  instanceName,
  isOn,
  newToken,
} from './evolution-account.ts'
import type { Instances } from './evolution-context.ts'
import { badRequest, evolutionError, invalid, notConnected, unauthorized } from './evolution-errors.ts'
import { issueOf } from './evolution-issue.ts'
import { ownJid } from './evolution-jid.ts'
import type { Pairings } from './evolution-pairing.ts'
import { readSettings, shownSettings } from './evolution-settings.ts'
import { shownCreatedWebhook, webhookChange, webhookSchema } from './evolution-webhook-config.ts'
import { key } from './number-input.ts'

const createSchema = v.looseObject({
  instanceName,
  integration: v.optional(v.string(), ''),
  qrcode: v.optional(v.boolean(), false),
  number: v.optional(v.pipe(v.string(), v.regex(/^(\d+[.@\w-]*)?$/, 'is not a number')), ''),
  token: v.optional(v.union([v.literal(''), key]), ''),
  webhook: v.exactOptional(webhookSchema),
})

/** `/instance/…`: instances are made, connected, listed, restarted, logged out and deleted. */
export function instanceRoutes(instances: Instances): Hono {
  const { stage, pairings, connections, access, withInstance } = instances
  const app = new Hono()
  app.post('/instance/create', context => create(instances, context))
  app.get('/instance/fetchInstances', context => fetchInstances(stage, access(context), context))
  app.get('/instance/connect/:name', context =>
    withInstance(context, number => context.json(connect(pairings, number, context.req.query('number') ?? ''))),
  )
  app.get('/instance/connectionState/:name', context => withInstance(context, number => context.json(stateOf(number))))
  app.post('/instance/restart/:name', context =>
    withInstance(context, number => {
      const { instance, state, is_linked } = number.account
      if (state === 'close')
        return context.json({ error: true, message: `The "${instance}" instance is not connected` })
      return context.json(
        is_linked ? stateOf(connections.open(connections.drop(number))) : connect(pairings, number, ''),
      )
    }),
  )
  app.delete('/instance/logout/:name', context =>
    withInstance(context, number => {
      if (number.account.state === 'close') return respond(notConnected(number.account.instance))
      connections.logOut(number)
      return context.json(done('Instance logged out'))
    }),
  )
  app.delete('/instance/delete/:name', context =>
    withInstance(context, number => {
      if (number.account.state !== 'close') connections.logOut(number)
      remove(stage, number)
      return context.json(done('Instance deleted'))
    }),
  )
  return app
}

async function create({ stage, pairings, access }: Instances, context: Context): Promise<Response> {
  const allowed = access(context)
  if (allowed.kind !== 'global') return respond(unauthorized())
  const input = parseJson(await context.req.text())
  const body = v.safeParse(createSchema, input)
  if (!body.success) return respond(invalid(issueOf(body.issues[0])))
  if (body.output.integration !== 'WHATSAPP-BAILEYS') return respond(badRequest('Invalid integration'))
  const made = make(stage, allowed.key, body.output, readSettings(input))
  if ('status' in made) return respond(made)
  const { qrcode, number } = body.output
  const started = qrcode ? pairings.start(made, number !== '') : made
  return context.json(created(started, qrcode ? pairings.qr(made.id) : undefined), 201)
}

type Creation = v.InferOutput<typeof createSchema>

/** The phone that was registered for this name, or one that nobody has met yet. */
function make(
  { world, deliveries, now }: Stage,
  serverKey: string,
  { instanceName: name, number: phone, token, webhook }: Creation,
  settings: EvolutionNumber['account']['settings'],
): EvolutionNumber | Answer {
  const named = evolutionNumbers(world).find(each => isOn(serverKey)(each) && each.account.instance === name)
  if (named !== undefined && named.account.state !== 'absent') {
    return evolutionError(403, [`This name "${name}" is already in use.`])
  }
  const before =
    named ?? newPhone(world.number(name) === null ? name : `${name}-${crypto.randomUUID()}`, name, serverKey, phone)
  const change = webhook === undefined ? {} : webhookChange(webhook)
  const account = { ...before.account, ...change, settings, state: 'close' as const, is_linked: false }
  const number = {
    ...before,
    webhook_url: webhook === undefined ? before.webhook_url : webhook.url,
    account: { ...account, token: token === '' ? before.account.token : token },
  }
  if (world.putNumber(number) === 'full') return badRequest('There is no room for one more number in the emulator')
  const { instance_id } = number.account
  const data = { instanceName: name, instanceId: instance_id }
  void deliveries.add(number.id, { kind: 'notice', name: 'instance.create', data, at: now() })
  return number
}

function newPhone(id: string, instance: string, api_key: string, phone: string): EvolutionNumber {
  const digits = phone.replace(/\D/g, '')
  return {
    ...{ id, display_phone_number: digits.length < 5 ? '12025550100' : digits, name: instance, webhook_url: null },
    account: {
      ...{ dialect: 'evolution', api_key, instance, instance_id: crypto.randomUUID(), token: newToken() },
      ...{ state: 'absent', is_linked: false, is_webhook_enabled: false, webhook_headers: {}, webhook_events: null },
      ...{ webhook_by_events: false, webhook_base64: false, event_names: 'dotted', addressing: 'pn' },
      ...{ expose_api_key: true, qr_delay_ms: 0, qr_rotate_ms: 45_000, qr_limit: 30, settings: {} },
    },
  }
}

function created(number: EvolutionNumber, qrcode: unknown): unknown {
  const { instance, instance_id, state, token, settings } = number.account
  return {
    instance: {
      ...{ instanceName: instance, instanceId: instance_id, integration: 'WHATSAPP-BAILEYS' },
      ...{ webhookWaBusiness: null, accessTokenWaBusiness: '', status: state },
    },
    ...{ hash: token, webhook: shownCreatedWebhook(number), websocket: {}, rabbitmq: {}, nats: {}, sqs: {} },
    ...{ settings: shownSettings(settings), qrcode },
  }
}

/** What a phone may scan; where it is linked, how it stands. */
function connect(pairings: Pairings, number: EvolutionNumber, phone: string): unknown {
  const { state, is_linked } = number.account
  if (state === 'open') return stateOf(number)
  const isPairing = state === 'connecting' && (is_linked || pairings.isWaiting(number.id))
  if (!isPairing) pairings.start(number, phone !== '')
  return pairings.qr(number.id)
}

function stateOf({ account }: EvolutionNumber): { instance: { instanceName: string; state: string } } {
  return { instance: { instanceName: account.instance, state: account.state } }
}

function fetchInstances({ world }: Stage, access: Access, context: Context): Response {
  if (access.kind === 'none') return respond(unauthorized())
  const name = context.req.query('instanceName')
  const seen = access.kind === 'instance' ? [access.number] : evolutionNumbers(world).filter(isOn(access.key))
  const rows = seen.filter(
    ({ account }) => account.state !== 'absent' && (name ?? account.instance) === account.instance,
  )
  return context.json(rows.map(row))
}

function row(number: EvolutionNumber): unknown {
  const { instance, instance_id, state, is_linked, token, settings } = number.account
  return {
    ...{ id: instance_id, name: instance, connectionStatus: state, ownerJid: is_linked ? ownJid(number) : null },
    ...{ profileName: is_linked ? number.name : null, profilePicUrl: null, integration: 'WHATSAPP-BAILEYS' },
    ...{ number: number.display_phone_number.replace(/\D/g, ''), businessId: null, token, clientName: 'evolution' },
    ...{ disconnectionReasonCode: state === 'close' ? 401 : null, disconnectionObject: null, disconnectionAt: null },
    Setting: shownSettings(settings),
  }
}

/** The phone stays: it may be linked to an instance of the same name again. */
function remove({ world, deliveries, now }: Stage, number: EvolutionNumber): void {
  const { instance, instance_id } = number.account
  const data = { instanceName: instance, instanceId: instance_id }
  void deliveries.add(number.id, { kind: 'notice', name: 'instance.delete', data, at: now() })
  changeAccount(world, number, { state: 'absent', is_linked: false })
}

function done(message: string): unknown {
  return { status: 'SUCCESS', error: false, response: { message } }
}
