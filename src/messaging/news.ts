import { initialState } from '../flow/state.ts'
import { type Json, storableJson } from '../lib/json.ts'
import { announceByTenant, type Feed, type FeedEvent, shownBy } from '../stores/feed.ts'
import type { Claimed } from './claim-conversations.ts'
import { type Message, placeOf } from './list-conversations.ts'
import type { Received, StoredMessage } from './receive-messages.ts'
import type { PhoneWritten, StoredPhoneMessage } from './receive-phone-messages.ts'
import type { Turn } from './save-turns.ts'
import type { StatusChange } from './status.ts'

// What the caches and the sockets are told of the conversations of all tenants, after the commit. A batch holds rows of
// many tenants, most of whom have no socket: what an event says is put together only where somebody may listen.

const conversations = shownBy['message.created']
/** Lists of these are searched by what customers are called. */
const customersToo = ['customers', 'orders', ...conversations]

/** Of what customers have written. */
export function tellOfReceived(feed: Feed, { stored, changedTenants, moved }: Received): void {
  const tenantOf = ({ message }: StoredMessage) => message.tenantId
  announceByTenant(feed, stored, tenantOf, (own, tenantId) => ({
    changed: changedTenants.has(tenantId) ? customersToo : conversations,
    events: () => [
      ...moved.flatMap(one => (one.tenantId === tenantId ? movedEvent(one) : [])),
      ...own.map(receivedEvent),
    ],
  }))
}

function receivedEvent({ message, conversationId, id, createdAt }: StoredMessage): FeedEvent {
  return messageEvent(conversationId, {
    ...{ id, bot_id: message.botId, direction: 'inbound', source: null, status: 'received', error: null },
    content: asStored(message.content),
    provider_message_id: message.providerMessageId,
    created_at: createdAt,
  })
}

function movedEvent({ id, bot_id, customer_id, status }: Received['moved'][number]): FeedEvent {
  return { type: 'conversation.updated', data: { id, bot_id, customer_id, status } }
}

/** Of what was written on the phones of businesses. */
export function tellOfPhoneMessages(feed: Feed, { stored, changedTenants, moved }: PhoneWritten): void {
  const tenantOf = ({ message }: StoredPhoneMessage) => message.tenantId
  announceByTenant(feed, stored, tenantOf, (own, tenantId) => ({
    changed: changedTenants.has(tenantId) ? customersToo : conversations,
    events: () => [...moved.flatMap(one => (one.tenantId === tenantId ? movedEvent(one) : [])), ...own.map(phoneEvent)],
  }))
}

function phoneEvent({ message, conversationId, id, createdAt, status, error }: StoredPhoneMessage): FeedEvent {
  return messageEvent(conversationId, {
    ...{ id, bot_id: message.botId, direction: 'outbound', source: 'phone', status, error },
    content: asStored(message.content),
    provider_message_id: message.providerMessageId,
    created_at: createdAt,
  })
}

/** A message that was made, as the API shows it. */
export function messageEvent(conversationId: string, message: Message): FeedEvent {
  const { id, bot_id, direction, source, content, status, error, provider_message_id, created_at } = message
  const data = { id, bot_id, direction, source, content, status, error, provider_message_id, created_at }
  return { type: 'message.created', data: { conversation_id: conversationId, ...data } }
}

/** Of what has become of messages. */
export function tellOfStatuses(feed: Feed, changes: readonly StatusChange[]): void {
  const tenantOf = ({ tenantId }: StatusChange) => tenantId
  announceByTenant(feed, changes, tenantOf, own => ({ changed: conversations, events: () => own.map(statusEvent) }))
}

function statusEvent({ conversationId, messageId, status, error }: StatusChange): FeedEvent {
  return {
    type: 'message.status',
    data: { conversation_id: conversationId, message_id: messageId, ...{ status, error } },
  }
}

/** A turn that was written, and what its actions have to tell. */
export type TurnTold = {
  readonly conversation: Claimed
  readonly turn: Turn
  readonly told: readonly FeedEvent[]
  /** Resources of the API whose kept answers are out of date besides. */
  readonly changed: readonly string[]
}

/** Of turns, which were written at `at`. */
export function tellOfTurns(feed: Feed, turns: readonly TurnTold[], at: Date): void {
  const rows = turns.filter(({ turn }) => turn.events.length > 0)
  const tenantOf = ({ turn }: TurnTold) => turn.tenantId
  announceByTenant(feed, rows, tenantOf, own => ({
    changed: changedBy(own),
    events: () => own.flatMap(one => turnEvents(one, at)),
  }))
}

function changedBy(turns: readonly TurnTold[]): readonly string[] {
  const others = turns.flatMap(changedOf)
  return others.length === 0 ? conversations : [...new Set([...conversations, ...others])]
}

/** What a turn has changed besides its conversation: of a consent that is the customer. */
function changedOf({ turn, told, changed }: TurnTold): readonly string[] {
  const hasConsent = turn.events.some(({ type }) => type === 'opted_out' || type === 'opted_in')
  return [...changed, ...told.flatMap(event => shownBy[event.type]), ...(hasConsent ? ['customers'] : [])]
}

function turnEvents({ conversation, turn, told }: TurnTold, at: Date): FeedEvent[] {
  const isActive = turn.lastInboundAt !== null || turn.sends.length > 0
  const rest = {
    ...{ bot_id: turn.botId, source: 'bot', status: 'queued' },
    ...{ error: null, provider_message_id: null, created_at: at },
  }
  return [
    conversationEvent({
      ...conversation,
      state: turn.state,
      last_message_at: isActive ? at : conversation.last_message_at,
    }),
    ...told,
    ...turn.sends.map(({ id, content }) =>
      messageEvent(turn.conversationId, { id, direction: 'outbound', content: asStored(content), ...rest }),
    ),
  ]
}

function asStored(content: Message['content']): Message['content'] {
  return storableJson(content as Json) as Message['content']
}

/** Of a row of mail that was given up: a customer's message shows it, and so does its conversation. */
export function tellOfFailure(feed: Feed, conversation: Claimed, message: StatusChange | null): void {
  void feed.announce(conversation.tenant_id, {
    events: [...(message === null ? [] : [statusEvent(message)]), conversationEvent(conversation)],
  })
}

function conversationEvent(conversation: Claimed): FeedEvent {
  const { id, bot_id, via_bot_id, customer_id, customer_name, customer_phone, state, last_message_at } = conversation
  return {
    type: 'conversation.updated',
    data: {
      ...{ id, bot_id, via_bot_id, customer_id },
      customer: { id: customer_id, name: customer_name, phone: customer_phone },
      status: (state ?? initialState).status,
      ...placeOf(state),
      last_message_at,
    },
  }
}
