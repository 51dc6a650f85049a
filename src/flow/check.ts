import type * as v from 'valibot'
import { checkGraph } from './check-graph.ts'
import { checkLoops } from './check-loops.ts'
import { checkSchema } from './check-schema.ts'
import { checkSteps } from './check-steps.ts'
import { checkTitles } from './check-titles.ts'
import { checkVariables } from './check-variables.ts'
import { checkWindow } from './check-window.ts'
import { compileFlow } from './compile.ts'
import type { FlowDocument } from './document.ts'
import { type Finding, mostImportant, warningAt } from './finding.ts'

export type { Finding, FindingCode } from './finding.ts'

/** What the checker knows of the world a flow will run in. */
export type CheckOptions = {
  /** The handlers an action may name, each with the schema of its input; null takes any input. */
  readonly handlers: ReadonlyMap<string, v.GenericSchema | null>
  /** The names of the published flows, for `flow` steps; without it any name passes. */
  readonly flows?: ReadonlySet<string>
  /** The variables that flows calling this one may have set: reading them is at most a warning. Default none. */
  readonly inheritedVariables?: ReadonlySet<string>
  /** Whether the bots that answer with it may send only templates 24 hours after a customer's message. Default true. */
  readonly hasWindow?: boolean
}

/** A document that may be published, with what its author should know; or why it may not. */
export type CheckResult =
  | { readonly ok: true; readonly document: FlowDocument; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/**
 * Checks a flow before it is published. Refused are: what the schema refuses, a step that is missing or that nothing
 * leads to, a variable that no path to its reader sets, an expression that does not parse or reads a field that isn't
 * there, a condition that is neither true nor false, a loop with no question in it, a dead end, a content no provider
 * can send, or that may go out when only templates may, an answer nobody can give, and an unknown handler or flow. A checked flow fails when run only for what depends on
 * data (a value that is missing or of another type, too large, or not fit to be sent; a failed action without an
 * `error` step) or on other flows (calls nested too deeply, or together too long without a question).
 * At most FINDINGS_MAX findings, errors first. Never throws, whatever the document is.
 */
export function checkFlow(document: unknown, options: CheckOptions): CheckResult {
  const shaped = checkSchema(document)
  if ('findings' in shaped) return { ok: false, findings: mostImportant(shaped.findings) }
  const flow = compileFlow(shaped.document)
  const findings = mostImportant([
    ...checkTriggers(shaped.document),
    ...checkGraph(flow),
    ...checkLoops(flow),
    ...checkSteps(flow, options),
    ...checkVariables(flow, options.inheritedVariables ?? new Set()),
    ...checkWindow(flow, options.hasWindow ?? true),
    ...checkTitles(shaped.document),
  ])
  if (findings.some(finding => finding.severity === 'error')) return { ok: false, findings }
  return { ok: true, document: shaped.document, warnings: findings }
}

function checkTriggers({ triggers }: FlowDocument): readonly Finding[] {
  if (triggers.length > 0) return []
  const text = 'no message starts this flow; it runs only where another flow calls it'
  return [warningAt({ step: null, field: 'triggers' }, 'no_trigger', text)]
}
