import { readFileSync } from 'node:fs'
import { actions } from '../commerce/actions/actions.ts'
import { checkFlow } from '../flow/check.ts'
import { messageOf, UsageError } from '../lib/errors.ts'

/** Prints what the checker finds in a flow document. Returns whether it may be published. */
export function checkFlowFile(file: string, print: (line: string) => void): boolean {
  const handlers = new Map([...actions].map(([name, action]) => [name, action.input]))
  const result = checkFlow(readJson(file), { handlers })
  const findings = result.ok ? result.warnings : result.findings
  for (const { severity, path, message } of findings) print(`${severity}  ${path || '(document)'}  ${message}`)
  const errors = findings.filter(finding => finding.severity === 'error').length
  print(result.ok ? `${file}: good to publish` : `${file}: ${errors} ${errors === 1 ? 'error' : 'errors'}`)
  return result.ok
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${messageOf(error)}`)
  }
}
