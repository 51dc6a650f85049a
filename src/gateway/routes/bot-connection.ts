import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { AppError } from '../../lib/errors.ts'
import { connectBot, disconnectBot } from '../../messaging/bot-status.ts'
import { type Bot, findBot, lockBot } from '../../messaging/bots.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { describe, found, idempotent, idOf, makeGuard } from '../steps.ts'

/** How a bot stands with its provider, as its own answer shows it too. */
export const botStatusFields = {
  status: v.picklist(['disconnected', 'connecting', 'qr', 'connected', 'logged_out', 'error']),
  status_reason: v.nullable(v.string()),
}

const botStatus = named('BotStatus', v.strictObject(botStatusFields))

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
      summary: 'The QR code that pairs a bot with its phone',
      description: "No provider of this version pairs by QR code: their bots are connected by the provider's own keys.",
      answers: {},
      errors: ['not_found', 'conflict'],
    }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = found(await readInTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id)), 'bot')
      throw new AppError('conflict', `A bot of the provider ${one.provider} does not pair by QR code.`)
    },
  )
  app.post(
    '/:id/connect',
    describe({
      id: 'connectBot',
      tag,
      summary: "Ask the bot's provider whether it may send, and send what was held",
      description: 'Done a moment later: the status is `connecting` until the provider has answered.',
      answers: { 202: botStatus },
      errors: ['not_found'],
    }),
    may('bots:write'),
    idempotent,
    context => move(context, 'bot.connecting', connectBot),
  )
  app.post(
    '/:id/disconnect',
    describe({
      id: 'disconnectBot',
      tag,
      summary: 'Hold what the bot has to send, until it is connected again',
      description:
        'What customers write is taken, and answered, all the same: the answers wait. What waits after 24 hours fails.',
      answers: { 202: botStatus },
      errors: ['not_found'],
    }),
    may('bots:write'),
    idempotent,
    context => move(context, 'bot.disconnected', disconnectBot),
  )

  /** Changes how a bot is connected. */
  async function move(
    context: Context<Env>,
    action: string,
    work: (tx: Transaction, tenantId: string, id: string) => Promise<void>,
  ): Promise<Response> {
    const id = idOf(context)
    const response = await answerChange(parts, context, 202, async (tx, { tenantId }, record) => {
      const before = found(await lockBot(tx, tenantId, id), 'bot')
      await work(tx, tenantId, id)
      const after = found(await findBot(tx, tenantId, id), 'bot')
      record({ action, resource: 'bots', id, before, after, events: statusEvents(before, after) })
      return statusOf(after)
    })
    parts.bus.publish('bot.changed', id)
    return response
  }

  return app
}

function statusOf({ status, status_reason }: Bot) {
  return { status, status_reason }
}

/** What the sockets are told of a change of a bot. */
export function statusEvents(before: Bot, after: Bot): FeedEvent[] {
  return after.status === before.status ? [] : [{ type: 'bot.status', data: { id: after.id, ...statusOf(after) } }]
}
