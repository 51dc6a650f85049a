import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { recordAudit } from '../../identity/audit.ts'
import { AppError } from '../../lib/errors.ts'
import { erasePerson } from '../../messaging/privacy/erase-person.ts'
import type { Erasure } from '../../messaging/privacy/erasures.ts'
import { type ExportedCustomer, exportCustomer, findExportedCustomer } from '../../messaging/privacy/export-customer.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { inTenant } from '../../stores/postgres/in-tenant.ts'
import { originOf } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import type { Parts } from '../parts.ts'
import { jsonObject, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idOf, makeGuard, notFound } from '../steps.ts'
import { erasure, shownErasure } from './erasures.ts'

const rows = v.array(jsonObject)
const customerExport = named(
  'CustomerExport',
  v.strictObject({
    exported_at: time,
    customer: jsonObject,
    consents: rows,
    conversations: v.pipe(
      v.array(v.looseObject({ id: uuid, messages: rows, events: rows })),
      v.description('With the messages and events of each, the oldest first'),
    ),
    orders: rows,
    carts: rows,
    media: v.pipe(rows, v.description('The bytes of a file: `GET /api/media/{id}/content`')),
    log_entries: rows,
  }),
)

const tag = 'Privacy'
const nobody = 'This is whom the orders of erased people are of: there is nothing to erase.'

/** What is known of a customer, handed out and erased. */
export function customerPrivacyRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/:id/export',
    describe({
      id: 'exportCustomer',
      tag,
      summary: 'All that is known of a customer, as one file',
      description:
        'Who has asked for it is in the audit log. What ends before its last bracket was not made to the end.',
      answers: { 200: customerExport },
      errors: ['not_found'],
    }),
    may('privacy:read', { isFile: true }),
    async context => {
      const customer = await noteExport(context, idOf(context))
      const { tenantId } = context.get('caller')
      const pieces = exportCustomer(parts, tenantId, customer, new Date(parts.clock.now()))
      return new Response(streamOf(pieces), {
        headers: {
          'content-type': 'application/json',
          'content-disposition': `attachment; filename="customer-${customer.id}.json"`,
          'cache-control': 'no-store',
          // No two exports are the same.
          etag: `"${parts.ids.next()}"`,
        },
      })
    },
  )
  app.post(
    '/:id/erase',
    describe({
      id: 'eraseCustomer',
      tag,
      summary: 'Erase a customer, and all that is known of them, everywhere',
      description:
        'The customer, their conversations, messages, files and carts are gone with the answer, which cannot be undone; ' +
        'their orders stay, as those of nobody. What mentions them elsewhere goes within minutes: `GET /api/erasures/{id}` ' +
        'says when it is done. Whoever wanted no messages is opted out when they are known again. Asked for again, the ' +
        'answer is the same.',
      answers: { 202: erasure },
      errors: ['not_found', 'conflict'],
    }),
    may('privacy:write'),
    body(v.strictObject({ reason: v.optional(text(200)) }), { mayBeEmpty: true }),
    async context => {
      const erased = await erase(context, idOf(context), context.req.valid('json').reason ?? null)
      const { tenantId } = context.get('caller')
      await parts.feed.announce(tenantId, { changed: ['customers', 'conversations', 'orders'] })
      parts.bus.publish('erasures')
      return context.json(shownErasure(erased), 202)
    },
  )

  /** Whoever gets it is noted before they get it. */
  async function noteExport(context: Context<Env>, id: string): Promise<ExportedCustomer> {
    const caller = context.get('caller')
    return await inTenant(parts.database, caller.tenantId, async tx => {
      const customer = found(await findExportedCustomer(tx, caller.tenantId, id), 'customer')
      const entry = { action: 'customer.exported', resource: 'customers', id, before: null, after: null }
      await recordAudit(tx, parts.ids, caller, { ...originOf(parts, context), ...entry })
      return customer
    })
  }

  /** All in one transaction, under the role that may erase, with its line in the audit log. */
  async function erase(context: Context<Env>, customerId: string, reason: string | null): Promise<Erasure> {
    const caller = context.get('caller')
    const { tenantId } = caller
    const origin = originOf(parts, context)
    const work = async (tx: Transaction) => {
      const asked = { tenantId, customerId, caller, reason, at: origin.at }
      const erased = await erasePerson(tx, parts.ids, parts.sealer, asked)
      if (erased.kind === 'unknown') throw notFound('customer')
      if (erased.kind === 'nobody') throw new AppError('conflict', nobody)
      if (erased.kind === 'known') return erased.erasure
      const after = { erasure_id: erased.erasure.id, reason: erased.erasure.reason }
      const entry = { action: 'customer.erased', resource: 'customers', id: customerId, before: null, after }
      await recordAudit(tx, parts.ids, caller, { ...origin, ...entry })
      return erased.erasure
    }
    return await inTenant(parts.database, tenantId, work, 'privacy')
  }

  return app
}

/** As fast as it is taken. Whoever goes away ends it. */
function streamOf(pieces: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await pieces.return(undefined)
    },
  })
}
