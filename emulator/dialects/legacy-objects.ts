import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { BusinessNumber } from '../records.ts'
import { parseJson, respond } from '../send-api.ts'
import { invalidKey } from './d360-errors.ts'
import { numberOfKey } from './d360-key.ts'
import type { Stage } from './dialect.ts'
import { legacyAnswer, meta, unknownResource } from './legacy-errors.ts'

const contactsMax = 1_000

const contactsSchema = v.object({
  blocking: v.optional(v.picklist(['wait', 'no_wait']), 'no_wait'),
  contacts: v.pipe(v.array(v.string()), v.nonEmpty(), v.maxLength(contactsMax)),
})

const readSchema = v.object({ status: v.literal('read') })

/** What the on-premises API knows besides messages: contacts, media and read marks. */
export function legacyObjects(stage: Stage): Hono {
  const { world, exchange, media } = stage
  const app = new Hono()
  app.post('/v1/contacts', async context =>
    withKey(context, async () => {
      const body = v.safeParse(contactsSchema, parseJson(await context.req.text()))
      if (!body.success) return respond(legacyAnswer(400, 1009, 'Parameter value is not valid', body.issues[0].message))
      const { contacts, blocking } = body.output
      return context.json({ contacts: contacts.map(input => checkContact(stage, input, blocking)), meta })
    }),
  )
  app.put('/v1/messages/:id', async context =>
    withKey(context, async number => {
      if (!v.is(readSchema, parseJson(await context.req.text()))) {
        return respond(legacyAnswer(400, 1009, 'Parameter value is not valid', 'status takes read'))
      }
      const located = world.message(context.req.param('id'))
      const isOurs = located?.chat.number === number.id && located.message.direction === 'inbound'
      if (located === null || !isOurs) return respond(unknownResource(`There is no message ${context.req.param('id')}`))
      exchange.markRead(located)
      return context.json({ meta })
    }),
  )
  app.post('/v1/media', async context =>
    withKey(context, async () => {
      const type = context.req.header('content-type')
      const bytes = new Uint8Array(await context.req.arrayBuffer())
      if (type === undefined || bytes.length === 0) {
        return respond(
          legacyAnswer(400, 1008, 'Required parameter is missing', 'A file and its Content-Type are needed'),
        )
      }
      return context.json({ media: [{ id: media.add(type, bytes, crypto.randomUUID()).id }], meta }, 201)
    }),
  )
  app.get('/v1/media/:id', async context =>
    withKey(context, async () => {
      const file = media.get(context.req.param('id'))
      if (file === null) return respond(unknownResource(`There is no media ${context.req.param('id')}`))
      return new Response(file.bytes, { headers: { 'content-type': file.mimeType } })
    }),
  )
  app.delete('/v1/media/:id', async context =>
    withKey(context, async () => {
      const isRemoved = media.remove(context.req.param('id'))
      return isRemoved
        ? context.json({ meta })
        : respond(unknownResource(`There is no media ${context.req.param('id')}`))
    }),
  )
  return app

  async function withKey(context: Context, answer: (number: BusinessNumber) => Promise<Response>): Promise<Response> {
    const number = numberOfKey(world, context.req.raw, 'legacy')
    return number === null ? respond(invalidKey()) : await answer(number)
  }
}

/** Whoever does not wait hears of a number that is new here at the second time. */
function checkContact({ world, exchange }: Stage, input: string, blocking: 'wait' | 'no_wait') {
  const phone = input.replace(/^\+|[\s().-]/g, '')
  if (!/^\d{7,15}$/.test(phone)) return { input, status: 'invalid' }
  const isNew = world.customer(phone) === null
  const customer = exchange.customer(phone)
  if (blocking === 'no_wait' && isNew) return { input, status: 'processing' }
  return customer.not_on_whatsapp === true ? { input, status: 'invalid' } : { input, status: 'valid', wa_id: phone }
}
