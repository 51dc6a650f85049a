import * as v from 'valibot'
import type { InboundContent } from '../../../flow/content.ts'
import type { InboundMedia } from '../../provider.ts'
import { contentOr, cut, given } from '../read-content.ts'
import { referralOf, withReferral } from '../read-referral.ts'

export const text = v.string()
export const optionalText = v.optional(text)
export const idSchema = v.pipe(text, v.minLength(1), v.maxLength(512))
/** Seconds since 1970, as text. */
export const timestampSchema = v.pipe(
  v.union([text, v.number()]),
  v.transform(seconds => new Date(Number(seconds) * 1000)),
  v.check(date => !Number.isNaN(date.getTime()), 'Must be seconds since 1970'),
)

/** What every message has, and its own fields beside. */
export const messageSchema = v.looseObject({
  id: idSchema,
  timestamp: timestampSchema,
  type: text,
  from: v.optional(v.pipe(text, v.regex(/^\+?\d{5,15}$/))),
  from_user_id: v.optional(v.pipe(text, v.minLength(1), v.maxLength(256))),
  group_id: optionalText,
})

type Message = v.InferOutput<typeof messageSchema>

export const errorSchema = v.object({
  code: v.number(),
  title: optionalText,
  message: optionalText,
  error_data: v.optional(v.object({ details: optionalText })),
})

/** An error's code with the most telling of its texts. */
export function metaError(error: v.InferOutput<typeof errorSchema>) {
  const details = error.error_data?.details ?? error.message ?? error.title ?? ''
  return { code: error.code, details, isTransient: false }
}

const media = v.object({
  id: idSchema,
  mime_type: v.optional(text, 'application/octet-stream'),
  caption: optionalText,
  filename: optionalText,
})
const choice = v.object({ id: text, title: text })

/** The shape of each type's own field. */
const typed = {
  text: v.object({ body: text }),
  location: v.object({
    latitude: v.number(),
    longitude: v.number(),
    name: optionalText,
    address: optionalText,
  }),
  contacts: v.array(
    v.object({
      name: v.object({ formatted_name: text }),
      phones: v.optional(v.array(v.object({ phone: optionalText, wa_id: optionalText })), []),
    }),
  ),
  reaction: v.object({ message_id: text, emoji: v.optional(text, '') }),
  button: v.object({ payload: optionalText, text: text }),
  interactive: v.object({ button_reply: v.optional(choice), list_reply: v.optional(choice) }),
}

/** What a message says; one of a type that is not known here says that. */
export function contentOf(message: Message): InboundContent {
  const errors = v.safeParse(v.array(errorSchema), message.errors)
  const [error] = errors.success ? errors.output : []
  const reason = error === undefined ? '' : `: ${metaError(error).details}`
  return withReferral(contentOr(readContent(message), `${message.type}${reason}`), referralIn(message))
}

const referralSchema = v.object({
  source_type: optionalText,
  source_id: optionalText,
  source_url: optionalText,
  headline: optionalText,
  body: optionalText,
  ctwa_clid: optionalText,
})

/** The ad or the post with a button to WhatsApp that was tapped (developers.facebook.com, "Text messages webhook reference"). */
function referralIn({ referral }: Message): ReturnType<typeof referralOf> {
  const parsed = v.safeParse(referralSchema, referral)
  if (!parsed.success) return undefined
  const { source_type, source_id, source_url, headline, body, ctwa_clid } = parsed.output
  return referralOf({
    ...{ sourceType: source_type, sourceId: source_id, sourceUrl: source_url },
    ...{ headline, body, clickId: ctwa_clid },
  })
}

/** The fields of files; that of a voice message is `voice` where the API runs on a business's own machines. */
const mediaTypes: ReadonlyMap<string, string> = new Map([
  ['image', 'image'],
  ['audio', 'audio'],
  ['voice', 'audio'],
  ['video', 'video'],
  ['document', 'document'],
  ['sticker', 'sticker'],
])

/** How to get its file, where it has one. */
export function mediaOf(message: Message): InboundMedia | undefined {
  const parsed = v.safeParse(media, mediaTypes.has(message.type) ? message[message.type] : undefined)
  return parsed.success ? { kind: 'source', source: { id: parsed.output.id } } : undefined
}

function readContent(message: Message): unknown {
  const { type } = message
  switch (type) {
    case 'text':
      return given(typed.text, message.text, ({ body }) => ({ type, text: cut(body) }))
    case 'image':
    case 'audio':
    case 'voice':
    case 'video':
    case 'document':
    case 'sticker':
      return given(media, message[type], ({ id, mime_type, caption, filename }) => ({
        type: mediaTypes.get(type),
        media_id: id,
        mime_type,
        caption: caption && cut(caption),
        filename,
      }))
    case 'location':
      return given(typed.location, message.location, location => ({ type, ...location }))
    case 'contacts':
      return given(typed.contacts, message.contacts, contacts => ({
        type,
        contacts: contacts.map(({ name, phones }) => ({
          name: name.formatted_name,
          phones: phones.flatMap(({ phone, wa_id }) => phone ?? wa_id ?? []),
        })),
      }))
    case 'reaction':
      return given(typed.reaction, message.reaction, reaction => ({ type, ...reaction }))
    case 'button':
      return given(typed.button, message.button, button => ({
        type: 'choice',
        id: button.payload ?? button.text,
        title: button.text,
      }))
    case 'interactive':
      return given(typed.interactive, message.interactive, ({ button_reply, list_reply }) => ({
        type: 'choice',
        ...(button_reply ?? list_reply),
      }))
    default:
      return null
  }
}
