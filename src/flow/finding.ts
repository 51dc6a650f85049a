import { FINDINGS_MAX } from './limits.ts'

/** What a finding is about, for programs; the message is for people. */
export type FindingCode =
  | 'bad_expression'
  | 'bad_input'
  | 'dead_end'
  | 'endless_loop'
  | 'impossible_answer'
  | 'invalid'
  | 'late_content'
  | 'missing_step'
  | 'no_timeout'
  | 'no_trigger'
  | 'not_a_condition'
  | 'silent_wait'
  | 'stop_title'
  | 'timeout_loop'
  | 'undefined_variable'
  | 'unknown_flow'
  | 'unknown_handler'
  | 'unreachable_step'
  | 'unsendable_content'
  | 'unset_variable'

/**
 * One thing the checker has to say. An `error` keeps the flow from being published, a `warning` does not. `path` is the
 * place in the document ("steps.ask.retry.next"); `step` is null outside of the steps, `field` is the place in the
 * step (in the document where `step` is null), null when the whole of it is meant. The message names both.
 */
export type Finding = {
  readonly severity: 'error' | 'warning'
  readonly path: string
  readonly step: string | null
  readonly field: string | null
  readonly code: FindingCode
  readonly message: string
}

type Place = { readonly step: string | null; readonly field: string | null }

/** A finding that keeps the flow from being published; `text` goes on after the place: "must not be empty". */
export function errorAt(place: Place, code: FindingCode, text: string): Finding {
  return findingAt('error', place, code, text)
}

/** A finding that the author should know of. */
export function warningAt(place: Place, code: FindingCode, text: string): Finding {
  return findingAt('warning', place, code, text)
}

function findingAt(severity: Finding['severity'], { step, field }: Place, code: FindingCode, text: string): Finding {
  const path = [...(step === null ? [] : ['steps', step]), ...(field === null ? [] : [field])].join('.')
  const place = [step !== null && `Step "${step}"`, field !== null && `field "${field}"`].filter(Boolean).join(', ')
  const message = place === '' ? text : `${place}: ${text}`
  return { severity, path, step, field, code, message: message.charAt(0).toUpperCase() + message.slice(1) }
}

/** At most FINDINGS_MAX findings, the errors first, otherwise in the order given. */
export function mostImportant(findings: readonly Finding[]): readonly Finding[] {
  const errors = findings.filter(finding => finding.severity === 'error')
  const warnings = findings.filter(finding => finding.severity === 'warning')
  return [...errors, ...warnings].slice(0, FINDINGS_MAX)
}

/** `; did you mean "agent"?` for the known name that a misspelt one resembles most; empty when none does. */
export function suggestion(name: string, known: Iterable<string>): string {
  let nearest = ''
  let nearestDistance = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name, candidate, nearestDistance)
    if (distance < nearestDistance) [nearest, nearestDistance] = [candidate, distance]
  }
  return nearest === '' ? '' : `; did you mean "${nearest}"?`
}

/** How many letters must be added, taken away, changed or swapped with their neighbour; `max` when it is no less. */
function editDistance(from: string, to: string, max: number): number {
  if (Math.abs(from.length - to.length) >= max) return max
  let beforeLast: readonly number[] = []
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        (last[column] ?? max) + 1,
        (current[column - 1] ?? max) + 1,
        (last[column - 1] ?? max) + (isSame ? 0 : 1),
        isSwapped ? (beforeLast[column - 2] ?? max) + 1 : max,
      )
    }
    beforeLast = last
    last = current
  }
  return Math.min(last[to.length] ?? max, max)
}
