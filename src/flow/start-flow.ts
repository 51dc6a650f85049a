import { type Call, emit } from './call.ts'
import type { CompiledFlow } from './compile.ts'
import type { InboundContent } from './content.ts'
import { isOpenAt } from './hours.ts'
import { runFrom } from './run.ts'
import { matchTrigger } from './trigger.ts'

/** A version of a flow. */
export type FlowVersion = { readonly flow_id: string; readonly version: number }

/** A flow that may be started. */
export type Candidate = { readonly ref: FlowVersion; readonly flow: CompiledFlow }

/** Those of a bot's flows that are there, in their order. */
export function candidates(call: Call, refs: readonly FlowVersion[]): readonly Candidate[] {
  const found: Candidate[] = []
  for (const ref of refs) {
    const flow = call.library.byId(ref.flow_id, ref.version)
    if (flow !== undefined) found.push({ ref, flow })
  }
  return found
}

/** Starts the first flow that a trigger of this kind starts, in place of the run if there is one. Whether any did. */
export function startTriggered(
  call: Call,
  flows: readonly Candidate[],
  content: InboundContent,
  kind: 'specific' | 'fallback',
): boolean {
  const match = matchTrigger(flows, content, isOpen(call, flows), kind)
  const matched = match === null ? undefined : flows[match.index]
  if (match === null || matched === undefined) return false
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'replaced' } })
  startFlow(call, matched, match.trigger)
  return true
}

/** Opening hours cost more than all else here, so they are looked at only where a trigger asks for them. */
function isOpen(call: Call, flows: readonly Candidate[]): boolean {
  const asks = flows.some(({ flow }) => flow.triggers.some(trigger => trigger.hours !== null))
  return !asks || isOpenAt(call.context.business, call.context.now)
}

export function startFlow(call: Call, { ref, flow }: Candidate, trigger: string): void {
  const { flow_id, version } = ref
  emit(call, { type: 'flow.started', data: { flow_id, name: flow.name, version, trigger } })
  runFrom(call, flow.start)
}
