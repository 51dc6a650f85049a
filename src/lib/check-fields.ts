import * as v from 'valibot'
import { AppError, type FieldError } from './errors.ts'

/** Fields that are told of at once. */
export const fieldErrorsMax = 50
/** Fields that the sentence itself names. */
const namedMax = 5

/**
 * The data as the schema gives it. Throws `invalid` with every field that is wrong, each once. `nameOf` turns the path of
 * a field into what whoever asks knows it by.
 */
export function checkFields<TSchema extends v.GenericSchema>(
  schema: TSchema,
  data: unknown,
  nameOf = (path: string): string => path,
): v.InferOutput<TSchema> {
  const parsed = v.safeParse(schema, data)
  if (parsed.success) return parsed.output
  const first = new Map(
    parsed.issues
      .map(fieldError)
      .map(error => ({ ...error, path: nameOf(error.path) }))
      .reverse()
      .map(error => [error.path, error]),
  )
  throw invalid([...first.values()].reverse().slice(0, fieldErrorsMax))
}

/** The error for fields that are wrong. */
export function invalid(errors: readonly FieldError[]): AppError {
  const paths = [...new Set(errors.map(error => error.path).filter(path => path !== ''))]
  const detail = paths.length === 0 ? 'The body is not valid.' : `Not valid: ${paths.slice(0, namedMax).join(', ')}.`
  return new AppError('invalid', detail, errors)
}

/** Says what is expected, never what was given: it may be a secret. */
function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path = v.getDotPath(issue) ?? ''
  if (issue.expected === 'never') return { path, message: 'Is not known here' }
  if (issue.kind === 'schema' && issue.input === undefined) return { path, message: 'Is missing' }
  if (issue.message.startsWith('Invalid')) return { path, message: `Must be ${issue.expected ?? 'something else'}` }
  return { path, message: issue.message }
}
