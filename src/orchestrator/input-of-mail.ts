import * as v from 'valibot'
import type { ConversationState } from '../flow/state.ts'
import type { FlowVersion, Input } from '../flow/step.ts'
import { callResultBody } from '../messaging/calls.ts'
import type { Claimed } from '../messaging/claim-conversations.ts'
import type { Version } from '../messaging/load-flows.ts'
import type { Mail } from '../messaging/read-mail.ts'
import { silenceMs } from './silence.ts'

const agentId = v.optional(v.nullable(v.string()))
const bodySchemas = {
  timer: v.object({ token: v.string() }),
  result: callResultBody,
  handoff: v.object({ note: v.optional(v.string(), ''), agent_id: agentId }),
  resume: v.object({ agent_id: agentId, step: v.optional(v.nullable(v.string())) }),
  close: v.object({ reason: v.optional(v.string(), 'closed'), agent_id: agentId }),
  agent_message: v.object({
    message_id: v.string(),
    agent_id: v.nullable(v.string()),
    source: v.picklist(['api', 'phone']),
    takes_over: v.boolean(),
  }),
  move: v.object({ flow_id: v.string(), version: v.number() }),
}

/** What else the turn knows of a row of mail: when it is played, and whether the customer writes in this very turn. */
type Turn = { readonly now: number; readonly hasMessage: boolean }

/** What a row of mail means to the flow; null where it means nothing any more. Throws for what is no mail. */
export function inputOf(conversation: Claimed, row: Mail, turn: Turn): Input | null {
  switch (row.kind) {
    case 'message':
      if (row.content === null) throw new Error('the message of this row is not there')
      return { kind: 'message', message_id: row.id, content: row.content, flows: flowsOf(conversation) }
    case 'timer':
      return { kind: 'timer', ...v.parse(bodySchemas.timer, row.body) }
    case 'result':
      return { kind: 'action_result', ...v.parse(bodySchemas.result, row.body) }
    case 'handoff': {
      const { note, agent_id } = v.parse(bodySchemas.handoff, row.body)
      return { kind: 'handoff', note, agent_id: agent_id ?? undefined }
    }
    case 'resume': {
      const { agent_id, step } = v.parse(bodySchemas.resume, row.body)
      return { kind: 'resume', agent_id: agent_id ?? undefined, step: step ?? undefined }
    }
    case 'close':
      return closing(conversation, v.parse(bodySchemas.close, row.body), turn)
    case 'agent_message':
      return { kind: 'agent_message', ...v.parse(bodySchemas.agent_message, row.body) }
    case 'move':
      return { kind: 'move', ...v.parse(bodySchemas.move, row.body) }
    default:
      throw new Error(`mail of kind "${row.kind}" is not known here`)
  }
}

/** What the bot answers with: its main flow, then the others. */
function flowsOf({ flow_id, published_version, other_flows }: Claimed): readonly FlowVersion[] {
  const others = other_flows ?? []
  return flow_id === null || published_version === null
    ? others
    : [{ flow_id, version: published_version }, ...others.filter(other => other.flow_id !== flow_id)]
}

type Close = v.InferOutput<typeof bodySchemas.close>

function closing(conversation: Claimed, { reason, agent_id }: Close, { now, hasMessage }: Turn): Input | null {
  // What a person closes is closed, whatever they give as their reason.
  if (agent_id) return { kind: 'close', reason }
  // Who writes in this very turn is not silent.
  const isSilent = !hasMessage && now - conversation.last_message_at.getTime() >= silenceMs
  return reason === 'silence' && !isSilent ? null : { kind: 'close', reason }
}

/** The versions of flows that mail may lead to besides those that the conversation runs and its bot may start. */
export function versionsNamedBy(mail: readonly Mail[], state: ConversationState): readonly Version[] {
  return mail.flatMap(row => {
    const tenantId = row.tenant_id
    if (row.kind === 'move') {
      const named = v.safeParse(bodySchemas.move, row.body)
      return named.success ? [{ tenantId, flowId: named.output.flow_id, version: named.output.version }] : []
    }
    // Whoever gives a conversation back may have the run that ended last go on at a step of it.
    const frames = row.kind === 'resume' ? (state.last_run?.frames ?? []) : []
    return frames.map(frame => ({ tenantId, flowId: frame.flow_id, version: frame.version }))
  })
}
