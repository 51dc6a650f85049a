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

/**
 * What an `action` step can call. `run` works in the turn's own transaction, under any database role, and reads
 * nothing of another tenant. Where it answers `ok: false` it has written nothing; it throws only for defects and lost
 * connections.
 */
export type Action = {
  /** The name by which flows call it. */
  readonly handler: string
  /** What `input` must be once its `{{…}}` are filled in; `run` refuses anything else with `invalid_input`. */
  readonly input: v.GenericSchema
  /** Whether it changes anything: such a call runs in a transaction of its conversation alone. */
  readonly writes: boolean
  run(tx: Transaction, ids: Ids, call: ActionCall): Promise<ActionResult>
}

/** An action whose `run` gets its input checked. */
export function makeAction<TSchema extends v.GenericSchema>(definition: {
  readonly handler: string
  readonly input: TSchema
  readonly writes: boolean
  readonly run: (tx: Transaction, ids: Ids, call: ActionCall<v.InferOutput<TSchema>>) => Promise<ActionResult>
}): Action {
  return {
    handler: definition.handler,
    input: definition.input,
    writes: definition.writes,
    run: (tx, ids, call) =>
      withInput(definition.input, call.input, input => definition.run(tx, ids, { ...call, input })),
  }
}

/** Does `work` with an input that is checked; one that is wrong is refused with `invalid_input`. */
export async function withInput<TSchema extends v.GenericSchema>(
  schema: TSchema,
  input: Json,
  work: (input: v.InferOutput<TSchema>) => ActionResult | Promise<ActionResult>,
): Promise<ActionResult> {
  const parsed = v.safeParse(schema, input)
  if (!parsed.success) return { ok: false, code: 'invalid_input', message: sentence(parsed.issues[0]) }
  return await work(parsed.output)
}

function sentence(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  return path === null ? issue.message : `${path}: ${issue.message}`
}
