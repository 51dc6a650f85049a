import { tagOf } from '../customer-profile.ts'
import { makeAction } from './action.ts'
import { unknownCustomer } from './refusals.ts'
import { tagInput, tagsShape } from './tag-add.ts'

/** `tag.remove`: takes a mark from the customer. */
export const tagRemove = makeAction({
  handler: 'tag.remove',
  permission: 'customers:write',
  writes: true,
  input: tagInput,
  doc: {
    about:
      'Takes a tag from the customer; one that they do not have is no error. The value has the tags that are left.',
    value: tagsShape,
    errors: { unknown_customer: 'The customer was removed in the meantime.' },
    example: { tag: 'wholesale' },
  },
  async perform(shop, { tag }) {
    const customer = await shop.readCustomer()
    if (customer === undefined) return unknownCustomer
    const tags = customer.tags.filter(other => tagOf(other) !== tag)
    if (tags.length < customer.tags.length) await shop.writeCustomer({ ...customer, tags })
    return { ok: true, value: { tags } }
  },
})
