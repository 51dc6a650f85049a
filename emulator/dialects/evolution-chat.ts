import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { parseJson, respond } from '../send-api.ts'
import type { Stage } from './dialect.ts'
import type { EvolutionNumber } from './evolution-account.ts'
import { wide } from './evolution-build-message.ts'
import type { Instances } from './evolution-context.ts'
import { badRequest, connectionClosed, invalid } from './evolution-errors.ts'
import { issueOf } from './evolution-issue.ts'
import { addressed, customerAt, phoneJid } from './evolution-jid.ts'

const numbersMax = 1_000
const presenceMsMax = 60_000

const readSchema = v.looseObject({
  readMessages: v.pipe(
    v.array(v.looseObject({ id: v.string(), remoteJid: v.string(), fromMe: v.boolean() })),
    v.minLength(1),
  ),
})

const presenceSchema = v.looseObject({
  number: v.pipe(v.string(), v.minLength(1)),
  presence: v.picklist(['unavailable', 'available', 'composing', 'recording', 'paused']),
  delay: v.pipe(v.number(), v.minValue(0)),
})

const numbersSchema = v.looseObject({ numbers: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(numbersMax)) })

const mediaSchema = v.looseObject({ message: v.looseObject({ key: v.looseObject({ id: v.string() }) }) })

/** `/chat/…`: read marks, presence, who is on WhatsApp, and the files of messages. */
export function chatRoutes({ stage, withInstance }: Instances): Hono {
  const app = new Hono()
  app.post('/chat/markMessageAsRead/:name', context =>
    withBody(context, readSchema, (number, { readMessages }) => {
      if (number.account.state !== 'open') return respond(connectionClosed())
      for (const { id } of readMessages) markRead(stage, number, id)
      return context.json({ message: 'Read messages', read: 'success' }, 201)
    }),
  )
  app.post('/chat/sendPresence/:name', context =>
    withBody(context, presenceSchema, async (number, { number: to, presence, delay }) => {
      if (number.account.state !== 'open') return respond(connectionClosed())
      const customer = customerAt(stage.world, phone => stage.exchange.customer(phone), to)
      if (customer !== null && (presence === 'composing' || presence === 'recording'))
        stage.onTyping(number.id, customer.id)
      await Bun.sleep(Math.min(delay, presenceMsMax))
      return context.json({ presence }, 201)
    }),
  )
  app.post('/chat/whatsappNumbers/:name', context =>
    withBody(context, numbersSchema, (number, { numbers }) => {
      if (number.account.state !== 'open') return respond(connectionClosed())
      return context.json(numbers.map(each => lookUp(stage, number, each)))
    }),
  )
  app.post('/chat/getBase64FromMediaMessage/:name', context =>
    withBody(context, mediaSchema, (number, { message }) => fileOf(stage, number, message.key.id, context)),
  )
  return app

  function withBody<T>(
    context: Context,
    schema: v.GenericSchema<unknown, T>,
    answer: (number: EvolutionNumber, body: T) => Response | Promise<Response>,
  ): Promise<Response> {
    return withInstance(context, async number => {
      const body = v.safeParse(schema, parseJson(await context.req.text()))
      return body.success ? await answer(number, body.output) : respond(invalid(issueOf(body.issues[0])))
    })
  }
}

/** Ids that are not known change nothing, and nobody is told. */
function markRead({ world, exchange }: Stage, number: EvolutionNumber, id: string): void {
  const located = world.message(id)
  if (located?.chat.number === number.id && located.message.direction === 'inbound') exchange.markRead(located)
}

function lookUp({ world, exchange }: Stage, number: EvolutionNumber, given: string): unknown {
  const customer = customerAt(world, phone => exchange.customer(phone), given)
  if (customer === null || customer.not_on_whatsapp === true) {
    return { jid: given.includes('@') ? given : phoneJid(given.replace(/\D/g, '')), exists: false, number: given }
  }
  const { remoteJid, remoteJidAlt } = addressed(number, customer)
  const lid = [remoteJid, remoteJidAlt].find(jid => jid?.endsWith('@lid'))
  return { jid: remoteJid, exists: true, number: given, name: customer.name, lid }
}

const kinds = {
  image: 'imageMessage',
  audio: 'audioMessage',
  video: 'videoMessage',
  document: 'documentMessage',
  sticker: 'stickerMessage',
} as const

function fileOf({ world, media }: Stage, number: EvolutionNumber, id: string, context: Context): Response {
  const located = world.message(id)
  if (located === null || located.chat.number !== number.id) return respond(badRequest('Message not found'))
  const { content } = located.message
  if (!('media_id' in content) || content.media_id === undefined) {
    return respond(badRequest('The message is not of the media type'))
  }
  const file = media.get(content.media_id)
  if (file === null) return respond(badRequest('Error: Failed to fetch stream: the file is not there any more'))
  const extension = file.mimeType.split('/')[1]?.split(';')[0] ?? 'bin'
  return context.json(
    {
      ...{ mediaType: kinds[content.type], fileName: content.filename ?? `${id}.${extension}` },
      ...(content.caption === undefined ? {} : { caption: content.caption }),
      ...{ size: { fileLength: wide(file.bytes.length) }, mimetype: file.mimeType },
      ...{ base64: Buffer.from(file.bytes).toString('base64'), buffer: null },
    },
    201,
  )
}
