import { checkFlow, type Finding } from './check.ts'
import { flowOf, handlers } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'

/** A text as a content. */
export const text = (words: string) => ({ type: 'text', text: words })

/** A message step; it ends the flow unless told. */
export const message = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })

/** A question step with a timeout, so that it gives no warning of its own. */
export const question = (variable: string, next: string, more = {}) => ({
  type: 'question',
  content: text('?'),
  variable,
  timeout: { after: '1h', next: 'end' },
  next,
  ...more,
})

type Options = Partial<Parameters<typeof checkFlow>[1]>

/** All that the checker has to say of a document, with the tests' handlers unless told. */
export function findingsIn(document: unknown, options: Options = {}): readonly Finding[] {
  const result = checkFlow(document, { handlers, ...options })
  return result.ok ? result.warnings : result.findings
}

/** The findings of a flow of these steps as "severity path code". */
export function briefly(steps: JsonObject, options: Options = {}): readonly string[] {
  return findingsIn(flowOf(steps), options).map(({ severity, path, code }) => `${severity} ${path} ${code}`)
}
