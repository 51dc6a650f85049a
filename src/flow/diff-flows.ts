import * as v from 'valibot'
import { flowDocumentSchema } from './document.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/**
 * One value that differs. `path` leads to it from the document or the step: `content.buttons.0.title`. Where there was
 * nothing before, or is nothing after, that key is missing.
 */
export type FieldChange = { readonly path: string; readonly before?: Json; readonly after?: Json }

/** What became of a step. All of an added or removed step is one change of the path ''. */
export type StepChange = {
  readonly step: string
  readonly kind: 'added' | 'removed' | 'changed'
  readonly changes: readonly FieldChange[]
}

/** What differs between two documents: the steps that do, and the fields beside the steps (name, start, triggers). */
export type FlowDiff = { readonly fields: readonly FieldChange[]; readonly steps: readonly StepChange[] }

/**
 * What changed from one flow document to another, in the order of their fields and steps, those of `before` first. Either
 * may be an unfinished draft. Nothing differs where both mean the same: the order of keys counts for nothing, and a
 * default that is written out is the same as one that is not. Lists of the same length are compared item by item, others
 * as a whole.
 */
export function diffFlows(before: JsonObject, after: JsonObject): FlowDiff {
  const [old, now] = [withDefaults(before), withDefaults(after)]
  return { fields: diffObjects(old.fields, now.fields, ''), steps: diffSteps(old.steps, now.steps) }
}

type Parts = { readonly fields: JsonObject; readonly steps: JsonObject }

/** Each step, and the rest, as the schema reads it where it can: so one fault hides no other step's defaults. */
function withDefaults({ steps, ...fields }: JsonObject): Parts {
  if (!isJsonObject(steps)) return { fields: { ...read(fields), ...(steps !== undefined && { steps }) }, steps: {} }
  const known = Object.entries(steps).map(([id, step]) => [id, readStep(step)])
  return { fields: read(fields), steps: Object.fromEntries(known) }
}

function read(fields: JsonObject): JsonObject {
  const parsed = v.safeParse(flowDocumentSchema, { ...fields, steps: anyStep })
  if (!parsed.success) return fields
  const { steps: _, ...rest } = parsed.output
  return toJson(rest)
}

function readStep(step: Json): Json {
  const parsed = v.safeParse(flowDocumentSchema, { name: 'any', start: 'a', steps: { a: step } })
  return parsed.success ? (toJson(parsed.output.steps).a ?? step) : step
}

const anyStep = { a: { type: 'end' } }

/** As it is stored: a key that is undefined is no key. */
function toJson(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value))
}

function diffSteps(before: JsonObject, after: JsonObject): StepChange[] {
  return keysOf(before, after).flatMap((step): StepChange[] => {
    const changes = diffAt(before, after, step, '')
    if (changes.length === 0) return []
    const kind = Object.hasOwn(before, step) ? (Object.hasOwn(after, step) ? 'changed' : 'removed') : 'added'
    return [{ step, kind, changes }]
  })
}

function diffObjects(before: JsonObject, after: JsonObject, path: string): FieldChange[] {
  return keysOf(before, after).flatMap(key => diffAt(before, after, key, path === '' ? key : `${path}.${key}`))
}

/** What differs under one key of two objects. */
function diffAt(before: JsonObject, after: JsonObject, key: string, path: string): FieldChange[] {
  const [old, now] = [ownValue(before, key), ownValue(after, key)]
  if (old === undefined) return now === undefined ? [] : [{ path, after: now }]
  return now === undefined ? [{ path, before: old }] : diffValues(old, now, path)
}

function diffValues(before: Json, after: Json, path: string): FieldChange[] {
  if (isJsonObject(before) && isJsonObject(after)) return diffObjects(before, after, path)
  if (isList(before) && isList(after) && before.length === after.length)
    return diffObjects(Object.fromEntries(before.entries()), Object.fromEntries(after.entries()), path)
  return before === after ? [] : [{ path, before, after }]
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function keysOf(before: JsonObject, after: JsonObject): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
}

function ownValue(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
