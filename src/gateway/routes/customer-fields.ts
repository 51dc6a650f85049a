import * as v from 'valibot'
import { customerTagsMax, identityKinds, tagLengthMax } from '../../commerce/customers.ts'
import { named } from '../json-schema.ts'
import { email, jsonObject, phone, readOnly, text, time, uuid } from '../schemas.ts'

// What is written and shown of a customer.

const identitiesMax = 20
const variablesBytesMax = 64 * 1024

export const identityValue = text(256)
export const tagText = text(tagLengthMax)
const identity = v.variant(
  'kind',
  [
    v.strictObject({ kind: v.literal('phone'), value: phone }),
    v.strictObject({ kind: v.picklist(['bsuid', 'lid']), value: identityValue }),
  ],
  `Must be one of ${identityKinds.join(', ')}`,
)
const fields = {
  name: text(200, 0),
  phone: v.nullable(phone),
  email: v.nullable(email),
  identities: v.pipe(v.array(identity), v.maxLength(identitiesMax, `Must have at most ${identitiesMax}`)),
  variables: v.pipe(
    jsonObject,
    v.check(variables => JSON.stringify(variables).length <= variablesBytesMax, 'Must have at most 64 KB of JSON'),
  ),
  tags: v.pipe(v.array(tagText), v.maxLength(customerTagsMax, `Must have at most ${customerTagsMax}`)),
}

const generated = readOnly('id', 'opted_out_at', 'created_at', 'updated_at')
export const newCustomer = v.strictObject({
  name: v.optional(fields.name, ''),
  phone: v.optional(fields.phone, null),
  email: v.optional(fields.email, null),
  identities: v.optional(fields.identities, []),
  variables: v.optional(fields.variables, {}),
  tags: v.optional(fields.tags, []),
  ...generated,
})
export const customerChanges = v.strictObject({ ...v.partial(v.object(fields)).entries, ...generated })
/** A customer, wherever they are shown. */
export const customer = named(
  'Customer',
  v.strictObject({
    id: uuid,
    ...fields,
    // Two customers who turned out to be one have the identities and the variables of both.
    identities: v.array(identity),
    variables: jsonObject,
    tags: v.array(v.string()),
    opted_out_at: v.pipe(
      v.nullable(time),
      v.description('Since when they want no messages: nothing is sent to them. Changed by `opt-out` and `opt-in`.'),
    ),
    created_at: time,
    updated_at: time,
  }),
)
