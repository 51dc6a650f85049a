import * as v from 'valibot'
import type { Ids } from '../../lib/ids.ts'
import type { Json } from '../../lib/json.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'

/** Whose conversation calls, and what its flow wrote as `input`. */
export type ActionCall<TInput = Json> = {
  readonly tenantId: string
  readonly customerId: string
  readonly conversationId: string
  readonly input: TInput
  /** Takes what the tenant's sockets are to be told, once the turn's transaction is committed. */
  readonly tell?: ((event: FeedEvent) => void) | undefined
}

/** What the flow gets back: a value for its variable, or an error for its `error` step. */
export type ActionResult =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** What an `action` step can call. */
export type Action = DatabaseAction | OutsideAction

type Common = {
  /** The name by which flows call it. */
  readonly handler: string
  /** What `input` must be once its `{{…}}` are filled in; anything else is refused with `invalid_input`. */
  readonly input: v.GenericSchema
}

/**
 * An action on the database. `run` works in the turn's own transaction, under any database role, and reads nothing of
 * another tenant. Where it answers `ok: false` it has written nothing; it throws only for defects and lost connections.
 */
export type DatabaseAction = Common & {
  readonly kind: 'database'
  /** Whether it changes anything: such a call runs in a transaction of its conversation alone. */
  readonly writes: boolean
  run(tx: Transaction, ids: Ids, call: ActionCall): Promise<ActionResult>
}

/**
 * An action that asks somebody outside. `prepare` is pure: what it gives is stored by the turn as a row of `calls`,
 * performed after the commit, and its result comes back to the conversation as mail.
 */
export type OutsideAction = Common & {
  readonly kind: 'outside'
  prepare(input: Json): Prepared
}

/** `request` is what is stored of a call: it holds no secret. */
export type Prepared = { readonly ok: true; readonly request: Json } | Extract<ActionResult, { readonly ok: false }>

/** An action whose `run` gets its input checked. */
export function makeAction<TSchema extends v.GenericSchema>(definition: {
  readonly handler: string
  readonly input: TSchema
  readonly writes: boolean
  readonly run: (tx: Transaction, ids: Ids, call: ActionCall<v.InferOutput<TSchema>>) => Promise<ActionResult>
}): DatabaseAction {
  return {
    kind: 'database',
    handler: definition.handler,
    input: definition.input,
    writes: definition.writes,
    run: (tx, ids, call) =>
      withInput(definition.input, call.input, input => definition.run(tx, ids, { ...call, input })),
  }
}

/** An outside action whose `prepare` gets its input checked. */
export function makeOutsideAction<TSchema extends v.GenericSchema>(definition: {
  readonly handler: string
  readonly input: TSchema
  readonly prepare: (input: v.InferOutput<TSchema>) => Json
}): OutsideAction {
  const { handler, input: schema } = definition
  return {
    ...{ kind: 'outside', handler, input: schema },
    prepare(input) {
      const checked = checkInput(schema, input)
      return checked.ok ? { ok: true, request: definition.prepare(checked.input) } : checked
    },
  }
}

/** Does `work` with an input that is checked; one that is wrong is refused with `invalid_input`. */
export async function withInput<TSchema extends v.GenericSchema>(
  schema: TSchema,
  input: Json,
  work: (input: v.InferOutput<TSchema>) => ActionResult | Promise<ActionResult>,
): Promise<ActionResult> {
  const checked = checkInput(schema, input)
  return checked.ok ? await work(checked.input) : checked
}

type Checked<T> = { readonly ok: true; readonly input: T } | Extract<ActionResult, { readonly ok: false }>

function checkInput<TSchema extends v.GenericSchema>(schema: TSchema, input: Json): Checked<v.InferOutput<TSchema>> {
  const parsed = v.safeParse(schema, input)
  if (parsed.success) return { ok: true, input: parsed.output }
  return { ok: false, code: 'invalid_input', message: sentence(parsed.issues[0]) }
}

function sentence(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  return path === null ? issue.message : `${path}: ${issue.message}`
}
