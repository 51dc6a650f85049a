import * as v from 'valibot'
import { tagOf } from '../customer-profile.ts'
import { customerTagsMax, tagLengthMax } from '../customers.ts'
import { makeAction } from './action.ts'
import { refusal, unknownCustomer } from './refusals.ts'
import { words } from './shapes.ts'

export const tagInput = v.strictObject({
  tag: v.pipe(words(1, tagLengthMax), v.description('A word or a few'), v.transform(tagOf)),
})
export const tagsShape = v.strictObject({ tags: v.array(v.string()) })

/** `tag.add`: marks the customer. */
export const tagAdd = makeAction({
  handler: 'tag.add',
  permission: 'customers:write',
  writes: true,
  input: tagInput,
  doc: {
    about:
      'Marks the customer with a tag, which they keep after the conversation; one that they have already stays. Tags are ' +
      'kept in lower case. The value has all of the customer’s tags.',
    value: tagsShape,
    errors: {
      too_many_tags: `The customer has ${customerTagsMax} tags already.`,
      unknown_customer: 'The customer was removed in the meantime.',
    },
    example: { tag: 'Wholesale' },
  },
  async perform(shop, { tag }) {
    const customer = await shop.readCustomer()
    if (customer === undefined) return unknownCustomer
    const { tags } = customer
    // Tags of the API may be written in any case.
    if (tags.some(other => tagOf(other) === tag)) return { ok: true, value: { tags } }
    if (tags.length >= customerTagsMax)
      return refusal('too_many_tags', `The customer has ${customerTagsMax} tags already.`)
    await shop.writeCustomer({ ...customer, tags: [...tags, tag] })
    return { ok: true, value: { tags: [...tags, tag] } }
  },
})
