import type { AnyStatement, AnyValues } from './database/any-statement.ts'

/** How a statement is run under a defect: otherwise, or in a transaction of its own after the one it belongs to. */
export type Changed = { readonly statement?: AnyStatement; readonly values?: AnyValues; readonly isLater?: true }

/** A fault of the program's, made on purpose: what it does to the statements that it sends. */
export type Defect = {
  /** What a programmer might have done. */
  readonly about: string
  readonly onStatement?: (statement: AnyStatement, values: AnyValues) => Changed | undefined
  /** Whether a transaction is told to be committed before it is, by the statements that it has run. */
  readonly isToldTooSoon?: (names: ReadonlySet<string>) => boolean
}

/** Each must be found. They are made here, between the program and the database: the program knows nothing of them. */
export const defects: Readonly<Record<string, Defect>> = {
  'answer-before-commit': {
    about: 'a webhook is answered before what it brought is committed',
    isToldTooSoon: names => names.has('inbound_store'),
  },
  'turn-without-lock': {
    about: 'a turn does not lock its conversation, and events that are there already are left out',
    onStatement: rewriting({
      turn_claim: sql => sql.replace('for no key update skip locked', ''),
      turn_lock: sql => sql.replace('for no key update skip locked', ''),
      turn_append_events: sql => `${sql} on conflict do nothing`,
    }),
  },
  'unknown-sent-again': {
    about: 'a send of which nobody knows what became is queued again',
    onStatement: changing('outbox_update', 'states', state => (state === 'unknown' ? 'queued' : state)),
  },
  'status-falls': {
    about: 'the answer to a send overwrites what a status has said before it',
    onStatement: rewriting({
      send_mark_messages: sql => sql.replaceAll("m.status in ('queued', 'unknown')", 'true'),
    }),
  },
  'done-apart': {
    about: 'mail is marked as done after the transaction that has its events',
    onStatement: ({ name }) => (name === 'turn_end_inbox' ? { isLater: true } : undefined),
  },
  'send-before-mark': {
    about: 'a send begins before it is committed that it does',
    isToldTooSoon: names => names.has('outbox_claim'),
  },
  'mail-of-others': {
    about: 'a turn reads the mail of all of its tenant',
    onStatement: rewriting({ turn_read_mail: sql => sql.replace('and conversation_id = g.conversation_id', '') }),
  },
  'held-for-ever': {
    about: 'what waited for an answer from outside is not taken up again',
    onStatement: rewriting({ turn_hold_inbox: sql => sql.replace('held = true', "failed_reason = 'held'") }),
  },
}

function rewriting(changes: Readonly<Record<string, (sql: string) => string>>): NonNullable<Defect['onStatement']> {
  const rewritten = new Map<AnyStatement, AnyStatement>()
  return statement => {
    const change = changes[statement.name]
    if (change === undefined) return undefined
    const known = rewritten.get(statement)
    if (known !== undefined) return { statement: known }
    const sql = change(statement.sql)
    if (sql === statement.sql) throw new Error(`The defect no longer fits the statement ${statement.name}`)
    const made = { ...statement, sql }
    rewritten.set(statement, made)
    return { statement: made }
  }
}

type Item = string | number | boolean | null

/** Changes the items of one parameter, which is a list. */
function changing(name: string, parameter: string, change: (item: Item) => Item): NonNullable<Defect['onStatement']> {
  return (statement, values) => {
    const given = values[parameter]
    if (statement.name !== name || !Array.isArray(given)) return undefined
    return { values: { ...values, [parameter]: given.map(change) } }
  }
}
