import * as v from 'valibot'
import * as limits from './limits.ts'
import { shorten } from './words.ts'

/** Makes the schema of a string of `min` (1 unless told) to `max` code units. */
export type TextSchema = (max: number, min?: number) => v.GenericSchema<string>

const plainText: TextSchema = (max, min = 1) => v.pipe(v.string(), v.minLength(min), v.maxLength(max))

const mediaType = v.picklist(['image', 'audio', 'video', 'document', 'sticker'])

/** The coordinates of a place, with what WhatsApp shows under the pin. */
const locationSchema = (text: TextSchema) =>
  v.strictObject({
    type: v.literal('location'),
    latitude: v.pipe(v.number(), v.minValue(-90), v.maxValue(90)),
    longitude: v.pipe(v.number(), v.minValue(-180), v.maxValue(180)),
    name: v.optional(text(limits.PLACE_LENGTH_MAX)),
    address: v.optional(text(limits.PLACE_LENGTH_MAX)),
  })

const contactsSchema = (text: TextSchema) =>
  v.strictObject({
    type: v.literal('contacts'),
    contacts: v.pipe(
      v.array(
        v.strictObject({
          name: text(limits.CONTACT_NAME_LENGTH_MAX),
          phones: v.pipe(v.array(text(limits.PHONE_LENGTH_MAX)), v.maxLength(limits.CONTACT_PHONES_MAX)),
        }),
      ),
      v.minLength(1),
      v.maxLength(limits.CONTACTS_MAX),
    ),
  })

const reactionSchema = (text: TextSchema) =>
  v.strictObject({
    type: v.literal('reaction'),
    message_id: text(limits.MESSAGE_ID_LENGTH_MAX),
    emoji: text(limits.EMOJI_LENGTH_MAX, 0),
  })

const outboundMediaSchema = (text: TextSchema) =>
  v.pipe(
    v.strictObject({
      type: mediaType,
      url: v.optional(text(limits.URL_LENGTH_MAX)),
      media_id: v.optional(text(limits.MEDIA_ID_LENGTH_MAX)),
      caption: v.optional(text(limits.CAPTION_LENGTH_MAX)),
      filename: v.optional(text(limits.FILENAME_LENGTH_MAX)),
      mime_type: v.optional(text(limits.MIME_TYPE_LENGTH_MAX)),
    }),
    v.check(media => (media.url === undefined) !== (media.media_id === undefined), 'Give one of url and media_id'),
    v.check(
      media => media.caption === undefined || !(media.type === 'audio' || media.type === 'sticker'),
      'An audio or a sticker has no caption',
    ),
    v.description('Has a `url` or a `media_id`, not both. An audio or a sticker has no `caption`.'),
  )

/** A message template that the provider approved. */
export const templateSchema = (text: TextSchema) =>
  v.strictObject({
    type: v.literal('template'),
    name: text(limits.TEMPLATE_NAME_LENGTH_MAX),
    language: text(limits.LANGUAGE_LENGTH_MAX),
    parameters: v.pipe(
      v.array(text(limits.TEMPLATE_PARAMETER_LENGTH_MAX)),
      v.maxLength(limits.TEMPLATE_PARAMETERS_MAX),
    ),
  })

/** The contents whose shape is the same in a message and in a flow document; `text` sets how long strings may be. */
export function sharedContentSchemas(text: TextSchema) {
  return [
    v.strictObject({ type: v.literal('text'), text: text(limits.TEXT_LENGTH_MAX) }),
    outboundMediaSchema(text),
    locationSchema(text),
    contactsSchema(text),
    templateSchema(text),
    reactionSchema(text),
  ] as const
}

/** One button: `{id, title}`. */
export const buttonSchema = (text: TextSchema) =>
  v.strictObject({ id: text(limits.BUTTON_ID_LENGTH_MAX), title: text(limits.BUTTON_TITLE_LENGTH_MAX) })

/** One row of a list: `{id, title, description?}`. */
export const rowSchema = (text: TextSchema) =>
  v.strictObject({
    id: text(limits.ROW_ID_LENGTH_MAX),
    title: text(limits.ROW_TITLE_LENGTH_MAX),
    description: v.optional(text(limits.ROW_DESCRIPTION_LENGTH_MAX)),
  })

/** Whether no two values of a list are equal. */
export function areUnique(values: readonly string[]): boolean {
  return new Set(values).size === values.length
}

const buttonsSchema = v.strictObject({
  type: v.literal('buttons'),
  text: plainText(limits.BUTTONS_TEXT_LENGTH_MAX),
  buttons: v.pipe(
    v.array(buttonSchema(plainText)),
    v.minLength(1),
    v.maxLength(limits.BUTTONS_MAX),
    v.check(buttons => areUnique(buttons.map(button => button.id)), 'Two buttons have the same id'),
    v.check(buttons => areUnique(buttons.map(button => button.title)), 'Two buttons have the same title'),
    v.description('No two have the same id, or the same title.'),
  ),
})

const sectionSchema = v.strictObject({
  title: v.optional(plainText(limits.SECTION_TITLE_LENGTH_MAX)),
  rows: v.pipe(v.array(rowSchema(plainText)), v.minLength(1), v.maxLength(limits.LIST_ROWS_MAX)),
})

const listSchema = v.strictObject({
  type: v.literal('list'),
  text: plainText(limits.TEXT_LENGTH_MAX),
  button: plainText(limits.LIST_BUTTON_LENGTH_MAX),
  sections: v.pipe(
    v.array(sectionSchema),
    v.minLength(1),
    v.maxLength(limits.LIST_SECTIONS_MAX),
    v.check(
      sections => sections.length === 1 || sections.every(section => section.title !== undefined),
      'With several sections each needs a title',
    ),
    v.check(
      sections => sections.reduce((count, section) => count + section.rows.length, 0) <= limits.LIST_ROWS_MAX,
      `A list has at most ${limits.LIST_ROWS_MAX} rows in all its sections`,
    ),
    v.check(
      sections => areUnique(sections.flatMap(section => section.rows.map(row => row.id))),
      'Two rows have the same id',
    ),
    v.description(
      `With several, each has a title. ${limits.LIST_ROWS_MAX} rows at most in all, no two with the same id.`,
    ),
  ),
})

/**
 * A message that can be sent, within what every provider takes (a provider that lacks buttons or lists shows them
 * as numbered text). Media names a `url` or a `media_id`, never both; an empty reaction `emoji` takes it back.
 */
export const outboundContentSchema = v.variant('type', [...sharedContentSchemas(plainText), buttonsSchema, listSchema])

/** A message that can be sent; see `outboundContentSchema`. */
export type OutboundContent = v.InferOutput<typeof outboundContentSchema>

const referralText = (max: number) => v.optional(plainText(max, 0))

const referralSchema = v.strictObject({
  source_type: v.picklist(['ad', 'post']),
  source_id: referralText(limits.REFERRAL_ID_LENGTH_MAX),
  source_url: referralText(limits.URL_LENGTH_MAX),
  headline: referralText(limits.REFERRAL_TEXT_LENGTH_MAX),
  body: referralText(limits.REFERRAL_TEXT_LENGTH_MAX),
  click_id: referralText(limits.REFERRAL_ID_LENGTH_MAX),
})

/** The advertisement or the post from which a customer came to write. */
export type Referral = v.InferOutput<typeof referralSchema>

const referral = v.optional(referralSchema)

/**
 * A message from a customer. `choice` is a button or a list row that was tapped; `unsupported` says in `reason`
 * what WhatsApp or the provider could not hand over.
 */
export const inboundContentSchema = v.variant('type', [
  v.strictObject({ type: v.literal('text'), text: plainText(limits.INBOUND_TEXT_LENGTH_MAX, 0), referral }),
  v.strictObject({
    type: mediaType,
    media_id: plainText(limits.MEDIA_ID_LENGTH_MAX),
    mime_type: plainText(limits.MIME_TYPE_LENGTH_MAX),
    caption: v.optional(plainText(limits.INBOUND_TEXT_LENGTH_MAX, 0)),
    filename: v.optional(plainText(limits.INBOUND_TEXT_LENGTH_MAX, 0)),
    referral,
  }),
  locationSchema(plainText),
  contactsSchema(plainText),
  reactionSchema(plainText),
  v.strictObject({
    type: v.literal('choice'),
    id: plainText(limits.BUTTON_ID_LENGTH_MAX, 0),
    title: plainText(limits.INBOUND_TEXT_LENGTH_MAX, 0),
    referral,
  }),
  v.strictObject({ type: v.literal('unsupported'), reason: plainText(limits.REASON_LENGTH_MAX, 0) }),
])

/** A message from a customer; see `inboundContentSchema`. */
export type InboundContent = v.InferOutput<typeof inboundContentSchema>

/** The words a customer wrote or tapped: the text, the choice's title, the caption; empty when there are none. */
export function wordsOf(content: InboundContent): string {
  if (content.type === 'text') return content.text
  if (content.type === 'choice') return content.title
  return 'caption' in content ? (content.caption ?? '') : ''
}

/** One line of at most SUMMARY_LENGTH_MAX for a transcript: "Pick one [Yes] [No]", "[image] our shop". */
export function summarize(content: OutboundContent | InboundContent): string {
  return shorten(describe(content).replace(/\s+/g, ' ').trim(), limits.SUMMARY_LENGTH_MAX)
}

function describe(content: OutboundContent | InboundContent): string {
  switch (content.type) {
    case 'text':
      return content.text
    case 'buttons':
      return [content.text, ...content.buttons.map(button => `[${button.title}]`)].join(' ')
    case 'list':
      return [content.text, ...content.sections.flatMap(s => s.rows.map(row => `[${row.title}]`))].join(' ')
    case 'choice':
      return content.title
    case 'location':
      return `[location] ${content.name ?? `${content.latitude}, ${content.longitude}`}`
    case 'contacts':
      return `[contacts] ${content.contacts.map(contact => contact.name).join(', ')}`
    case 'template':
      return `[template] ${content.name}`
    case 'reaction':
      return `[reaction] ${content.emoji}`
    case 'unsupported':
      return `[unsupported] ${content.reason}`
    default:
      return `[${content.type}] ${content.caption ?? content.filename ?? ''}`
  }
}
