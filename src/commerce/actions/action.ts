import * as v from 'valibot'
import type { Ids } from '../../lib/ids.ts'
import { type Json, storableJson } from '../../lib/json.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import type { Shop } from './shop.ts'
import { openTenantShop, type ShopCaller } from './tenant-shop.ts'

/** Whose conversation calls, and what its flow wrote as `input`. */
export type ActionCall<TInput = Json> = ShopCaller & { readonly input: TInput }

/**
 * What the flow gets back: a value for its variable, or an error for its `error` step. `data` says in figures what the
 * message says in words.
 */
export type ActionResult = { readonly ok: true; readonly value: Json } | ActionRefused
export type ActionRefused = {
  readonly ok: false
  readonly code: string
  readonly message: string
  readonly data?: Json
}

/** What whoever publishes a flow must be allowed to do, by the names of `identity/permissions.ts`. */
export type ActionPermission =
  | 'products:read'
  | 'orders:read'
  | 'orders:write'
  | 'customers:write'
  | 'conversations:write'
  | 'secrets:write'
  | 'webhooks:write'

/** What who writes flows has to know; the page of actions is made from it. */
export type ActionDoc = {
  /** What it does, in a few sentences. */
  readonly about: string
  /** What the flow's variable gets. */
  readonly value: v.GenericSchema
  /** Each code that it can be refused with, besides `invalid_input`, with when that is so. */
  readonly errors: Readonly<Record<string, string>>
  /** An input as flows write it. */
  readonly example: Json
}

/** What an `action` step can call. */
export type Action = DatabaseAction | OutsideAction

type Common = {
  /** The name by which flows call it. */
  readonly handler: string
  /** What `input` must be once its `{{…}}` are filled in; anything else is refused with `invalid_input`. */
  readonly input: v.GenericSchema
  readonly permission: ActionPermission
  readonly doc: ActionDoc
}

/**
 * An action on the database. `run` works in the turn's own transaction, under any database role, and reads nothing of
 * another tenant; `perform` does the same on any shop. Where they answer `ok: false` they have written nothing; they throw
 * only for defects and lost connections.
 */
export type DatabaseAction = Common & {
  readonly kind: 'database'
  /** Whether it changes anything: such a call runs in a transaction of its conversation alone. */
  readonly writes: boolean
  perform(shop: Shop, input: Json): Promise<ActionResult>
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
export type Prepared = { readonly ok: true; readonly request: Json } | ActionRefused

type Definition<TSchema> = Omit<Common, 'input'> & { readonly input: TSchema }

/** An action whose `perform` gets its input checked. */
export function makeAction<TSchema extends v.GenericSchema>(
  definition: Definition<TSchema> & {
    readonly writes: boolean
    readonly perform: (shop: Shop, input: v.InferOutput<TSchema>) => Promise<ActionResult>
  },
): DatabaseAction {
  const { handler, input: schema, permission, doc, writes } = definition
  async function perform(shop: Shop, input: Json): Promise<ActionResult> {
    const checked = checkInput(schema, input)
    return checked.ok ? await definition.perform(shop, checked.input) : checked
  }
  return {
    ...{ kind: 'database', handler, input: schema, permission, doc, writes, perform },
    run: (tx, ids, call) => perform(openTenantShop(tx, ids, call), call.input),
  }
}

/** An outside action whose `prepare` gets its input checked. */
export function makeOutsideAction<TSchema extends v.GenericSchema>(
  definition: Definition<TSchema> & { readonly prepare: (input: v.InferOutput<TSchema>) => Json },
): OutsideAction {
  const { handler, input: schema, permission, doc } = definition
  return {
    ...{ kind: 'outside', handler, input: schema, permission, doc },
    prepare(input) {
      const checked = checkInput(schema, input)
      return checked.ok ? { ok: true, request: definition.prepare(checked.input) } : checked
    },
  }
}

type Checked<T> = { readonly ok: true; readonly input: T } | ActionRefused

/** What customers wrote may stand in an input: all of it can be stored. */
function checkInput<TSchema extends v.GenericSchema>(schema: TSchema, input: Json): Checked<v.InferOutput<TSchema>> {
  const parsed = v.safeParse(schema, storableJson(input))
  if (parsed.success) return { ok: true, input: parsed.output }
  return { ok: false, code: 'invalid_input', message: sentence(parsed.issues[0]) }
}

function sentence(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  return path === null ? issue.message : `${path}: ${issue.message}`
}
