import * as v from 'valibot'
import { assignStrategies } from '../assign-seller.ts'
import { makeAction } from './action.ts'
import { refusal } from './refusals.ts'
import { idOf } from './shapes.ts'

const sellersMax = 100

const only = v.pipe(
  v.array(idOf('seller'), 'Must be a list of sellers'),
  v.minLength(1, 'Must not be empty'),
  v.maxLength(sellersMax, `Must have at most ${sellersMax}`),
  v.description('To choose among these only; others, and those who are not active, are passed over'),
)

/** `seller.assign`: gives the conversation to a seller, by turns. */
export const sellerAssign = makeAction({
  handler: 'seller.assign',
  permission: 'conversations:write',
  writes: true,
  input: v.strictObject({
    strategy: v.pipe(
      v.picklist(assignStrategies, `Must be one of ${assignStrategies.join(', ')}`),
      v.description('`round_robin`: whose turn is longest ago; `least_loaded`: who has the fewest open conversations'),
    ),
    only: v.optional(only),
    keep: v.optional(
      v.pipe(
        v.boolean('Must be true or false'),
        v.description('Whether a conversation that is an active seller’s already stays theirs'),
      ),
      true,
    ),
  }),
  doc: {
    about:
      'Gives the conversation to an active seller, whose agents see it from then on; orders that it leads to are theirs ' +
      'too. However many conversations ask at the same moment, each seller has their turn before anybody has a second. ' +
      'The bot goes on talking: `support.handoff`, or a step of type `handoff`, calls a person.',
    value: v.strictObject({ seller_id: v.string(), name: v.string(), kept: v.boolean() }),
    errors: { no_seller: 'No seller is active, or none of `only`.' },
    example: { strategy: 'round_robin' },
  },
  async perform(shop, { strategy, only, keep }) {
    const present = keep ? await shop.sellerOfConversation() : undefined
    if (present !== undefined && (only === undefined || only.includes(present.id)))
      return { ok: true, value: { seller_id: present.id, name: present.name, kept: true } }
    const chosen = await shop.assignSeller(strategy, only ?? null)
    return chosen === null
      ? refusal('no_seller', 'There is no active seller to give the conversation to.')
      : { ok: true, value: { seller_id: chosen.id, name: chosen.name, kept: false } }
  },
})
