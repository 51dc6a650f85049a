import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { isActiveSeller } from '../../commerce/sellers.ts'
import { suggestion } from '../../flow/finding.ts'
import { ID_LENGTH_MAX } from '../../flow/limits.ts'
import type { Caller } from '../../identity/callers.ts'
import { invalid } from '../../lib/check-fields.ts'
import { assignConversation } from '../../messaging/assign.ts'
import { findFlowVersion } from '../../messaging/flow-versions.ts'
import { type InboxKind, postToInbox } from '../../messaging/inbox.ts'
import type { Conversation } from '../../messaging/list-conversations.ts'
import { retryMail } from '../../messaging/mail-trouble.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { refuseHeld } from '../claim-conversation.ts'
import { openConversation, seenConversation } from '../conversation-access.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import type { Parts } from '../parts.ts'
import { text, uuid } from '../schemas.ts'
import { body, describe, idempotent, idOf, makeGuard } from '../steps.ts'

const accepted = named('Accepted', v.strictObject({ conversation_id: uuid }))
const handoff = v.strictObject({
  note: v.optional(text(1_000, 0), ''),
  seller_id: v.optional(v.nullable(uuid)),
  force: v.pipe(v.optional(v.boolean(), false), v.description('Takes it from another person too')),
})
const tag = 'Conversations'

/** What is left in a conversation's mailbox, and what that has changed already. */
type Command = {
  readonly body: object
  readonly before?: object
  readonly after?: object
  readonly events?: readonly FeedEvent[]
}

export function conversationCommandRoutes(parts: Parts): Hono<Env> {
  const { bus, ids } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/retry',
    describe({
      id: 'retryConversation',
      tag,
      summary: 'Try again what could not be processed',
      answers: { 202: v.strictObject({ retried: v.number() }) },
      errors: ['not_found'],
    }),
    may('conversations:write'),
    idempotent,
    async context => {
      const conversationId = idOf(context)
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        await seenConversation(tx, caller, conversationId)
        const retried = await retryMail(tx, caller.tenantId, conversationId)
        record({ action: 'conversation.retried', ...changeOf(conversationId, { retried }) })
        return { retried }
      })
      bus.publish('inbox')
      return response
    },
  )
  app.post(
    '/:id/handoff',
    describe(
      command(
        'handOffConversation',
        'Take the conversation over from the bot',
        'One that another person has is refused, unless `force` is true.',
      ),
    ),
    may('conversations:write'),
    idempotent,
    body(handoff, { mayBeEmpty: true }),
    async context => {
      const { note, seller_id, force } = context.req.valid('json')
      return await post(context, 'handoff', async (tx, caller, conversation) => {
        if (!force) await refuseHeld(tx, caller, conversation)
        return { body: { note, agent_id: caller.id }, ...(await assign(tx, caller, conversation, seller_id)) }
      })
    },
  )
  app.post(
    '/:id/resume',
    describe(
      command(
        'resumeConversation',
        'Give the conversation back to the bot',
        'It asks again what it waited for, or goes on at the `step` that is given: one of the flow that the conversation ' +
          'is in, or was in last, in the version that it runs.',
      ),
    ),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ step: v.optional(text(ID_LENGTH_MAX)) }), { mayBeEmpty: true }),
    async context => {
      const { step } = context.req.valid('json')
      return await post(context, 'resume', async (tx, caller, conversation) => {
        if (step !== undefined) await refuseUnknownStep(tx, caller, conversation, step)
        return { body: { agent_id: caller.id, ...(step !== undefined && { step }) } }
      })
    },
  )
  app.post(
    '/:id/close',
    describe(command('closeConversation', 'End the conversation: the next message begins another')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ reason: v.optional(text(500), 'agent') }), { mayBeEmpty: true }),
    async context => {
      const { reason } = context.req.valid('json')
      return await post(context, 'close', async (_tx, caller) => ({ body: { reason, agent_id: caller.id } }))
    },
  )

  /** Leaves what an agent wants in the conversation's mailbox: its next turn does it. */
  async function post(
    context: Context<Env>,
    kind: InboxKind,
    work: (tx: Transaction, caller: Caller, conversation: Conversation) => Promise<Command>,
  ): Promise<Response> {
    const conversationId = idOf(context)
    const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
      const { tenantId } = caller
      const conversation = await openConversation(tx, caller, conversationId)
      const { body, before = null, after, events = [] } = await work(tx, caller, conversation)
      await postToInbox(tx, ids, { tenantId, conversationId, kind, body })
      const change = { ...changeOf(conversationId, { ...body, ...after }), before, events }
      record({ action: `conversation.${kind}`, ...change })
      return { conversation_id: conversationId }
    })
    bus.publish('inbox')
    return response
  }

  return app
}

function changeOf(id: string, after: object) {
  return { resource: 'conversations' as const, id, before: null, after }
}

function command(id: string, summary: string, more = '') {
  const description = `Done by the next turn of the conversation, a moment later. ${more}`.trim()
  return { id, tag, summary, description, answers: { 202: accepted }, errors: ['not_found', 'conflict'] as const }
}

/** The steps are those of the flow on top, in the version that the run is in, or the last one was. */
async function refuseUnknownStep(
  tx: Transaction,
  { tenantId }: Caller,
  { flow_id, flow_version }: Conversation,
  step: string,
): Promise<void> {
  if (flow_id === null || flow_version === null)
    throw invalid([{ path: 'step', message: 'The conversation was in no flow yet: leave this out' }])
  const version = await findFlowVersion(tx, tenantId, flow_id, flow_version)
  if (version === undefined)
    throw invalid([{ path: 'step', message: 'The flow that the conversation was in is gone: leave this out' }])
  const { name, steps } = version.document
  if (Object.hasOwn(steps, step)) return
  const near = suggestion(step, Object.keys(steps))
  throw invalid([{ path: 'step', message: `Is no step of the flow "${name}"${near}` }])
}

/**
 * Gives the conversation to a seller: to the caller's own where they are tied to one, else to the one that is asked for;
 * null is nobody in particular, undefined leaves it whose it is.
 */
async function assign(
  tx: Transaction,
  caller: Caller,
  conversation: Conversation,
  wanted: string | null | undefined,
): Promise<Omit<Command, 'body'>> {
  const seller_id = caller.sellerId ?? wanted
  if (wanted && wanted !== seller_id) throw invalid([{ path: 'seller_id', message: 'Must be your own seller' }])
  if (seller_id && !(await isActiveSeller(tx, caller.tenantId, seller_id)))
    throw invalid([{ path: 'seller_id', message: 'There is no such seller, or they are not active' }])
  if (seller_id === undefined || seller_id === conversation.seller_id) return {}
  const { id, status, bot_id, customer_id } = conversation
  await assignConversation(tx, { tenantId: caller.tenantId, id }, seller_id)
  return {
    before: { seller_id: conversation.seller_id },
    after: { seller_id },
    events: [{ type: 'conversation.updated', data: { id, status, bot_id, customer_id, seller_id } }],
  }
}
