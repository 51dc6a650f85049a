import type { EmulatorLimits } from './limits.ts'
import type { BusinessNumber, Change, ChatMessage, Customer, MessageStatus } from './records.ts'

/** Messages between one business number and one customer, oldest first. */
export interface Chat {
  readonly number: string
  readonly customer: string
  lastInboundAt: number | null
  messages: ChatMessage[]
}

/** A message and the chat it lies in. */
export interface Located {
  readonly chat: Chat
  readonly message: ChatMessage
}

const statusRank: Record<MessageStatus, number> = { sent: 1, delivered: 2, read: 3, failed: 4 }

/** Numbers, customers and chats in memory. Every change is told to `onChange`, as the record it left behind. */
export class World {
  readonly #limits: EmulatorLimits
  readonly #numbers = new Map<string, BusinessNumber>()
  // Both in order of use, the longest idle first: that is the order of forgetting.
  readonly #customers = new Map<string, Customer>()
  readonly #chats = new Map<string, Chat>()
  readonly #userIds = new Map<string, string>()
  readonly #messages = new Map<string, Located>()
  readonly #onChange: (change: Change) => void
  #seq = 0

  constructor(limits: EmulatorLimits, onChange: (change: Change) => void) {
    this.#limits = limits
    this.#onChange = onChange
  }

  number(id: string): BusinessNumber | null {
    return this.#numbers.get(id) ?? null
  }

  numbers(): BusinessNumber[] {
    return [...this.#numbers.values()]
  }

  /** `full` when there is no room for one more number. */
  putNumber(number: BusinessNumber): 'added' | 'replaced' | 'full' {
    const known = this.#numbers.has(number.id)
    if (!known && this.#numbers.size >= this.#limits.numbersMax) return 'full'
    this.#tell({ kind: 'number', number })
    return known ? 'replaced' : 'added'
  }

  /** Forgets the number and its chats. */
  removeNumber(id: string): boolean {
    if (!this.#numbers.has(id)) return false
    this.#tell({ kind: 'number_removed', id })
    return true
  }

  /** Finds a customer by phone in digits or by `user_id`. */
  customer(ref: string): Customer | null {
    return this.#customers.get(ref) ?? this.#customers.get(this.#userIds.get(ref) ?? '') ?? null
  }

  customers(): IterableIterator<Customer> {
    return this.#customers.values()
  }

  putCustomer(customer: Customer): void {
    this.#tell({ kind: 'customer', customer })
  }

  chat(number: string, customer: string): Chat | null {
    return this.#chats.get(chatKey(number, customer)) ?? null
  }

  /** Newest activity first. */
  chats(number: string | null): Chat[] {
    return [...this.#chats.values()].reverse().filter(chat => number === null || chat.number === number)
  }

  message(id: string): Located | null {
    return this.#messages.get(id) ?? null
  }

  /** Adds a message to its chat, which is made when missing; gives it its `seq`. */
  addMessage(number: string, customer: string, draft: Omit<ChatMessage, 'seq'>): ChatMessage {
    const message: ChatMessage = { ...draft, seq: this.#seq + 1 }
    if (draft.direction === 'inbound') this.setLastInbound(number, customer, draft.at)
    this.#tell({ kind: 'message', number, customer, message })
    return message
  }

  setLastInbound(number: string, customer: string, at: number | null): void {
    this.#tell({ kind: 'chat', number, customer, last_inbound_at: at })
  }

  /** Statuses only climb, and `failed` stays: false when nothing changed. */
  raiseStatus(id: string, status: MessageStatus): boolean {
    const located = this.#messages.get(id)
    if (located === undefined || statusRank[status] <= statusRank[located.message.status]) return false
    this.changeMessage(id, { status })
    return true
  }

  /** Changes what is known of a message. Returns it as it is now, or null where it is forgotten. */
  changeMessage(id: string, change: Partial<Pick<ChatMessage, 'content' | 'status' | 'failure'>>): ChatMessage | null {
    const located = this.#messages.get(id)
    if (located === undefined) return null
    const message: ChatMessage = { ...located.message, ...change }
    this.#tell({ kind: 'message', number: located.chat.number, customer: located.chat.customer, message })
    return message
  }

  reset(): void {
    this.#tell({ kind: 'reset' })
  }

  /** The changes that make a world equal to this one, shortest form. */
  *snapshot(): Generator<Change> {
    for (const number of this.#numbers.values()) yield { kind: 'number', number }
    for (const customer of this.#customers.values()) yield { kind: 'customer', customer }
    for (const { number, customer, lastInboundAt, messages } of this.#chats.values()) {
      yield { kind: 'chat', number, customer, last_inbound_at: lastInboundAt }
      for (const message of messages) yield { kind: 'message', number, customer, message }
    }
  }

  /** Takes a change over without telling anyone: how a state file is read back. */
  apply(change: Change): void {
    switch (change.kind) {
      case 'number':
        this.#numbers.set(change.number.id, change.number)
        return
      case 'number_removed':
        this.#numbers.delete(change.id)
        for (const chat of this.chats(change.id)) this.#dropChat(chat)
        return
      case 'customer':
        this.#storeCustomer(change.customer)
        return
      case 'chat':
        this.#openChat(change.number, change.customer).lastInboundAt = change.last_inbound_at
        return
      case 'message':
        this.#storeMessage(this.#openChat(change.number, change.customer), change.message)
        return
      case 'reset':
        for (const map of [this.#numbers, this.#customers, this.#chats, this.#userIds, this.#messages]) map.clear()
    }
  }

  #tell(change: Change): void {
    this.apply(change)
    this.#onChange(change)
  }

  #storeCustomer(customer: Customer): void {
    const before = this.#customers.get(customer.id)
    if (before !== undefined) this.#userIds.delete(before.user_id)
    this.#customers.delete(customer.id)
    this.#customers.set(customer.id, customer)
    this.#userIds.set(customer.user_id, customer.id)
    if (this.#customers.size > this.#limits.customersMax) this.#dropOldestCustomer()
  }

  #dropOldestCustomer(): void {
    const [oldest] = this.#customers.values()
    if (oldest === undefined) return
    this.#customers.delete(oldest.id)
    this.#userIds.delete(oldest.user_id)
    for (const number of this.#numbers.keys()) {
      const chat = this.chat(number, oldest.id)
      if (chat !== null) this.#dropChat(chat)
    }
  }

  #openChat(number: string, customer: string): Chat {
    const key = chatKey(number, customer)
    const chat = this.#chats.get(key) ?? { number, customer, lastInboundAt: null, messages: [] }
    this.#chats.delete(key)
    this.#chats.set(key, chat)
    const person = this.#customers.get(customer)
    if (person !== undefined) {
      this.#customers.delete(customer)
      this.#customers.set(customer, person)
    }
    if (this.#chats.size > this.#limits.chatsMax) {
      const [oldest] = this.#chats.values()
      if (oldest !== undefined) this.#dropChat(oldest)
    }
    return chat
  }

  #dropChat(chat: Chat): void {
    this.#chats.delete(chatKey(chat.number, chat.customer))
    for (const message of chat.messages) this.#messages.delete(message.id)
  }

  #storeMessage(chat: Chat, message: ChatMessage): void {
    const at = chat.messages.findLastIndex(known => known.id === message.id)
    if (at >= 0) chat.messages[at] = message
    else chat.messages.push(message)
    this.#messages.set(message.id, { chat, message })
    this.#seq = Math.max(this.#seq, message.seq)
    if (chat.messages.length <= this.#limits.messagesPerChatMax) return
    const dropped = chat.messages.shift()
    if (dropped !== undefined) this.#messages.delete(dropped.id)
  }
}

function chatKey(number: string, customer: string): string {
  return `${number}/${customer}`
}
