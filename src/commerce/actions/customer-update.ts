import * as v from 'valibot'
import { isJsonObject } from '../../flow/json.ts'
import type { Json } from '../../lib/json.ts'
import {
  type CustomerProfile,
  customerNameLengthMax,
  emailLengthMax,
  variableNameLengthMax,
  variablesLengthMax,
} from '../customer-profile.ts'
import { makeAction } from './action.ts'
import { customerShape, customerValue } from './customer-value.ts'
import { refusal, unknownCustomer } from './refusals.ts'
import { words } from './shapes.ts'

type Variables = CustomerProfile['variables']

const email = v.pipe(
  words(1, emailLengthMax),
  v.rfcEmail('Must be an e-mail address'),
  v.description('Their e-mail address; null forgets it'),
)
const variables = v.pipe(
  v.custom<Variables>(given => isJsonObject(given as Json), 'Must be an object'),
  v.check(
    given => Object.keys(given).every(name => name.length > 0 && name.length <= variableNameLengthMax),
    `The names of variables must have 1 to ${variableNameLengthMax} characters`,
  ),
  v.metadata({ type: 'object' }),
  v.description('Put with those that there are, under their names; one that is null is forgotten'),
)

/** `customer.update`: what was learnt of the customer. */
export const customerUpdate = makeAction({
  handler: 'customer.update',
  permission: 'customers:write',
  writes: true,
  input: v.strictObject({
    name: v.optional(v.pipe(words(1, customerNameLengthMax), v.description('What they are called'))),
    email: v.optional(v.nullable(email)),
    variables: v.optional(variables),
  }),
  doc: {
    about:
      'Writes down what was learnt of the customer; what is left out stays as it is. The phone cannot be changed: WhatsApp ' +
      'knows it. `customer` in expressions is as new at once, and so is the value.',
    value: customerShape,
    errors: {
      too_many_variables: `The customer's variables would have more than ${variablesLengthMax / 1024} KB of JSON.`,
      unknown_customer: 'The customer was removed in the meantime.',
    },
    example: { name: 'Ana María', email: 'ana@example.com', variables: { birthday: '04-12' } },
  },
  async perform(shop, { name, email, variables = {} }) {
    const before = await shop.readCustomer()
    if (before === undefined) return unknownCustomer
    const after: CustomerProfile = {
      ...before,
      name: name ?? before.name,
      email: email === undefined ? before.email : email,
      variables: merged(before.variables, variables),
    }
    if (JSON.stringify(after.variables).length > variablesLengthMax)
      return refusal('too_many_variables', 'The customer has too many variables already.')
    await shop.writeCustomer(after)
    return { ok: true, value: customerValue(after) }
  },
})

function merged(before: Variables, changes: Variables): Variables {
  return Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null))
}
