import { askForPerson, type Call, currentFlow, emit } from './call.ts'
import type { CompiledHandoff } from './compile.ts'
import { goOn } from './continue-run.ts'
import { runFrom } from './run.ts'
import type { Run } from './state.ts'

/** An agent takes over: the run stands still until it is resumed. */
export function takeOver(call: Call, note: string, agent_id: string | null): void {
  emit(call, { type: 'handed_off', data: { by: 'agent', note, ...(agent_id !== null && { agent_id }) } })
}

/** A person is asked for: where one has the conversation, or is waited for, nothing changes. */
export function callPerson(call: Call, note: string): void {
  if (call.state.status === 'bot') askForPerson(call, 'flow', note)
}

/** A message that a person wrote to the customer; who writes to one that waits for a person, or so wants, takes over. */
export type AgentMessage = {
  readonly message_id: string
  readonly agent_id: string | null
  readonly source: 'api' | 'phone'
  readonly takes_over: boolean
}

export function recordAgentMessage(call: Call, { message_id, agent_id, source, takes_over }: AgentMessage): void {
  const { status } = call.state
  if (status === 'waiting' || (status === 'bot' && takes_over)) takeOver(call, '', agent_id)
  emit(call, { type: 'agent.replied', data: { message_id, agent_id, source } })
}

/** The customer wrote to an agent, who from the first such message on has a time to answer, if there is one. */
export function awaitAgent(call: Call): void {
  const { status, timer, seq } = call.state
  if (status !== 'agent' || timer !== undefined) return
  const own = stayingAt(call)?.handoff.agent_timeout?.after_ms
  const timeout_ms = own ?? call.context.business.handoff.agent_timeout_ms
  if (timeout_ms !== null) emit(call, { type: 'agent.awaited', data: { token: `h${seq}`, timeout_ms } })
}

/** Nobody took the conversation in time, or its agent did not answer: the bot takes it back, or others are asked. */
export function timeOutPerson(call: Call): void {
  const staying = stayingAt(call)
  const reason = call.state.status === 'waiting' ? 'nobody_took' : 'agent_silent'
  const branch = reason === 'nobody_took' ? staying?.handoff.timeout : staying?.handoff.agent_timeout
  emit(call, { type: 'handoff.timed_out', data: { reason, step: staying?.step ?? null } })
  if (branch) resumeAt(call, null, branch.next)
  else if (reason === 'nobody_took') resume(call, null)
  else askOthers(call, staying)
}

function askOthers(call: Call, staying: Staying | null): void {
  const stay = staying && { step: staying.step, timeout_ms: staying.handoff.timeout?.after_ms ?? null }
  askForPerson(call, 'timeout', 'The customer wrote, and was not answered in time', stay)
}

/**
 * Back to the bot. With a `step` of the flow that was on top, it goes on there, even where the run has ended; without
 * one, or with one that is not there, where the run stood.
 */
export function resume(call: Call, by: string | null, step?: string): void {
  const { run, last_run } = call.state
  if (step !== undefined && hasStep(call, run ?? last_run, step)) resumeAt(call, by, step)
  else {
    emit(call, { type: 'resumed', data: { by } })
    goOn(call, run?.waiting ?? null)
  }
}

function hasStep(call: Call, run: Run | null, step: string): boolean {
  const frame = run?.frames.at(-1)
  const flow = frame && call.library.byId(frame.flow_id, frame.version)
  return flow?.steps.has(step) ?? false
}

function resumeAt(call: Call, by: string | null, step: string): void {
  emit(call, { type: 'resumed', data: { by, step } })
  const frame = call.state.run === null ? call.state.last_run?.frames.at(-1) : undefined
  if (frame !== undefined) {
    emit(call, { type: 'flow.revived', data: { flow_id: frame.flow_id, version: frame.version, step } })
  }
  runFrom(call, step)
}

type Staying = { readonly step: string; readonly handoff: CompiledHandoff }

/** The handoff step that the run stays at. */
function stayingAt(call: Call): Staying | null {
  const waiting = call.state.run?.waiting
  if (waiting?.kind !== 'handoff') return null
  const handoff = currentFlow(call)?.steps.get(waiting.step)
  return handoff?.type === 'handoff' ? { step: waiting.step, handoff } : null
}
