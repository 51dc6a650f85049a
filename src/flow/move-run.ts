import { type Call, emit } from './call.ts'
import type { CompiledFlow, CompiledStep } from './compile.ts'
import type { FlowVersion } from './start-flow.ts'
import type { ConversationState, Run, Waiting } from './state.ts'

/** Whether a run can go on in another version of a flow, and why not. */
export type MoveCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/**
 * Whether what runs of the flow can run in this version of it: each step where it stands, or to which a called flow comes
 * back, has to be there and be of the same type.
 */
export function canMove({ run }: ConversationState, flow_id: string, version: CompiledFlow): MoveCheck {
  for (const place of run === null ? [] : placesIn(run, flow_id)) {
    const reason = misfit(place, version.steps.get(place.step))
    if (reason !== null) return { ok: false, reason }
  }
  return { ok: true }
}

/** Moves what runs of the flow to the version, where it can; nothing where none of it is of another version. */
export function moveRun(call: Call, { flow_id, version }: FlowVersion): void {
  const frame = call.state.run?.frames.find(one => one.flow_id === flow_id && one.version !== version)
  if (frame === undefined) return
  const flow = call.library.byId(flow_id, version)
  const check: MoveCheck = flow === undefined ? notThere : canMove(call.state, flow_id, flow)
  if (check.ok) emit(call, { type: 'flow.moved', data: { flow_id, from_version: frame.version, version } })
  else emit(call, { type: 'flow.move_refused', data: { flow_id, version, reason: check.reason } })
}

const notThere: MoveCheck = { ok: false, reason: 'that version is not there' }

/** Where a frame stands. `isTimed`: a time to answer runs, so that the step needs its branch. */
type Place = { readonly step: string; readonly type: CompiledStep['type']; readonly isTimed: boolean }

const TYPES: Readonly<Record<Waiting['kind'], CompiledStep['type']>> = {
  answer: 'question',
  action: 'action',
  paused: 'action',
  wait: 'wait',
  handoff: 'handoff',
}

function placesIn({ frames, waiting }: Run, flow_id: string): readonly Place[] {
  return frames.flatMap((frame, index) => {
    if (frame.flow_id !== flow_id) return []
    const above = frames[index + 1]
    if (above !== undefined) return [{ step: above.return_step ?? '', type: 'flow', isTimed: false }]
    if (waiting === null) return []
    const isTimed = waiting.kind === 'answer' && waiting.timeout_ms !== null
    return [{ step: waiting.step, type: TYPES[waiting.kind], isTimed }]
  })
}

function misfit({ step: id, type, isTimed }: Place, step: CompiledStep | undefined): string | null {
  if (step === undefined) return `it has no step "${id}"`
  if (step.type !== type) return `its step "${id}" is no ${type} but a ${step.type}`
  return isTimed && step.type === 'question' && step.timeout === null ? `its step "${id}" has no timeout` : null
}
