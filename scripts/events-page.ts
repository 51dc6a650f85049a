import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EVENT_VERSIONS, SENDING_EVENTS } from '../src/flow/events.ts'
import { page, table } from './markdown.ts'

const flowDir = join(import.meta.dirname, '../src/flow')

const about =
  'What happened in a conversation, in order: `GET /api/conversations/{id}/events`. Events are the truth, and the state of a conversation is folded from them; none is ever changed or removed. `step` is the id of a step in the flow on top of the run. A run begins with `flow.started`, goes on after its end with `flow.revived`, and ends with one `flow.ended`. `token` and `call_id` are unique in a conversation. A field with `?` may be missing. The version is that of the data: what an older program wrote is read as it would be written today, and what a newer one wrote is counted and left alone.'

/** Every type of event, from the comments of src/flow/events.ts. Throws where one has none. */
export function eventsPage(): string {
  const source = readFileSync(join(flowDir, 'events.ts'), 'utf8')
  const told = new Map(readMembers(source).map(member => [member.type, member]))
  const rows = Object.entries(EVENT_VERSIONS).map(([type, version]) => {
    const member = told.get(type)
    if (member === undefined || member.meaning === '')
      throw new Error(`src/flow/events.ts does not say what ${type} is`)
    return [`\`${type}\``, String(version), fieldsOf(member.data, type), member.meaning]
  })
  return page('Events', about, [table(['type', 'version', 'data', 'meaning'], rows), '', valuesOf(source)].join('\n'))
}

type Member = { readonly type: string; readonly data: string; readonly meaning: string }

/** The members of the union `ConversationEvent`, each with the comment above it. */
function readMembers(source: string): Member[] {
  const union = /export type ConversationEvent =\n([\s\S]*?)\n\n/.exec(source)?.[1] ?? ''
  const pattern =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?\| Event<\s*'([\w.]+)',\s*((?:(?!\n {2}(?:\||\/\*)|$(?!\n))[\s\S])*)>/g
  return [...union.matchAll(pattern)].map(([, comment = '', type = '', data = '']) => ({
    type,
    data: oneLine(data),
    meaning: oneLine(comment.replace(/^\s*\*/gm, '')),
  }))
}

/** `{ a: string; b?: number }` as the names with their types; a flow is named by three of them. */
function fieldsOf(data: string, type: string): string {
  const flow = data.includes('FlowRef') ? ['flow_id: string', 'name: string', 'version: number'] : []
  const own = /\{(.*)\}/.exec(data)?.[1] ?? ''
  // One to a line, or one after the other with a semicolon.
  const fields = own.split(/;|(?<=\w|\]|')\s(?=\w+\??:)/).map(field => field.trim())
  const sent = [...SENDING_EVENTS].some(sending => sending === type) ? ['message_id: string'] : []
  return [...flow, ...fields.filter(field => field !== ''), ...sent]
    .map(field => `\`${field.replace('readonly ', '')}\``)
    .join(', ')
}

/** The names that stand for values in the data. */
function valuesOf(source: string): string {
  const business = readFileSync(join(flowDir, 'business.ts'), 'utf8')
  const rows = [
    ['`Choice`', '`{id: string, title: string}`: one thing that can be tapped, or named by its number'],
    ['`Json`', 'any JSON'],
    ['`AnswerProblem`', literalsOf(source, 'AnswerProblem')],
    ['`EndReason`', literalsOf(source, 'EndReason')],
    ['`TextKind`', literalsOf(business, 'TextKind')],
  ]
  return table(['name', 'values'], rows)
}

function literalsOf(source: string, name: string): string {
  const definition = new RegExp(`export type ${name} =([\\s\\S]*?)\\n\\n`).exec(source)?.[1] ?? ''
  const literals = [...definition.matchAll(/'(\w+)'/g)].map(match => `\`${match[1]}\``)
  if (literals.length === 0) throw new Error(`no values of ${name} were found`)
  return literals.join(', ')
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
