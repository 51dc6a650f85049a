import type { WebhookDeliveries } from './deliver-webhooks.ts'
import type { SendCommand } from './dialects/meta-parse-send.ts'
import { messagesBody, statusBody } from './dialects/meta-webhook.ts'
import type { BusinessNumber, ChatMessage, Content, Customer, MessageStatus } from './records.ts'
import type { Throttle } from './throttle.ts'
import type { World } from './world.ts'

/** The 24 hours after a customer's message in which the business may write freely. */
const windowMs = 24 * 3_600_000

/** What a customer does with the phone; what is left out stays as it was. */
export type CustomerChange = {
  readonly profile_name?: string | undefined
  readonly bsuid?: string | undefined
  readonly hide_phone?: boolean | undefined
  readonly auto_read?: boolean | undefined
}

type Parts = {
  readonly world: World
  readonly deliveries: WebhookDeliveries
  readonly throttle: Throttle
  readonly now: () => number
}

/** What happens between the two sides: customers write and read, bots send, and webhooks tell of it. */
export class Exchange {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The customer of a phone or a user id, made where it is new. */
  customer(ref: string, change: CustomerChange = {}): Customer {
    const { world } = this.#parts
    const known = world.customer(ref) ?? (change.bsuid === undefined ? null : world.customer(change.bsuid))
    const isPhone = /^\d{5,15}$/.test(ref)
    const before: Customer = known ?? {
      id: ref,
      wa_id: isPhone ? ref : null,
      user_id: change.bsuid ?? (isPhone ? `US.${ref.padStart(15, '0')}` : ref),
      name: isPhone ? `+${ref}` : ref,
      hide_phone: !isPhone,
      auto_read: false,
    }
    const customer: Customer = {
      ...before,
      user_id: change.bsuid ?? before.user_id,
      name: change.profile_name ?? before.name,
      hide_phone: change.hide_phone ?? before.hide_phone,
      auto_read: change.auto_read ?? before.auto_read,
    }
    if (known === null || JSON.stringify(known) !== JSON.stringify(customer)) world.putCustomer(customer)
    return customer
  }

  /** The customer writes: one webhook for all of it. `delivered` resolves when that was answered 2xx, or given up. */
  write(
    number: BusinessNumber,
    customer: Customer,
    contents: readonly Content[],
    replyTo: string | undefined,
  ): { messages: ChatMessage[]; delivered: Promise<boolean> } {
    const { world, throttle, now } = this.#parts
    const messages = contents.map(content => {
      throttle.countInbound(number.id)
      return world.addMessage(number.id, customer.id, {
        ...{ id: newMessageId(), direction: 'inbound', at: now(), content, status: 'sent' },
        ...(replyTo === undefined ? {} : { reply_to: replyTo }),
      })
    })
    return { messages, delivered: this.#deliver(number, customer, messages) }
  }

  /** After a restart: what customers wrote and no webhook has brought yet. */
  redeliver(): void {
    const { world } = this.#parts
    for (const chat of world.chats(null)) {
      const number = world.number(chat.number)
      const customer = world.customer(chat.customer)
      const waiting = chat.messages.filter(message => message.direction === 'inbound' && message.status === 'sent')
      if (number !== null && customer !== null) for (const one of waiting) void this.#deliver(number, customer, [one])
    }
  }

  async #deliver(number: BusinessNumber, customer: Customer, messages: readonly ChatMessage[]): Promise<boolean> {
    const { world, deliveries } = this.#parts
    const body = messagesBody(number, customer, messages)
    const isDelivered = await deliveries.add(number.id, customer.id, 'messages', body)
    if (isDelivered) for (const message of messages) world.raiseStatus(message.id, 'delivered')
    return isDelivered
  }

  /** Takes a bot's message: it lies on the phone, and its statuses go out. */
  accept(number: BusinessNumber, customer: Customer, command: Extract<SendCommand, { kind: 'message' }>): ChatMessage {
    const { world, now } = this.#parts
    const isOpen = now() - (world.chat(number.id, customer.id)?.lastInboundAt ?? 0) < windowMs
    const hasFailed = !isOpen && command.content.type !== 'template'
    const message = world.addMessage(number.id, customer.id, {
      ...{ id: newMessageId(), direction: 'outbound', at: now(), content: command.content },
      status: hasFailed ? 'failed' : 'sent',
      ...(hasFailed ? { failure: 'window_closed' as const } : {}),
      ...(command.replyTo === null ? {} : { reply_to: command.replyTo }),
      ...(command.callbackData === null ? {} : { callback_data: command.callbackData }),
    })
    this.#report(number, customer, message)
    return message
  }

  #report(number: BusinessNumber, customer: Customer, message: ChatMessage): void {
    this.#tell(number, customer, message, message.status)
    if (message.status === 'failed') return
    this.#raise(number, customer, message, 'delivered')
    if (customer.auto_read) this.#raise(number, customer, message, 'read')
  }

  #raise(number: BusinessNumber, customer: Customer, message: ChatMessage, status: MessageStatus): void {
    if (this.#parts.world.raiseStatus(message.id, status)) this.#tell(number, customer, message, status)
  }

  #tell(number: BusinessNumber, customer: Customer, message: ChatMessage, status: MessageStatus): void {
    const { deliveries, now } = this.#parts
    void deliveries.add(number.id, customer.id, 'status', statusBody(number, customer, message, status, now()))
  }

  /** The customer looks at the chat: what the bot sent is read. Returns how many messages were not before. */
  read(number: BusinessNumber, customer: Customer): number {
    const chat = this.#parts.world.chat(number.id, customer.id)
    const unread = (chat?.messages ?? []).filter(
      message => message.direction === 'outbound' && (message.status === 'sent' || message.status === 'delivered'),
    )
    for (const message of unread) this.#raise(number, customer, message, 'read')
    return unread.length
  }
}

function newMessageId(): string {
  return `wamid.${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64')}`
}
