import type { WebhookDeliveries } from './deliver-webhooks.ts'
import type { SendCommand } from './dialects/meta-parse-send.ts'
import type { MediaStore } from './media-store.ts'
import type { BusinessNumber, ChatMessage, Content, Customer, MessageStatus } from './records.ts'
import type { Throttle } from './throttle.ts'
import type { Located, World } from './world.ts'
import type { Written } from './written-content.ts'

/** The 24 hours after a customer's message in which the business may write freely. */
const windowMs = 24 * 3_600_000

/** What a customer does with the phone; what is left out stays as it was. */
export type CustomerChange = {
  readonly profile_name?: string | undefined
  readonly bsuid?: string | undefined
  readonly hide_phone?: boolean | undefined
  readonly auto_read?: boolean | undefined
}

/** How far the statuses of an accepted message go by themselves. `off`: none is told. */
export type AutoStatus = 'off' | 'sent' | 'delivered' | 'read'

type Parts = {
  readonly world: World
  readonly deliveries: WebhookDeliveries
  readonly throttle: Throttle
  readonly media: MediaStore
  readonly autoStatus: AutoStatus
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
    written: readonly Written[],
  ): { messages: ChatMessage[]; delivered: Promise<boolean> } {
    const { world, throttle, media, now } = this.#parts
    const messages = written.map(({ content, replyTo }) => {
      throttle.countInbound(number.id)
      return world.addMessage(number.id, customer.id, {
        ...{ id: newMessageId(), direction: 'inbound', at: now(), content: staged(content, media), status: 'sent' },
        ...(replyTo === null ? {} : { reply_to: replyTo }),
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
    const isDelivered = await deliveries.add(number.id, { kind: 'messages', customer, messages })
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
    const { autoStatus } = this.#parts
    if (message.status === 'failed') return void this.#tell(number, customer, message, 'failed')
    if (autoStatus === 'off') return
    this.#tell(number, customer, message, 'sent')
    if (autoStatus === 'sent') return
    this.#raise(number, customer, message, 'delivered')
    if (autoStatus === 'read' || customer.auto_read) this.#raise(number, customer, message, 'read')
  }

  #raise(number: BusinessNumber, customer: Customer, message: ChatMessage, status: MessageStatus): void {
    if (this.#parts.world.raiseStatus(message.id, status)) this.#tell(number, customer, message, status)
  }

  #tell(number: BusinessNumber, customer: Customer, message: ChatMessage, status: MessageStatus): void {
    const { deliveries, now } = this.#parts
    void deliveries.add(number.id, { kind: 'status', customer, message, status, at: now() })
  }

  /** The bot read this message, and with it what the customer wrote before. */
  markRead({ chat, message }: Located): void {
    const { world } = this.#parts
    const until = message.seq
    const read = chat.messages.filter(({ direction, status, seq }) => {
      return direction === 'inbound' && status !== 'read' && seq <= until
    })
    for (const { id } of read) world.raiseStatus(id, 'read')
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

const mimeTypes = {
  image: 'image/png',
  audio: 'audio/ogg; codecs=opus',
  video: 'video/mp4',
  document: 'application/pdf',
  sticker: 'image/webp',
}

/** Media that customers send has an id and a type, and can be fetched. */
function staged(content: Content, media: MediaStore): Content {
  switch (content.type) {
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker': {
      const { id, mimeType } = media.stage(content.mime_type ?? mimeTypes[content.type], content.media_id)
      return { ...content, media_id: id, mime_type: mimeType }
    }
    default:
      return content
  }
}

function newMessageId(): string {
  return `wamid.${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64')}`
}
