import * as v from 'valibot'
import { type FlowDocument, flowDocumentSchema } from './document.ts'
import { errorAt, type Finding, suggestion } from './finding.ts'
import { DOCUMENT_JSON_LENGTH_MAX } from './limits.ts'

/** The document in its schema's shape, or one finding for each place that is not. */
export function checkSchema(document: unknown): { document: FlowDocument } | { findings: readonly Finding[] } {
  const length = writtenLength(document)
  if (length > DOCUMENT_JSON_LENGTH_MAX) return { findings: [tooLarge(length)] }
  const parsed = v.safeParse(flowDocumentSchema, document)
  if (!parsed.success) return { findings: parsed.issues.map(toFinding) }
  const dropped = droppedSteps(document, parsed.output)
  if (dropped.length === 0) return { document: parsed.output }
  return { findings: dropped.map(step => errorAt({ step, field: null }, 'invalid', 'this id is not allowed')) }
}

/** The length of a document as JSON; 0 of what has none, of which the schema says what is wrong. */
function writtenLength(document: unknown): number {
  try {
    return JSON.stringify(document)?.length ?? 0
  } catch {
    return 0
  }
}

function tooLarge(length: number): Finding {
  const [kilobytes, most] = [length, DOCUMENT_JSON_LENGTH_MAX].map(bytes => Math.ceil(bytes / 1_024))
  const text = `this flow is ${kilobytes} KB of JSON, and at most ${most} KB are taken; move some of it to a flow that it calls`
  return errorAt({ step: null, field: null }, 'invalid', text)
}

/** The keys that the schema leaves out unread because they could reach a prototype. */
function droppedSteps(document: unknown, parsed: FlowDocument): readonly string[] {
  if (typeof document !== 'object' || document === null || !('steps' in document)) return []
  return Object.keys(Object(document.steps)).filter(id => !Object.hasOwn(parsed.steps, id))
}

function toFinding(issue: v.BaseIssue<unknown>): Finding {
  const [first = '', second, ...rest] = pathOf(issue)
  const isInStep = first === 'steps' && second !== undefined
  const place = isInStep
    ? { step: second, field: rest.join('.') || null }
    : { step: null, field: [first, ...(second === undefined ? [] : [second]), ...rest].join('.') || null }
  return errorAt(place, 'invalid', explainIssue(issue))
}

/** Where an issue stands, from the outermost key inwards. */
export function pathOf(issue: v.BaseIssue<unknown>): readonly string[] {
  return (issue.path ?? []).map(item => String(item.key))
}

/** A schema's complaint in plain words, to stand after a place: "must have at most 20 characters". */
export function explainIssue(issue: v.BaseIssue<unknown>): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message.charAt(0).toLowerCase() + issue.message.slice(1)
  switch (issue.type) {
    case 'strict_object':
    case 'object':
      return explainObject(issue)
    case 'variant':
    case 'picklist':
    case 'literal':
      return explainOptions(issue)
    case 'string':
    case 'number':
    case 'boolean':
    case 'array':
    case 'record':
      return `must be ${KINDS[issue.type]}, not ${received(issue)}`
    case 'min_length':
      return `must have at least ${amountOf(issue)}`
    case 'max_length':
      return `must have at most ${amountOf(issue)}`
    case 'min_value':
      return `must be at least ${issue.requirement}`
    case 'max_value':
      return `must be at most ${issue.requirement}`
    case 'integer':
    case 'safe_integer':
      return 'must be a whole number'
    case 'union':
      return explainUnion(issue)
    default:
      return `is not valid: expected ${issue.expected ?? issue.type.replaceAll('_', ' ')}`
  }
}

const KINDS = { string: 'a text', number: 'a number', boolean: 'true or false', array: 'a list', record: 'an object' }

function amountOf({ requirement, input }: v.BaseIssue<unknown>): string {
  const [one, many] = typeof input === 'string' ? ['character', 'characters'] : ['entry', 'entries']
  return `${requirement} ${requirement === 1 ? one : many}`
}

function explainObject(issue: v.BaseIssue<unknown>): string {
  if (issue.expected === 'never') return 'is not a known field'
  return issue.received === 'undefined' && issue.expected !== 'Object' ? 'is missing' : mustBeObject(issue)
}

function mustBeObject(issue: v.BaseIssue<unknown>): string {
  return `must be an object, not ${received(issue)}`
}

function explainOptions(issue: v.BaseIssue<unknown>): string {
  if (issue.expected === 'Object') return mustBeObject(issue)
  const options = (issue.expected ?? '').replace(/^\(|\)$/g, '').split(' | ')
  const expected = options.length === 1 ? `must be ${options[0]}` : `must be one of ${options.join(', ')}`
  if (issue.received === 'undefined') return `is missing; it ${expected}`
  const names = options.map(option => option.replaceAll('"', ''))
  const meant = typeof issue.input === 'string' ? suggestion(issue.input, names) : ''
  return `${expected}, not ${received(issue)}${meant}`
}

/** The complaint of the form that came nearest: the one with the fewest. */
function explainUnion(issue: v.BaseIssue<unknown>): string {
  const [nearest] = issue.issues ?? []
  if (nearest === undefined) return `must be ${issue.expected}, not ${received(issue)}`
  const place = pathOf(nearest).slice(pathOf(issue).length).join('.')
  return place === '' ? explainIssue(nearest) : `"${place}" ${explainIssue(nearest)}`
}

const RECEIVED_LENGTH_MAX = 60

function received(issue: v.BaseIssue<unknown>): string {
  if (issue.received === 'Array') return 'a list'
  if (issue.received === 'Object') return 'an object'
  const text = issue.received
  return text.length <= RECEIVED_LENGTH_MAX ? text : `${text.slice(0, RECEIVED_LENGTH_MAX)}…`
}
