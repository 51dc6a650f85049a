import { randomBytes } from 'node:crypto'
import type { BinaryNode, proto } from '@whiskeysockets/baileys'
import { makeSignalPeer, type SignalPeer } from './contact.ts'
import { type Linking, nowSeconds, readQr, typeCode } from './phone.ts'

// Who has WhatsApp: owners, whose phones link devices, and their customers.

export type Account = {
  readonly number: string
  readonly lid: string
  /** Scans the code that a device shows. */
  scan(qr: string): void
  /** Whether a device asked to be linked by a code. */
  isAsked(): boolean
  /** Types the code that a device shows which asked for this number. */
  type(code: string): void
  isOnline(): boolean
  /** Whether its device has uploaded keys, so that customers can write to it. */
  hasKeys(): boolean
  /** How often a device logged in. */
  logins(): number
  /** Removes the device in "Linked devices". */
  logOut(): void
  /** How often a device asked to be removed. */
  removals(): number
  /** Cuts the connection off, as a network does. */
  drop(): void
  /** Another device with the same keys logs in. */
  replace(): void
  /** Ends the stream with this code. */
  fail(code: string): void
  /** The owner writes to a customer on the phone itself. */
  write(to: Customer, message: proto.IMessage): Promise<string>
  /** What the device sent that is no query, newest last. */
  stanzas(): readonly BinaryNode[]
}

export type Customer = {
  readonly phone: string
  readonly lid: string
  readonly received: readonly { readonly id: string; readonly message: proto.IMessage }[]
  /** Writes to an account. Returns the message's id. */
  write(to: Account, message: proto.IMessage, options?: WriteOptions): Promise<string>
  /** Tells that a message has arrived, or was read or played. */
  receipt(from: Account, id: string, type?: 'read' | 'played'): void
  /** Could not decrypt a message: it is to be sent again. `count`: how often that was said by now, this time included. */
  askAgain(from: Account, id: string, count?: number): void
  /** Sends to this customer are refused with this code; null: taken. */
  refuse(code: string | null): void
}

export type WriteOptions = {
  readonly id?: string
  readonly name?: string
  /** What the message calls the customer by first. */
  readonly addressing?: 'pn' | 'lid'
  /** Encrypted so that nobody can read it. */
  readonly isBroken?: boolean
}

/** An owner's linked device, while it is connected. */
export type Line = {
  send(node: BinaryNode): void
  /** Ends the stream, with a code and a conflict. */
  end(attrs: { readonly code?: string }, conflict?: string): void
  /** Refuses a login. */
  refuse(reason: string): void
  /** Cuts it off, as a network does. */
  cut(): void
}

export type AccountState = Account & {
  uploaded: BinaryNode | undefined
  line: Line | undefined
  isLinked: boolean
  loginCount: number
  removalCount: number
  /** Handed over and not yet acknowledged, or waiting for the device. */
  readonly pending: Map<string, BinaryNode>
  readonly seen: BinaryNode[]
  readonly device: string
}

export type CustomerState = Customer & {
  readonly peer: SignalPeer
  readonly received: { id: string; message: proto.IMessage }[]
  /** What was written, to encrypt it again for a device that could not read it. */
  readonly written: Map<string, { readonly message: proto.IMessage; readonly options: WriteOptions }>
  refusal: string | null
  /** Messages that could not be read, and how often they were asked for again. */
  readonly unread: Map<string, number>
}

/** What the owner's phone does through the server. */
export type Links = {
  /** Links the device whose identity key this is. */
  link(account: AccountState, device: Linking): void
  /** What a device said that asks to be linked to a number by a code. */
  hello(number: string): BinaryNode | undefined
  /** Hands the phone's half on to that device, and its answer to the phone. */
  answer(account: AccountState, content: readonly BinaryNode[], finish: (node: BinaryNode) => Linking): void
}

export const host = 's.whatsapp.net'

export function makeAccount(number: string, links: Links): AccountState {
  const lid = `1${number.slice(-11).padStart(14, '0')}`
  const owner = makeSignalPeer(number, lid)
  const account: AccountState = {
    number,
    lid,
    device: `${number}:1@${host}`,
    uploaded: undefined,
    line: undefined,
    isLinked: false,
    ...{ loginCount: 0, removalCount: 0 },
    pending: new Map(),
    seen: [],
    scan: qr => links.link(account, readQr(qr)),
    isAsked: () => links.hello(number) !== undefined,
    type(code) {
      const hello = links.hello(number)
      if (hello === undefined) throw new Error(`No device asks to be linked to ${number}`)
      const { primaryHello, finish } = typeCode(code, hello)
      links.answer(account, primaryHello, finish)
    },
    isOnline: () => account.line !== undefined,
    hasKeys: () => account.uploaded !== undefined,
    logins: () => account.loginCount,
    logOut() {
      account.isLinked = false
      account.line?.end({ code: '401' }, 'device_removed')
    },
    removals: () => account.removalCount,
    drop: () => account.line?.cut(),
    replace: () => account.line?.end({}, 'replaced'),
    fail: code => account.line?.end({ code }),
    async write(to, message) {
      const id = newId()
      const uploaded = keysOf(account)
      const sent = { deviceSentMessage: { destinationJid: `${to.phone}@${host}`, message } }
      const sealed = await owner.encrypt(account.device, uploaded, sent, false)
      const node = messageNode({ phone: number, lid }, id, sealed, { name: 'The Shop' })
      hand(account, { ...node, attrs: { ...node.attrs, recipient: `${to.phone}@${host}` } })
      return id
    },
    stanzas: () => account.seen,
  }
  return account
}

export function makeCustomer(phone: string, stateOf: (account: Account) => AccountState): CustomerState {
  const lid = `2${phone.slice(-11).padStart(14, '0')}`
  const peer = makeSignalPeer(phone, lid)
  const customer: CustomerState = {
    ...{ phone, lid, peer },
    received: [],
    written: new Map(),
    refusal: null,
    unread: new Map(),
    async write(to, message, options = {}) {
      const account = stateOf(to)
      const id = options.id ?? newId()
      customer.written.set(id, { message, options })
      const sealed = await peer.encrypt(account.device, keysOf(account), message, false)
      if (options.isBroken) sealed.ciphertext.fill(0, sealed.ciphertext.length - 12)
      hand(account, messageNode(customer, id, sealed, options))
      return id
    },
    receipt(from, id, type) {
      const attrs = { id, from: `${phone}@${host}`, t: String(nowSeconds()), ...(type && { type }) }
      stateOf(from).line?.send({ tag: 'receipt', attrs })
    },
    askAgain(from, id, count = 1) {
      const attrs = { id, from: `${phone}@${host}`, t: String(nowSeconds()), type: 'retry' }
      const retry = { tag: 'retry', attrs: { count: String(count), id, t: String(nowSeconds()), v: '1' } }
      stateOf(from).line?.send({ tag: 'receipt', attrs, content: [retry] })
    },
    refuse(code) {
      customer.refusal = code
    },
  }
  return customer
}

export function messageNode(
  from: { readonly phone: string; readonly lid: string },
  id: string,
  { type, ciphertext }: { readonly type: string; readonly ciphertext: Uint8Array },
  { name = 'Ada Test', addressing = 'pn' }: WriteOptions,
  more: Readonly<Record<string, string>> = {},
): BinaryNode {
  const addressed =
    addressing === 'pn'
      ? { from: `${from.phone}@${host}`, sender_lid: `${from.lid}@lid` }
      : { from: `${from.lid}@lid`, sender_pn: `${from.phone}@${host}` }
  return {
    tag: 'message',
    attrs: { ...addressed, id, t: String(nowSeconds()), type: 'text', notify: name, addressing_mode: addressing },
    content: [{ tag: 'enc', attrs: { v: '2', type, ...more }, content: ciphertext }],
  }
}

export function hand(account: AccountState, node: BinaryNode): void {
  account.pending.set(node.attrs.id ?? '', node)
  account.line?.send(node)
}

function keysOf({ uploaded, number }: AccountState): BinaryNode {
  if (uploaded === undefined) throw new Error(`The device of ${number} has uploaded no keys yet`)
  return uploaded
}

function newId(): string {
  return `3EB0${randomBytes(9).toString('hex').toUpperCase()}`
}
