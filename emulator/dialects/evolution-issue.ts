import * as v from 'valibot'

/** An issue in the words of Evolution's schemas: `requires property "text"`. */
export function issueOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  const name = path?.split('.').at(-1) ?? ''
  if (path === null) return 'is not of a type(s) object'
  if (issue.input === undefined) return `requires property "${name}"`
  if (issue.type === 'min_length' || issue.type === 'non_empty') return `The "${name}" cannot be empty`
  if (issue.type === 'picklist') return `${path} is not one of enum values: ${issue.expected}`
  if (issue.kind === 'schema') return `${path} is not of a type(s) ${issue.expected ?? 'that is known'}`
  return `${path} ${issue.message}`
}
