import type { Sums } from './kpis.ts'

/** What became of the runs of one flow. */
export type FlowFigures = {
  readonly starts: number
  /** Runs that came to the end. */
  readonly completions: number
  /** Times that a person was asked for: by the flow, by the customer, or because the flow stopped at a defect. */
  readonly handoffs: number
  /** Runs that stopped at a defect. */
  readonly failed: number
  /** Answers that were none to the question. */
  readonly retries: number
  readonly conversions: number
}

/** The same of one of its steps. */
export type StepFigures = {
  readonly step: string
  readonly reached: number
  /** Runs that ended without coming to the end, and had come to this step last. */
  readonly left_here: number
  readonly rejected: number
  readonly timed_out: number
}

/** What the figures of flows are made of; the keys of each are in `entry-dimensions.ts`. */
export const flowTypes = [
  ...['flow.started', 'flow.called', 'flow.returned', 'flow.ended', 'handed_off'],
  ...['answer.rejected', 'conversion'],
] as const
const reachingTypes = ['replied', 'question.asked', 'decision.made', 'action.requested', 'wait.started'] as const
/** What the figures of steps are made of. */
export const stepTypes = [
  ...reachingTypes,
  ...['flow.called', 'flow.ended', 'handed_off', 'wait.ended', 'answer.rejected', 'answer.timed_out'],
] as const

const isReaching: ReadonlySet<string> = new Set(reachingTypes)
const askedForPerson: ReadonlySet<string> = new Set(['flow', 'customer', 'failure'])

/** A row, with the words of its key. */
type Row = { readonly type: string; readonly words: readonly string[]; readonly count: number }

/** The figures of one flow, out of rows that may be of others too. */
export function flowFigures(rows: readonly Sums[], flowId: string): FlowFigures {
  return figuresOf(rows.map(split), flowId)
}

/** The figures of each flow that has any: those that began most often first. */
export function figuresByFlow(rows: readonly Sums[]): (FlowFigures & { readonly flow_id: string })[] {
  const all = rows.map(split)
  const ids = new Set(all.flatMap(row => row.words.filter(isFlowId)))
  return [...ids]
    .map(flow_id => ({ flow_id, ...figuresOf(all, flow_id) }))
    .sort((a, b) => b.starts - a.starts || (a.flow_id < b.flow_id ? -1 : 1))
}

/** The figures of the steps of one flow: those that were reached most often first. */
export function stepFigures(rows: readonly Sums[], flowId: string): StepFigures[] {
  const all = rows.map(split).filter(row => row.words.includes(flowId))
  const steps = new Set(all.flatMap(row => stepsOf(row, flowId)))
  return [...steps]
    .map(step => figuresOfStep(all, flowId, step))
    .sort((a, b) => b.reached - a.reached || (a.step < b.step ? -1 : 1))
}

function figuresOf(rows: readonly Row[], flowId: string): FlowFigures {
  const sum = (type: string, isOwn: (words: readonly string[]) => boolean) =>
    rows.reduce((total, row) => total + (row.type === type && isOwn(row.words) ? row.count : 0), 0)
  const first = (words: readonly string[]) => words[0] === flowId
  return {
    starts: sum('flow.started', first) + sum('flow.called', words => words.at(-1) === flowId),
    completions: sum('flow.ended', words => words[0] === 'end' && words[1] === flowId) + sum('flow.returned', first),
    handoffs: sum('handed_off', ([by = '', flow]) => flow === flowId && askedForPerson.has(by)),
    failed: sum('flow.ended', words => words[0] === 'failed' && words.includes(flowId)),
    retries: sum('answer.rejected', first),
    conversions: sum('conversion', first),
  }
}

function figuresOfStep(rows: readonly Row[], flowId: string, step: string): StepFigures {
  const sum = (isOwn: (row: Row) => boolean) =>
    rows.reduce((total, row) => total + (isOwn(row) && stepsOf(row, flowId).includes(step) ? row.count : 0), 0)
  return {
    step,
    reached: sum(isArrival),
    left_here: sum(row => row.type === 'flow.ended' && row.words[0] !== 'end'),
    rejected: sum(row => row.type === 'answer.rejected'),
    timed_out: sum(row => row.type === 'answer.timed_out'),
  }
}

/** A wait whose moment had passed never began; a person is asked for by a step where the run stays at it. */
function isArrival({ type, words }: Row): boolean {
  if (type === 'wait.ended') return words[0] === 'past'
  return isReaching.has(type) || type === 'flow.called' || (type === 'handed_off' && words[0] === 'flow')
}

/** The steps that stand behind the flow's id in a key. */
function stepsOf({ words }: Row, flowId: string): readonly string[] {
  return words.flatMap((word, index) => {
    const next = words[index + 1]
    return word === flowId && next !== undefined && !isFlowId(next) ? [next] : []
  })
}

function split({ log_type, key, count }: Sums): Row {
  return { type: log_type, words: (key ?? '').split(' '), count }
}

/** Steps and reasons have no hyphens. */
function isFlowId(word: string): boolean {
  return word.includes('-')
}
