// What the checker costs at a keystroke: a flow of as many steps as one may have, one text of which changes each time.
import { checkFlow } from '../../src/flow/check.ts'
import { STEPS_MAX } from '../../src/flow/limits.ts'

const warmUpChecks = 60
const measuredChecks = 100

type Step = Readonly<Record<string, unknown>>

/** CPU milliseconds of one check of a flow of 200 steps. Throws where the flow is not as it should be. */
export function benchChecker(): { readonly cpuMs: number } {
  for (let n = 0; n < warmUpChecks; n++) check(n)
  const before = process.cpuUsage()
  for (let n = 0; n < measuredChecks; n++) check(warmUpChecks + n)
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1_000 / measuredChecks }
}

function check(keystroke: number): void {
  const steps: Record<string, Step> = { end_here: { type: 'end' } }
  for (let n = 0; n < STEPS_MAX - 1; n++) steps[`s${n}`] = stepOf(n, keystroke)
  const result = checkFlow(
    { name: 'Long', start: 's0', triggers: [{ fallback: true }], steps },
    { handlers: new Map() },
  )
  if (!result.ok) throw new Error(`the flow has a fault: ${result.findings[0]?.message}`)
}

function stepOf(n: number, keystroke: number): Step {
  const next = n < STEPS_MAX - 2 ? `s${n + 1}` : 'end_here'
  if (n % 3 === 0) {
    const text = `Hola {{customer.name}}, ${n}${n === 0 ? 'x'.repeat(keystroke) : ''}`
    const rest = { variable: `v${n}`, timeout: { after: '30m', next: 'end_here' }, retry: { text: '{{now}}?' }, next }
    return { type: 'question', content: { type: 'text', text }, ...rest }
  }
  if (n % 3 === 1)
    return { type: 'decision', condition: `v${n - 1} == "a${n}" && size(v0) > 2`, true: next, false: 'end_here' }
  return { type: 'message', content: { type: 'text', text: `Gracias {{v${n - 2}}} por ${n}` }, next }
}

if (import.meta.main) console.log(benchChecker())
