import type { WebhookDeliveries } from './deliver-webhooks.ts'
import type { MediaStore } from './media-store.ts'
import type { Draft } from './read-send.ts'
import type { BusinessNumber, ChatMessage, Content, Customer, Failure, MessageStatus } from './records.ts'
import type { Throttle } from './throttle.ts'
import type { Wording } from './wording.ts'
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
  readonly not_on_whatsapp?: boolean | undefined
}

/** How far the statuses of an accepted message go by themselves. `off`: none is told. */
export type AutoStatus = 'off' | 'sent' | 'delivered' | 'read'

type Parts = {
  readonly world: World
  readonly deliveries: WebhookDeliveries
  readonly throttle: Throttle
  readonly media: MediaStore
  readonly wordingOf: (number: BusinessNumber) => Wording
  readonly autoStatus: AutoStatus
  readonly now: () => number
  /** Aborted when the emulator stops. */
  readonly signal: AbortSignal
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
    const { not_on_whatsapp = before.not_on_whatsapp } = change
    const customer: Customer = {
      ...before,
      user_id: change.bsuid ?? before.user_id,
      name: change.profile_name ?? before.name,
      hide_phone: change.hide_phone ?? before.hide_phone,
      auto_read: change.auto_read ?? before.auto_read,
      ...(not_on_whatsapp === undefined ? {} : { not_on_whatsapp }),
    }
    if (known === null || JSON.stringify(known) !== JSON.stringify(customer)) world.putCustomer(customer)
    return customer
  }

  /**
   * The customer writes: one webhook for all of it, where the provider tells of several messages in one. `delivered`
   * resolves when all is answered 2xx, or given up.
   */
  write(
    number: BusinessNumber,
    customer: Customer,
    written: readonly Written[],
  ): { messages: ChatMessage[]; delivered: Promise<boolean> } {
    const { world, throttle, media, now, wordingOf } = this.#parts
    const wording = wordingOf(number)
    const messages = written.map(({ content, replyTo }) => {
      throttle.countInbound(number.id)
      return world.addMessage(number.id, customer.id, {
        ...{ id: wording.messageId('inbound', content), direction: 'inbound', at: now(), status: 'sent' },
        content: staged(content, media, wording),
        ...(replyTo === null ? {} : { reply_to: replyTo }),
      })
    })
    return { messages, delivered: this.#deliver(number, customer, messages) }
  }

  /**
   * The business writes to a customer on its own phone: it lies in the chat as what the bot sends does, and its statuses go
   * out. `delivered` resolves when the webhook that tells of it is answered 2xx, or given up.
   */
  writeFromPhone(
    number: BusinessNumber,
    customer: Customer,
    { content, replyTo }: Written,
  ): { message: ChatMessage; delivered: Promise<boolean> } {
    const { world, media, now, wordingOf, deliveries } = this.#parts
    const wording = wordingOf(number)
    const message = world.addMessage(number.id, customer.id, {
      // Named by a phone, as what customers write is.
      ...{ id: wording.messageId('inbound', content), direction: 'outbound', at: now(), status: 'sent' },
      content: staged(content, media, wording),
      ...(replyTo === null ? {} : { reply_to: replyTo }),
    })
    const delivered = deliveries.add(number.id, { kind: 'phone', customer, message })
    this.#report(number, customer, message)
    return { message, delivered }
  }

  /** What customers wrote and no webhook has brought yet: after a restart, or when a number can be reached again. */
  redeliver(of: string | null = null): void {
    const { world, deliveries } = this.#parts
    for (const chat of world.chats(of)) {
      const number = world.number(chat.number)
      const customer = world.customer(chat.customer)
      const waiting = chat.messages.filter(
        ({ id, direction, status }) => direction === 'inbound' && status === 'sent' && !deliveries.brings(id),
      )
      if (number !== null && customer !== null) for (const one of waiting) void this.#deliver(number, customer, [one])
    }
  }

  async #deliver(number: BusinessNumber, customer: Customer, messages: readonly ChatMessage[]): Promise<boolean> {
    const { isBatched } = this.#parts.wordingOf(number).webhooks
    const groups = isBatched ? [messages] : messages.map(message => [message])
    return (await Promise.all(groups.map(group => this.#deliverGroup(number, customer, group)))).every(Boolean)
  }

  async #deliverGroup(number: BusinessNumber, customer: Customer, messages: readonly ChatMessage[]): Promise<boolean> {
    const { world, deliveries } = this.#parts
    const isDelivered = await deliveries.add(number.id, { kind: 'messages', customer, messages })
    if (isDelivered) for (const message of messages) world.raiseStatus(message.id, 'delivered')
    return isDelivered
  }

  /** Takes a bot's message: it lies on the phone, and its statuses go out. */
  accept(number: BusinessNumber, customer: Customer, draft: Draft): ChatMessage {
    const { world, now, wordingOf } = this.#parts
    const failure = draft.failure ?? this.#failureOf(number, customer, draft)
    const message = world.addMessage(number.id, customer.id, {
      id: wordingOf(number).messageId('outbound', draft.content),
      ...{ direction: 'outbound', at: now(), content: draft.content, status: failure === null ? 'sent' : 'failed' },
      ...(failure === null ? {} : { failure }),
      ...(draft.replyTo ? { reply_to: draft.replyTo } : {}),
      ...(draft.callbackData ? { callback_data: draft.callbackData } : {}),
      ...(draft.callbackUrl ? { callback_url: draft.callbackUrl } : {}),
    })
    this.#announce(number, customer, message)
    if (draft.prepare === undefined || failure !== null) this.#report(number, customer, message)
    else void this.#prepare(number, customer, message, draft.prepare)
    return message
  }

  #failureOf(number: BusinessNumber, customer: Customer, { content }: Draft): Failure | null {
    const { world, now, wordingOf } = this.#parts
    if (customer.not_on_whatsapp === true) return 'not_on_whatsapp'
    if (!wordingOf(number).hasWindow || content.type === 'template') return null
    const lastInboundAt = world.chat(number.id, customer.id)?.lastInboundAt ?? 0
    return now() - lastInboundAt < windowMs ? null : 'window_closed'
  }

  async #prepare(
    number: BusinessNumber,
    customer: Customer,
    { id }: ChatMessage,
    prepare: () => Promise<Content | Failure>,
  ): Promise<void> {
    const prepared = await prepare()
    if (this.#parts.signal.aborted) return
    const change =
      typeof prepared === 'string' ? { status: 'failed' as const, failure: prepared } : { content: prepared }
    const message = this.#parts.world.changeMessage(id, change)
    if (message !== null) this.#report(number, customer, message)
  }

  #announce(number: BusinessNumber, customer: Customer, message: ChatMessage): void {
    const { deliveries, wordingOf, autoStatus, now } = this.#parts
    for (const event of wordingOf(number).announce(customer, message, now())) {
      if (event.kind !== 'status' || autoStatus !== 'off') void deliveries.add(number.id, event)
    }
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

  /** The provider itself writes to the customer, because of what the bot's server answered to a webhook. */
  answer(number: BusinessNumber, customer: Customer, text: string): void {
    const { world, now, wordingOf } = this.#parts
    const content = { type: 'text', text } as const
    const id = wordingOf(number).messageId('outbound', content)
    world.addMessage(number.id, customer.id, {
      ...{ id, direction: 'outbound', at: now(), content, status: 'delivered' },
    })
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
function staged(content: Content, media: MediaStore, wording: Wording): Content {
  switch (content.type) {
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker': {
      const given = content.media_id ?? wording.mediaId()
      const type = content.mime_type ?? media.get(given)?.mimeType ?? mimeTypes[content.type]
      const { id, mimeType } = media.stage(type, given)
      return { ...content, media_id: id, mime_type: mimeType }
    }
    default:
      return content
  }
}
