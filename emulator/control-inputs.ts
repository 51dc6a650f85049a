import type { Context } from 'hono'
import * as v from 'valibot'
import { dialects } from './dialects/dialects.ts'
import { isUserId } from './dialects/meta-parse-send.ts'
import { type Fault, faultSchema, parseFault } from './faults.ts'
import { json, parse, Refused } from './read-control.ts'
import type { BusinessNumber } from './records.ts'

const copiesMax = 200
const batchMax = 100

const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

const userId = v.pipe(v.string(), v.check(isUserId, 'does not have the form of US.1000000000000143'))

const customerFields = {
  profile_name: v.optional(text(200)),
  bsuid: v.optional(userId),
  hide_phone: v.optional(v.boolean()),
  auto_read: v.optional(v.boolean()),
  not_on_whatsapp: v.optional(v.boolean()),
}

export const customerInput = v.strictObject(customerFields)

/** One message's content beside the customer's fields, or several as `messages`. The content is read later. */
export const writeInput = v.looseObject({
  ...customerFields,
  reply_to: v.optional(text(512)),
  messages: v.optional(v.pipe(v.array(v.unknown()), v.minLength(1), v.maxLength(batchMax))),
})

export const rawInput = v.strictObject({
  body: v.unknown(),
  copies: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(copiesMax)), 1),
})

export const windowInput = v.strictObject({ open: v.boolean() })

/** The customer that a path names: a phone with or without punctuation, or a business-scoped user id. */
export function customerRef(given: string): string {
  const phone = given.replace(/^\+|[\s().-]/g, '')
  if (/^\d{5,15}$/.test(phone)) return phone
  if (isUserId(given)) return given
  throw new Refused(422, `"${given.slice(0, 64)}" is neither a phone of 5 to 15 digits nor a business-scoped user id.`)
}

const dialectInput = v.looseObject({
  dialect: v.optional(v.picklist(dialects.map(({ name }) => name)), 'meta'),
})

/** A number with the fields of its dialect. */
export async function readNumber(context: Context, id: string): Promise<BusinessNumber> {
  const { dialect: name, ...input } = parse(dialectInput, await json(context))
  const dialect = dialects.find(each => each.name === name)
  if (dialect === undefined) throw new Refused(422, `dialect: there is no ${name}`)
  return { id, ...parse(dialect.numberInput(id), input) }
}

/** One fault or a list of them, each an object or its text form, as `429:3`. */
export async function readFaults(context: Context, faultsMax: number): Promise<Fault[]> {
  const body = await json(context)
  const list = Array.isArray(body) ? body : [body]
  if (list.length > faultsMax) throw new Refused(422, `There are at most ${faultsMax} faults.`)
  return list.map(readFault)
}

function readFault(fault: unknown): Fault {
  if (typeof fault !== 'string') return parse(faultSchema, fault)
  try {
    return parseFault(fault)
  } catch (error) {
    throw new Refused(422, error instanceof Error ? error.message : String(error))
  }
}

/** A whole number from the query; `fallback` where it is left out, and brought into bounds. */
export function whole(given: string | undefined, fallback: number, min: number, max: number): number {
  const number = Number(given ?? fallback)
  if (!Number.isSafeInteger(number)) throw new Refused(422, `"${given}" is no whole number.`)
  return Math.min(Math.max(number, min), max)
}
