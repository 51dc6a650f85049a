import type { Context } from 'hono'
import * as v from 'valibot'
import { isUserId } from './dialects/meta-parse-send.ts'
import { type Fault, faultSchema, parseFault } from './faults.ts'
import { reasonOf } from './written-content.ts'

/** A request that is refused; the message is a sentence. */
export class Refused extends Error {
  readonly status: 400 | 403 | 404 | 409 | 413 | 422 | 503
  constructor(status: Refused['status'], message: string) {
    super(message)
    this.status = status
  }
}

const copiesMax = 200
const batchMax = 100

const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

const userId = v.pipe(v.string(), v.check(isUserId, 'does not have the form of US.1000000000000143'))

export const numberInput = v.strictObject({
  display_phone_number: v.pipe(text(32), v.regex(/\d{5}/, 'is not a phone number')),
  name: v.optional(text(100), 'Shop'),
  webhook_url: v.pipe(v.string(), v.url(), v.regex(/^https?:/i, 'is not an http or https address')),
  access_token: text(2_048),
  app_secret: text(256),
  verify_token: text(256),
  waba_id: v.optional(text(64), '100000000000001'),
})

const customerFields = {
  profile_name: v.optional(text(200)),
  bsuid: v.optional(userId),
  hide_phone: v.optional(v.boolean()),
  auto_read: v.optional(v.boolean()),
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

/** The body as JSON, through a schema. */
export async function read<T>(context: Context, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return parse(schema, await json(context))
}

async function json(context: Context): Promise<unknown> {
  try {
    return await context.req.json()
  } catch {
    throw new Refused(400, 'The body is not JSON.')
  }
}

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  throw new Refused(422, reasonOf(parsed.issues[0]))
}

/** A whole number from the query; `fallback` where it is left out, and brought into bounds. */
export function whole(given: string | undefined, fallback: number, min: number, max: number): number {
  const number = Number(given ?? fallback)
  if (!Number.isSafeInteger(number)) throw new Refused(422, `"${given}" is no whole number.`)
  return Math.min(Math.max(number, min), max)
}
