import * as v from 'valibot'
import { NOTE_LENGTH_MAX } from '../../flow/limits.ts'
import { makeAction } from './action.ts'
import { refusal } from './refusals.ts'
import { exampleIds, idOf } from './shapes.ts'

/** `support.handoff`: calls a person, while the flow goes on to its next wait. */
export const supportHandoff = makeAction({
  handler: 'support.handoff',
  permission: 'conversations:write',
  writes: true,
  input: v.strictObject({
    note: v.optional(
      v.pipe(
        v.string('Must be a text'),
        v.maxLength(NOTE_LENGTH_MAX, `Must have at most ${NOTE_LENGTH_MAX} characters`),
        v.description('What the person is told'),
      ),
      '',
    ),
    seller_id: v.optional(v.nullable(v.pipe(idOf('seller'), v.description('Whose conversation it is to be')))),
  }),
  doc: {
    about:
      'Calls a person to the conversation, and gives it to a seller where one is named. It is done once this turn is over: ' +
      'what the flow says after this action is still sent, then the bot is silent until the person gives the ' +
      'conversation back. To stop at once, use a step of type `handoff`.',
    value: v.strictObject({ seller_id: v.nullable(v.string()) }),
    errors: { unknown_seller: 'There is no such seller, or they are not active.' },
    example: { note: 'Asks for an invoice', seller_id: exampleIds.seller },
  },
  async perform(shop, { note, seller_id = null }) {
    if (seller_id !== null && !(await shop.giveToSeller(seller_id)))
      return refusal('unknown_seller', 'There is no such seller, or they are not active.')
    await shop.callPerson(note)
    return { ok: true, value: { seller_id } }
  },
})
