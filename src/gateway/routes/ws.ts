import { Hono } from 'hono'
import * as v from 'valibot'
import { AppError } from '../../lib/errors.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import type { Parts } from '../parts.ts'
import { SocketOwner } from '../socket-room.ts'
import { describe, makeGuard, open, query } from '../steps.ts'
import { makeTicket, readTicket, ticketSeconds } from '../tickets.ts'

const tag = 'Real time'

const ticket = named('WebSocketTicket', v.strictObject({ ticket: v.string(), expires_in: v.number() }))
const ticketCharactersMax = 1_000

export function socketRoutes(parts: Parts): Hono<Env> {
  const { callers, clock, config, gate, limits, sockets } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/ticket',
    describe({
      id: 'createWebSocketTicket',
      tag,
      summary: 'A ticket with which a WebSocket can be opened',
      description: `Works once, within ${ticketSeconds} seconds, for whoever asks.`,
      answers: { 201: ticket },
    }),
    may('me'),
    async context => {
      const found = await callers.identify(context)
      if (found === null) throw new AppError('unauthenticated', 'The login or the key has just ended.')
      const made = makeTicket(config, { ...found.caller, endsMs: found.endsMs }, clock.now())
      return context.json({ ticket: made, expires_in: ticketSeconds }, 201)
    },
  )
  app.get(
    '/',
    describe({
      id: 'openWebSocket',
      tag,
      summary: 'Open a WebSocket, on which the events of the tenant arrive',
      description:
        'Each message is `{type, data, at}`; what the caller may not read is not told. Send `{"type":"ping"}` to get ' +
        '`{"type":"pong"}`. It is closed with 1012 at a restart, 4401 when the login or the key changes or ends, 4408 ' +
        'where events are not taken fast enough, 4429 where the tenant has too many: what was missed is read over the ' +
        'API. See the guide on real time.',
      answers: { 101: null },
      errors: ['wrong_ticket', 'upgrade_required', 'overloaded'],
    }),
    query(v.strictObject({ ticket: v.pipe(v.string(), v.maxLength(ticketCharactersMax)) })),
    open(async context => {
      if (context.req.header('upgrade')?.toLowerCase() !== 'websocket')
        throw new AppError('upgrade_required', 'Connect with a WebSocket client.')
    }),
    async context => {
      const changesBefore = sockets.changes()
      const given = readTicket(config, context.req.valid('query').ticket, clock.now())
      const caller = given && (await isFirstUse(given.nonce)) ? await callers.again(given) : null
      if (given === null || caller === null) {
        await limits.admitStranger(context)
        throw new AppError('wrong_ticket', 'Get another one: POST /api/ws/ticket.')
      }
      const owner = new SocketOwner(caller, given.endsMs, changesBefore)
      const isUpgraded = await sockets.admit(caller.tenantId, () => context.env.upgrade?.(owner) ?? false)
      if (!isUpgraded) throw new AppError('upgrade_required', 'The WebSocket handshake is not complete.')
      context.set('isComplete', true)
      return new Response(null, { status: 101 })
    },
  )

  /** In all processes together. Where they cannot be asked, a ticket is not good for one use in each. */
  async function isFirstUse(nonce: string): Promise<boolean> {
    try {
      return (await gate.take(`ws:${nonce}`, 1, ticketSeconds * 1_000)).allowed
    } catch {
      throw new AppError('overloaded', 'Tickets cannot be checked just now: try again in a moment.')
    }
  }

  return app
}
