import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { actions } from '../commerce/actions/actions.ts'
import { exampleProductsSchema, makeExampleShop } from '../commerce/actions/example-shop.ts'
import {
  makeSimulatedActions,
  simulatedAnswerSchema,
  simulatedAnswersMax,
} from '../commerce/actions/simulated-actions.ts'
import { unknownBusiness } from '../flow/business.ts'
import { checkFlow } from '../flow/check.ts'
import { compileFlow } from '../flow/compile.ts'
import { inboundContentSchema, type OutboundContent, summarize } from '../flow/content.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { ExplainedStep } from '../flow/explain-events.ts'
import type { PublishedFlow } from '../flow/library.ts'
import { type SimulatedInput, startSimulation } from '../flow/simulate.ts'
import { messageOf, UsageError } from '../lib/errors.ts'
import { uuids } from '../lib/ids.ts'

type Print = (line: string) => void

/** Who writes in a simulation. */
const customer = { name: 'Ana', phone: '+12025550143', email: null, variables: {}, tags: [], opted_out: false }

/**
 * Talks to a flow: each line is what the customer writes, `/timeout` lets the time pass that is waited for, `/resume` and `/close` are an agent's, and a line that is JSON
 * is a content. Without products the catalog is empty; without answers nobody outside answers. Returns whether the flow could be talked to: one with faults is not.
 */
export async function simulateFlowFile(
  given: { readonly file: string; readonly products: string | undefined; readonly answers: string | undefined },
  lines: AsyncIterable<string>,
  print: Print,
): Promise<boolean> {
  const products = given.products === undefined ? [] : readProducts(given.products)
  const answers = given.answers === undefined ? [] : readAnswers(given.answers)
  const document = checked(given.file, print)
  if (document === null) return false
  const flow: PublishedFlow = { flow_id: uuids.next(), version: 1, flow: compileFlow(document) }
  const simulation = startSimulation({
    flows: [flow],
    library: {
      byId: id => (id === flow.flow_id ? flow.flow : undefined),
      published: name => (name === document.name ? flow : undefined),
    },
    context: {
      now: Date.now(),
      customer: { id: uuids.next(), ...customer },
      conversation: { id: uuids.next(), bot_id: uuids.next() },
      // Each message opens it for a day.
      window_expires_at: 0,
      business: unknownBusiness,
    },
    ...makeSimulatedActions(callPerson => makeExampleShop(products, { callPerson }), answers),
  })
  print(`${document.name}: write as the customer does. Ctrl-D ends.`)
  print('/timeout lets the time pass that is waited for, /resume [STEP] gives back as an agent does, /close closes.')
  for await (const line of lines) {
    const input = readInput(line.trim())
    if (input === null) continue
    const { steps, replies } = await simulation.turn(input)
    for (const step of steps) print(`    ${describeStep(step)}`)
    for (const reply of replies) for (const words of describeReply(reply)) print(words)
    if (steps.length === 0) print('    nothing waits for an answer in a time')
  }
  return true
}

function checked(file: string, print: Print): FlowDocument | null {
  const handlers = new Map([...actions].map(([name, action]) => [name, action.input]))
  const result = checkFlow(readJson(file), { handlers, hasWindow: false })
  if (result.ok) return result.document
  for (const { severity, path, message } of result.findings) print(`${severity}  ${path || '(document)'}  ${message}`)
  return null
}

function readProducts(file: string) {
  return readList(file, 'products', exampleProductsSchema)
}

function readAnswers(file: string) {
  return readList(file, 'answers', v.pipe(v.array(simulatedAnswerSchema), v.maxLength(simulatedAnswersMax)))
}

function readList<T extends v.GenericSchema>(file: string, what: string, schema: T): v.InferOutput<T> {
  const parsed = v.safeParse(schema, readJson(file))
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  const place = v.getDotPath(issue)
  throw new UsageError(`${file} is no list of ${what}: ${place === null ? '' : `${place}: `}${issue.message}`)
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${messageOf(error)}`)
  }
}

/** Null where nothing was written. */
function readInput(line: string): SimulatedInput | null {
  if (line === '') return null
  if (line === '/timeout') return { type: 'timeout' }
  if (line === '/close') return { type: 'close' }
  const [, step] = /^\/resume(?:\s+(\S+))?$/.exec(line) ?? []
  if (line.startsWith('/resume')) return { type: 'resume', step }
  return (line.startsWith('{') && readContent(line)) || { type: 'text', text: line }
}

/** Undefined where it is no content: it is a text then, as everything that a customer writes. */
function readContent(line: string): SimulatedInput | undefined {
  try {
    const parsed = v.safeParse(inboundContentSchema, JSON.parse(line))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

function describeStep({ flow, step, type, outcome, detail }: ExplainedStep): string {
  const place = step === null ? type : `${flow} / ${step} (${type})`
  return `${place}: ${outcome.replaceAll('_', ' ')}${detail === null || detail === '' ? '' : `: ${detail}`}`
}

/** The lines of a reply; what can be chosen is numbered, as it can be answered. */
function describeReply(content: OutboundContent): string[] {
  switch (content.type) {
    case 'text':
      return spoken(content.text)
    case 'buttons':
      return [...spoken(content.text), ...content.buttons.map(({ title }, index) => `  ${index + 1}. ${title}`)]
    case 'list': {
      const rows = content.sections.flatMap(section => section.rows)
      const named = rows.map(({ title, description }) => (description ? `${title}, ${description}` : title))
      return [...spoken(content.text), ...named.map((name, index) => `  ${index + 1}. ${name}`)]
    }
    default:
      return spoken(summarize(content))
  }
}

function spoken(text: string): string[] {
  return text.split('\n').map((line, index) => (index === 0 ? `< ${line}` : `  ${line}`))
}
