import * as v from 'valibot'

/*
 * What the dialects' inputs for `PUT /emulator/numbers/{id}` are made of.
 */

export const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

/** A key or a secret: it goes into a header. */
export const key = v.pipe(text(2_048), v.regex(/^[\x21-\x7e]+$/, 'is not printable ASCII without spaces'))

export const webhookUrl = v.pipe(v.string(), v.url(), v.regex(/^https?:/i, 'is not an http or https address'))

/** Headers that a provider adds to its webhooks. */
export const headers = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[\w!#$%&'*+.^`|~-]{1,100}$/, 'is no name of a header')),
    v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,2048}$/, 'is no value of a header')),
  ),
  v.check(value => Object.keys(value).length <= 20, 'takes at most 20 headers'),
)

/** The fields of every number, besides `webhook_url`, which some set by their API. */
export const commonFields = {
  display_phone_number: v.pipe(text(32), v.regex(/\d{5}/, 'is not a phone number')),
  name: v.optional(text(100), 'Shop'),
  deliver_to: v.exactOptional(webhookUrl),
}

type Common = {
  readonly display_phone_number: string
  readonly name: string
  readonly webhook_url: string | null
  readonly deliver_to?: string
}

/** Parts the fields of every number from those of its dialect. */
export function parted<T extends Common>({ display_phone_number, name, webhook_url, deliver_to, ...rest }: T) {
  const common = { display_phone_number, name, webhook_url, ...(deliver_to === undefined ? {} : { deliver_to }) }
  return { common, rest }
}

export const wabaId = v.optional(text(64), '100000000000001')
