import * as v from 'valibot'
import type { Content } from '../records.ts'
import { invalidParameter, invalidValue, type MetaError } from './meta-errors.ts'
import { checkInteractive, interactiveContent, interactiveSchema } from './meta-interactive.ts'

/** Whom a send goes to: `to` is a phone, `recipient` a business-scoped user id. `input` is what the bot wrote. */
export type Recipient =
  | { readonly by: 'phone'; readonly input: string; readonly phone: string }
  | { readonly by: 'user_id'; readonly input: string }

/** A valid body of `POST /{phone_number_id}/messages`. */
export type SendCommand =
  | {
      readonly kind: 'message'
      readonly recipient: Recipient
      readonly content: Content
      readonly replyTo: string | null
      readonly callbackData: string | null
    }
  | { readonly kind: 'read'; readonly messageId: string; readonly typing: boolean }

const callbackDataBytesMax = 512

const text = (charactersMax: number) => v.pipe(v.string(), v.nonEmpty('can not be empty'), v.maxLength(charactersMax))
const link = v.pipe(
  v.string(),
  v.check(value => /^https?:\/\//i.test(value) && URL.canParse(value), 'is not an http or https address'),
)
const optionalText = v.exactOptional(v.string())

const mediaReference = { id: v.exactOptional(text(256)), link: v.exactOptional(link) }
const caption = v.exactOptional(v.pipe(v.string(), v.maxLength(1024)))
const oneReference = v.check(
  (media: { id?: string; link?: string }) => (media.id === undefined) !== (media.link === undefined),
  'takes exactly one of id and link',
)
const captioned = v.pipe(v.object({ ...mediaReference, caption }), oneReference)

const templateParameter = v.looseObject({ type: v.string(), text: optionalText, payload: optionalText })
const templateComponent = v.looseObject({
  type: v.string(),
  sub_type: optionalText,
  parameters: v.optional(v.array(templateParameter), []),
})

const contact = v.looseObject({
  name: v.looseObject({ formatted_name: text(1024) }),
  phones: v.optional(v.array(v.looseObject({ phone: v.string() })), []),
})

const messageSchema = v.variant('type', [
  v.object({
    type: v.literal('text'),
    text: v.object({ body: text(4096), preview_url: v.exactOptional(v.boolean()) }),
  }),
  v.object({ type: v.literal('interactive'), interactive: interactiveSchema }),
  v.object({ type: v.literal('image'), image: captioned }),
  v.object({ type: v.literal('video'), video: captioned }),
  v.object({
    type: v.literal('document'),
    document: v.pipe(v.object({ ...mediaReference, caption, filename: optionalText }), oneReference),
  }),
  v.object({
    type: v.literal('audio'),
    audio: v.pipe(v.object({ ...mediaReference, voice: v.exactOptional(v.boolean()) }), oneReference),
  }),
  v.object({ type: v.literal('sticker'), sticker: v.pipe(v.object(mediaReference), oneReference) }),
  v.object({
    type: v.literal('location'),
    location: v.object({
      latitude: v.pipe(v.number(), v.minValue(-90), v.maxValue(90)),
      longitude: v.pipe(v.number(), v.minValue(-180), v.maxValue(180)),
      name: optionalText,
      address: optionalText,
    }),
  }),
  v.object({ type: v.literal('contacts'), contacts: v.pipe(v.array(contact), v.nonEmpty('can not be empty')) }),
  v.object({
    type: v.literal('template'),
    template: v.looseObject({
      name: v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,512}$/, 'takes lower-case letters, digits and underscores')),
      language: v.looseObject({
        code: v.pipe(v.string(), v.regex(/^[a-z]{2,3}(_[A-Za-z]{2,4})?$/, 'is no language code')),
      }),
      components: v.optional(v.array(templateComponent), []),
    }),
  }),
  v.object({ type: v.literal('reaction'), reaction: v.object({ message_id: text(1024), emoji: v.string() }) }),
])

type Message = v.InferOutput<typeof messageSchema>

const envelopeSchema = v.looseObject({
  messaging_product: v.literal('whatsapp'),
  recipient_type: v.exactOptional(v.literal('individual')),
  to: v.exactOptional(v.string()),
  recipient: v.exactOptional(v.string()),
  type: v.optional(v.string(), 'text'),
  context: v.exactOptional(v.looseObject({ message_id: text(1024) })),
  biz_opaque_callback_data: v.exactOptional(
    v.pipe(v.string(), v.maxBytes(callbackDataBytesMax, `must be at most ${callbackDataBytesMax} bytes long`)),
  ),
})

type Envelope = v.InferOutput<typeof envelopeSchema>

const readSchema = v.object({
  messaging_product: v.literal('whatsapp'),
  status: v.literal('read'),
  message_id: text(1024),
  typing_indicator: v.exactOptional(v.object({ type: v.literal('text') })),
})

/** Reads a body of the send API, or says with which error Meta refuses it. */
export function parseSend(body: unknown): SendCommand | { kind: 'refused'; error: MetaError } {
  if (typeof body === 'object' && body !== null && 'status' in body) return parseRead(body)
  const envelope = v.safeParse(envelopeSchema, body)
  if (!envelope.success) return refused(shapeError(envelope.issues))
  const recipient = parseRecipient(envelope.output)
  if (recipient.by === 'nobody') return refused(recipient.error)
  const message = v.safeParse(messageSchema, envelope.output)
  if (!message.success) return refused(shapeError(message.issues))
  const broken = message.output.type === 'interactive' ? checkInteractive(message.output.interactive) : null
  if (broken !== null) return refused(invalidValue(broken))
  return {
    kind: 'message',
    recipient,
    content: messageContent(message.output),
    replyTo: envelope.output.context?.message_id ?? null,
    callbackData: envelope.output.biz_opaque_callback_data ?? null,
  }
}

function parseRead(body: object): SendCommand | { kind: 'refused'; error: MetaError } {
  const read = v.safeParse(readSchema, body)
  if (!read.success) return refused(shapeError(read.issues))
  return { kind: 'read', messageId: read.output.message_id, typing: read.output.typing_indicator !== undefined }
}

/** `to` wins where both are given. */
function parseRecipient({ to, recipient }: Envelope): Recipient | { by: 'nobody'; error: MetaError } {
  if (to !== undefined) {
    const phone = to.replace(/^\+|[\s().-]/g, '')
    if (/^\d{7,15}$/.test(phone)) return { by: 'phone', input: to, phone }
    return { by: 'nobody', error: invalidValue(`Param to is not a phone number: ${to.slice(0, 64)}`) }
  }
  if (recipient === undefined) {
    return { by: 'nobody', error: invalidParameter('The parameter to is required, or recipient in its place.') }
  }
  if (isUserId(recipient)) return { by: 'user_id', input: recipient }
  return {
    by: 'nobody',
    error: invalidValue(`Param recipient is not a business-scoped user id: ${recipient.slice(0, 64)}`),
  }
}

/** Whether it has the form of a business-scoped user id, as `US.1000000000000143`. */
export function isUserId(value: string): boolean {
  return value.length <= 150 && /^[A-Z]{2}\.[A-Za-z0-9.]+$/.test(value)
}

function messageContent(message: Message): Content {
  switch (message.type) {
    case 'text':
      return { type: 'text', text: message.text.body }
    case 'interactive':
      return interactiveContent(message.interactive)
    case 'image':
      return mediaContent('image', message.image)
    case 'video':
      return mediaContent('video', message.video)
    case 'document':
      return mediaContent('document', message.document)
    case 'audio':
      return mediaContent('audio', message.audio)
    case 'sticker':
      return mediaContent('sticker', message.sticker)
    case 'location':
      return { type: 'location', ...message.location }
    case 'contacts':
      return {
        type: 'contacts',
        contacts: message.contacts.map(({ name, phones }) => ({
          name: name.formatted_name,
          phones: phones.map(({ phone }) => phone),
        })),
      }
    case 'template':
      return templateContent(message.template)
    case 'reaction':
      return { type: 'reaction', ...message.reaction }
  }
}

type MediaContent = Extract<Content, { media_id?: string }>

function mediaContent(
  type: MediaContent['type'],
  { id, ...rest }: { id?: string } & Omit<MediaContent, 'type' | 'media_id'>,
): Content {
  return { type, ...(id === undefined ? {} : { media_id: id }), ...rest }
}

/** The emulator knows no template's text: it shows the parameters, and a button by its payload. */
function templateContent({ name, language, components }: Extract<Message, { type: 'template' }>['template']): Content {
  const buttons = components.filter(({ type, sub_type }) => type === 'button' && sub_type === 'quick_reply')
  return {
    type: 'template',
    name,
    language: language.code,
    parameters: components
      .filter(({ type }) => type.toLowerCase() !== 'button')
      .flatMap(({ parameters }) => parameters.map(each => each.text ?? `[${each.type}]`)),
    buttons: buttons.flatMap(({ parameters }) =>
      parameters.map(({ payload }) => ({ id: payload ?? '', title: payload ?? '' })),
    ),
  }
}

function refused(error: MetaError): { kind: 'refused'; error: MetaError } {
  return { kind: 'refused', error }
}

/** The first issue, worded as Meta does: which parameter, and what is wrong with it. */
function shapeError([issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): MetaError {
  const [head, ...rest] = (issue.path ?? []).map(({ key }) => String(key))
  if (head === undefined) return invalidParameter('The body must be a JSON object.')
  const name = head + rest.map(key => (/^\d+$/.test(key) ? `[${key}]` : `['${key}']`)).join('')
  if (issue.input === undefined) return invalidParameter(`The parameter ${name} is required.`)
  if (issue.type === 'max_length')
    return invalidParameter(`Param ${name} must be at most ${issue.requirement} characters long.`)
  if (issue.kind === 'schema')
    return invalidParameter(`Param ${name} takes ${issue.expected}, got ${issue.received.slice(0, 100)}.`)
  return invalidParameter(`Param ${name} ${issue.message}.`)
}
