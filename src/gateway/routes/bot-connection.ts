import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { AppError } from '../../lib/errors.ts'
import { findPairing, type Pairing } from '../../messaging/bot-pairings.ts'
import { botStatuses, connectBot, disconnectBot } from '../../messaging/bot-status.ts'
import { type Bot, findBot, lockBot } from '../../messaging/bots.ts'
import { isPairedByPhone, pairingOfBot } from '../../messaging/pairing-of-bot.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { drawQr } from '../qr-png.ts'
import { phone, time } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard } from '../steps.ts'

/** How a bot stands with its provider, as its own answer shows it too. */
export const botStatusFields = {
  status: v.picklist(botStatuses),
  status_reason: v.nullable(v.string()),
}

const botStatus = named('BotStatus', v.strictObject(botStatusFields))

const connecting = v.strictObject({
  ...botStatusFields,
  pairing_code: v.optional(v.pipe(v.nullable(v.string()), v.description('Null where it did not come in time'))),
})

const pairing = named(
  'BotPairing',
  v.strictObject({
    qr: v.nullable(v.string()),
    png: v.nullable(v.string()),
    pairing_code: v.nullable(v.string()),
    expires_at: time,
  }),
)

/** For a pairing code, and between two looks for it. */
const codeWaitMs = 10_000
const codePollMs = 200

const tag = 'Bots'

export function botConnectionRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/:id/status',
    describe({
      id: 'getBotStatus',
      tag,
      summary: 'How a bot is connected',
      description:
        'Only a bot that is `connected` sends. Its provider is asked for that when it is made, when its settings are ' +
        'changed, and at `connect`: `connecting` until the provider has answered.',
      answers: { 200: botStatus },
      errors: ['not_found'],
    }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = found(await readInTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id)), 'bot')
      return context.json(statusOf(one))
    },
  )
  app.get(
    '/:id/qr',
    describe({
      id: 'getBotQr',
      tag,
      summary: 'The code that pairs a bot with its phone',
      description:
        'For bots of providers that are paired by a phone, while their status is `qr`: `qr` is the text of the QR code, ' +
        '`png` the same as a picture (a data URL), `pairing_code` what is typed on the phone where the bot was connected ' +
        'with a `phone`. Whoever has a code takes the account over, so it takes the permission to change bots. A new one ' +
        'comes before `expires_at`, and is told by the event `bot.qr`.',
      answers: { 200: pairing },
      errors: ['not_found', 'conflict'],
    }),
    may('bots:write', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const codes = await inTenant(parts, context, (tx, { tenantId }) =>
        pairingOfBot(tx, parts.sealer, { tenantId, botId: id }),
      )
      return context.json(await shownPairing(codes))
    },
  )
  app.post(
    '/:id/connect',
    describe({
      id: 'connectBot',
      tag,
      summary: 'Have a bot connect, pair, or be asked for; and send what was held',
      description:
        'Done a moment later: the status is `connecting` until the provider has answered. A bot that is paired by a phone ' +
        'then has a QR code (`GET /api/bots/{id}/qr`); with `phone`, the number of that phone, it has a code to type ' +
        'there, which is in the answer where it comes within some seconds.',
      answers: { 202: connecting },
      errors: ['not_found'],
    }),
    may('bots:write'),
    idempotent,
    body(v.strictObject({ phone: v.optional(phone) }), { mayBeEmpty: true }),
    async context => {
      const given = context.req.valid('json').phone ?? null
      const response = await move(context, 'bot.connecting', async (tx, tenantId, bot) => {
        if (given !== null) refuseUnpaired(bot)
        await connectBot(tx, tenantId, bot.id, given)
      })
      return given === null || response.status !== 202 ? response : await withPairingCode(context, response)
    },
  )
  app.post(
    '/:id/disconnect',
    describe({
      id: 'disconnectBot',
      tag,
      summary: 'Hold what the bot has to send, until it is connected again',
      description:
        'What customers write is taken, and answered, all the same: the answers wait. What waits after 24 hours fails. ' +
        'A session with a phone ends; with `logout` the phone forgets it too, and the bot has to be paired anew.',
      answers: { 202: botStatus },
      errors: ['not_found'],
    }),
    may('bots:write'),
    idempotent,
    body(v.strictObject({ logout: v.optional(v.boolean(), false) }), { mayBeEmpty: true }),
    context => {
      const leaving = context.req.valid('json').logout ? 'logout' : 'end'
      return move(context, 'bot.disconnected', (tx, tenantId, bot) =>
        disconnectBot(tx, tenantId, bot.id, isPairedByPhone(bot) ? leaving : null),
      )
    },
  )

  /** The answer with the code to type, which is waited for: it is in nobody's log, and kept with no answer. */
  async function withPairingCode(context: Context<Env>, response: Response): Promise<Response> {
    const id = idOf(context)
    const { tenantId } = context.get('caller')
    const answered = v.parse(botStatus, await response.json())
    let code: string | null = null
    for (const end = parts.clock.now() + codeWaitMs; code === null && parts.clock.now() < end; ) {
      await Bun.sleep(codePollMs)
      const codes = await parts.database.read({ role: 'app', tenantId }, tx =>
        findPairing(tx, parts.sealer, tenantId, id),
      )
      code = codes?.pairingCode ?? null
    }
    return new Response(JSON.stringify({ ...answered, pairing_code: code }), {
      status: response.status,
      headers: response.headers,
    })
  }

  /** Changes how a bot is connected. */
  async function move(
    context: Context<Env>,
    action: string,
    work: (tx: Transaction, tenantId: string, bot: Bot) => Promise<void>,
  ): Promise<Response> {
    const id = idOf(context)
    const response = await answerChange(parts, context, 202, async (tx, { tenantId }, record) => {
      const before = found(await lockBot(tx, tenantId, id), 'bot')
      await work(tx, tenantId, before)
      const after = found(await findBot(tx, tenantId, id), 'bot')
      record({ action, resource: 'bots', id, before, after, events: statusEvents(before, after) })
      return statusOf(after)
    })
    parts.bus.publish('bot.changed', id)
    return response
  }

  return app
}

function refuseUnpaired(bot: Bot): void {
  if (isPairedByPhone(bot)) return
  const message = `A bot of the provider ${bot.provider} is not paired with a phone`
  throw new AppError('invalid', 'The bot cannot be paired by a code.', [{ path: 'phone', message }])
}

async function shownPairing({ qr, pairingCode, expiresAt }: Pairing) {
  const png = qr === null ? null : await drawQr(qr)
  return { qr, png, pairing_code: pairingCode, expires_at: expiresAt }
}

function statusOf({ status, status_reason }: Bot) {
  return { status, status_reason }
}

/** What the sockets are told of a change of a bot. */
export function statusEvents(before: Bot, after: Bot): FeedEvent[] {
  return after.status === before.status ? [] : [{ type: 'bot.status', data: { id: after.id, ...statusOf(after) } }]
}
