import { actions } from '../commerce/actions/actions.ts'
import type { CheckOptions, Finding } from '../flow/check.ts'
import { AppError } from '../lib/errors.ts'

/** The actions that flows may call, with what each takes. */
export const flowHandlers: CheckOptions['handlers'] = new Map(
  [...actions.values()].map(action => [action.handler, action.input]),
)

/** The error for a flow with faults, each named with its place. */
export function flowRefusal(findings: readonly Finding[]): AppError {
  const errors = findings.filter(one => one.severity === 'error')
  const count = errors.length === 1 ? 'one fault' : `${errors.length} faults`
  return new AppError('flow_refused', `The flow has ${count}.`, errors.map(shownFinding))
}

export function shownFinding({ path, message }: Finding) {
  return { path, message }
}

/** Names of flows in a sentence. */
export function quoted(names: readonly string[]): string {
  return names.map(name => `"${name}"`).join(', ')
}
