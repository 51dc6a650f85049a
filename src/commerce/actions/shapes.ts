import * as v from 'valibot'
import { isUuid } from '../../lib/ids.ts'
import type { Json } from '../../lib/json.ts'
import { cartQuantityMax } from '../cart.ts'

// The pieces that inputs and values of actions are made of.

const kindsOfId = { product: 'a product', seller: 'a seller' } as const

export function idOf(thing: keyof typeof kindsOfId) {
  return v.pipe(v.string(), v.check(isUuid, `Must be the id of ${kindsOfId[thing]}`), v.metadata({ format: 'uuid' }))
}

export function wholeNumber(min: number, max: number) {
  const message = `Must be a whole number from ${min} to ${max}`
  return v.pipe(v.number(message), v.safeInteger(message), v.minValue(min, message), v.maxValue(max, message))
}

/** `min` to `max` characters (UTF-16 units), blanks around them not counted. */
export function words(min: 0 | 1, max: number) {
  return v.pipe(
    v.string('Must be a text'),
    v.trim(),
    v.minLength(min, 'Must not be empty'),
    v.maxLength(max, `Must have at most ${max} characters`),
  )
}

/** Any JSON. */
export const anyJson = v.custom<Json>(() => true)

export const cartQuantity = wholeNumber(1, cartQuantityMax)

/** Ids that stand in examples, and in the example shop from which the page of actions is made. */
export const exampleIds = {
  product: '01890a5d-ac96-774b-bcce-b302099a8057',
  seller: '01890a5d-ac96-7ab2-80f2-536b3d9c1f4e',
} as const
