import type { Context } from 'hono'
import * as v from 'valibot'
import type { BusinessNumber } from './records.ts'
import type { World } from './world.ts'
import { reasonOf } from './written-content.ts'

/** A request that is refused; the message is a sentence. */
export class Refused extends Error {
  readonly status: 400 | 403 | 404 | 409 | 413 | 422 | 503
  constructor(status: Refused['status'], message: string) {
    super(message)
    this.status = status
  }
}

/** The body as JSON, through a schema. */
export async function read<T>(context: Context, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return parse(schema, await json(context))
}

/** The body as JSON. */
export async function json(context: Context): Promise<unknown> {
  try {
    return await context.req.json()
  } catch {
    throw new Refused(400, 'The body is not JSON.')
  }
}

/** What the schema makes of a value, or the sentence that refuses it. */
export function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  throw new Refused(422, reasonOf(parsed.issues[0]))
}

/** @throws {Refused} with 404 for a number that is not registered */
export function numberOf(world: World, id: string): BusinessNumber {
  const number = world.number(id)
  if (number !== null) return number
  throw new Refused(404, `There is no number ${id}: register it with PUT /emulator/numbers/${id}.`)
}
