import * as v from 'valibot'

const countMax = 100_000
const delayMsMax = 600_000
const copiesMax = 100

const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(countMax))
const delayMs = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(delayMsMax))
const number = v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(64)))

/** `count`: how many sends it hits before it is used up. `number`: only sends of this phone number id. */
const send = { count: v.optional(count, 1), number }
/** `count`: how many webhooks it hits; without it, all of them until the fault is taken away. */
const webhook = { count: v.exactOptional(count), number }

/**
 * What can go wrong on demand.
 *
 * Faults of the send API are used up in the order given, by sends that are valid and authorized only;
 * read marks and typing never meet one.
 * - `429`: throttled. `code` 4 answers HTTP 429 (application limit), 130429 answers HTTP 400 (number limit). Other
 *   providers than Meta answer in their own codes: 4 is too many requests, 130429 too many messages of the number.
 * - `500` and `503`: not accepted.
 * - `unauthorized`: not accepted, as if the key were no longer good. `rejected`: not accepted, and never will be.
 * - `undeliverable`: accepted, and then its status is failed.
 * - `hang`: accepted and delivered, but the answer never comes. `hang_lost`: neither.
 * - `reset`: the connection is closed without an answer; `accepted` says whether the message arrived.
 * - `malformed`: accepted, answered 200 with something that isn't JSON.
 * - `slow`: accepted, answered `ms` milliseconds later.
 *
 * Faults of webhooks:
 * - `duplicate`: each webhook is sent `copies` times in parallel.
 * - `delay`: each webhook waits `ms` milliseconds.
 * - `reorder`: two consecutive webhooks of a customer change places.
 * - `corrupt_signature`: one digit of the signature is wrong, or of the secret that stands in its place. Counts attempts, so retries use it up too.
 * - `drop_statuses`: statuses are not sent.
 */
export const faultSchema = v.variant('kind', [
  v.object({ kind: v.literal('429'), code: v.optional(v.picklist([4, 130429]), 4), ...send }),
  v.object({
    kind: v.picklist(['500', '503', 'unauthorized', 'rejected', 'undeliverable', 'hang', 'hang_lost', 'malformed']),
    ...send,
  }),
  v.object({ kind: v.literal('reset'), accepted: v.optional(v.boolean(), false), ...send }),
  v.object({ kind: v.literal('slow'), ms: delayMs, ...send }),
  v.object({
    kind: v.literal('duplicate'),
    copies: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(copiesMax)), 2),
    ...webhook,
  }),
  v.object({ kind: v.literal('delay'), ms: delayMs, ...webhook }),
  v.object({ kind: v.picklist(['reorder', 'corrupt_signature', 'drop_statuses']), ...webhook }),
])

export type Fault = v.InferOutput<typeof faultSchema>
type FaultKind = Fault['kind']

const webhookKinds = ['duplicate', 'delay', 'reorder', 'corrupt_signature', 'drop_statuses'] as const
export type WebhookFaultKind = (typeof webhookKinds)[number]
export type WebhookFault = Extract<Fault, { kind: WebhookFaultKind }>
export type SendFault = Exclude<Fault, WebhookFault>

/** The arguments each kind takes in a fault's text form, in order. */
const textArguments: Record<FaultKind, readonly string[]> = {
  '429': ['count', 'code'],
  '500': ['count'],
  '503': ['count'],
  unauthorized: ['count'],
  rejected: ['count'],
  undeliverable: ['count'],
  hang: ['count'],
  hang_lost: ['count'],
  malformed: ['count'],
  reset: ['count', 'accepted'],
  slow: ['ms', 'count'],
  duplicate: ['copies', 'count'],
  delay: ['ms', 'count'],
  reorder: ['count'],
  corrupt_signature: ['count'],
  drop_statuses: ['count'],
}

/**
 * Reads the text form `kind[:argument[:argument]][@phone_number_id]`: `429:3`, `429:2:130429`, `500:2`,
 * `hang:1`, `reset:1:accepted`, `slow:800`, `duplicate`, `duplicate:5`, `delay:500`, `reorder`.
 * @throws {Error} with a sentence that says what it takes instead
 */
export function parseFault(text: string): Fault {
  const [head = '', only, ...moreNumbers] = text.trim().split('@')
  const [kind = '', ...values] = head.split(':')
  const names = Object.entries(textArguments).find(([known]) => known === kind)?.[1]
  if (names === undefined) {
    throw new Error(`unknown fault "${text}": takes ${Object.keys(textArguments).join(', ')}`)
  }
  const form = `${kind}${names.map(name => `[:${name}]`).join('')}[@phone_number_id]`
  if (values.length > names.length || moreNumbers.length > 0) throw new Error(`fault "${text}": takes ${form}`)
  const fields = values.map((value, at) => [names[at] ?? '', argument(names[at] ?? '', value)])
  const parsed = v.safeParse(faultSchema, {
    kind,
    ...Object.fromEntries(fields),
    ...(only === undefined ? {} : { number: only }),
  })
  if (!parsed.success) throw new Error(`fault "${text}": takes ${form}; ${parsed.issues[0].message}`)
  return parsed.output
}

function argument(name: string, value: string): number | boolean | string {
  if (name === 'accepted') return value === 'accepted' ? true : value === 'lost' ? false : value
  return /^\d+$/.test(value) ? Number(value) : value
}

/** The faults still to happen. The `count` in the list is what is left. */
export class FaultQueue {
  #faults: Fault[]

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults]
  }

  list(): readonly Fault[] {
    return this.#faults
  }

  /** Replaces all of them. */
  set(faults: readonly Fault[]): void {
    this.#faults = [...faults]
  }

  /** The next fault of the send API for this number, or null. Uses it up by one. */
  takeSend(number: string): SendFault | null {
    const fault = this.#faults.find((each): each is SendFault => isSendFault(each) && concerns(each, number))
    if (fault === undefined) return null
    this.#useUp(fault)
    return fault
  }

  /** The fault of this kind that hits this number's next webhook, or null. Uses it up by one. */
  takeWebhook<K extends WebhookFaultKind>(kind: K, number: string): Extract<Fault, { kind: K }> | null {
    const fault = this.#faults.find(
      (each): each is Extract<Fault, { kind: K }> => each.kind === kind && concerns(each, number),
    )
    if (fault === undefined) return null
    this.#useUp(fault)
    return fault
  }

  #useUp(fault: Fault): void {
    if (fault.count === undefined) return
    const left = fault.count - 1
    this.#faults = this.#faults.flatMap(each => (each !== fault ? [each] : left > 0 ? [{ ...each, count: left }] : []))
  }
}

function isSendFault(fault: Fault): fault is SendFault {
  return !webhookKinds.some(kind => kind === fault.kind)
}

function concerns(fault: Fault, number: string): boolean {
  return fault.number === undefined || fault.number === number
}
