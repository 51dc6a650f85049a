import { randomBytes } from 'node:crypto'
import { type BinaryNode, getBinaryNodeChild, getBinaryNodeChildren } from '@whiskeysockets/baileys'
import type { ServerWebSocket } from 'bun'
import { answerQuery, childrenOf, userOf } from './answer-query.ts'
import { type MediaHost, makeMediaHost } from './media.ts'
import { mediaRetry } from './media-retry.ts'
import { type Login, makeNoiseConnection, makeServerIdentity, type NoiseConnection } from './noise.ts'
import {
  type Account,
  type AccountState,
  type Customer,
  type CustomerState,
  hand,
  host,
  type Line,
  makeAccount,
  makeCustomer,
  messageNode,
} from './people.ts'
import { type Linking, nowSeconds, pairSuccess } from './phone.ts'

// WhatsApp Web on the loopback, as far as a bot needs it: it links devices, hands over messages that are encrypted end to
// end, keeps those for a device that is away, and gives them again until they are acknowledged.

export type WhatsAppWeb = {
  /** Where devices connect. */
  readonly url: string
  readonly media: MediaHost
  /** What went wrong in here: a client that breaks the protocol, a customer that cannot decrypt. */
  readonly errors: readonly unknown[]
  /** A phone with WhatsApp on it, whose owner links devices. */
  account(number: string): Account
  customer(phone: string): Customer
  /** Devices whose sockets are open, linked or not. */
  connections(): number
  /** Ends the streams of devices that are not linked yet, with this code. */
  failUnlinked(code: string): void
  /** Every login from now on is answered with this failure; null: with none. */
  refuseLogins(reason: string | null): void
  stop(): Promise<void>
}

type Connection = Line & {
  readonly noise: NoiseConnection
  /** Of a device that is to be linked. */
  identityKey: Buffer
  account: AccountState | undefined
  /** The phone on which the code of this device was typed. */
  phone: { readonly account: AccountState; readonly finish: (node: BinaryNode) => Linking } | undefined
}
type Data = { connection: Connection | undefined }

/** How often a customer's phone asks for a message that it cannot read. */
const triesMax = 3

/** Stanzas that are kept of one account, for tests to look at. */
const seenMax = 500

export function startWhatsAppWeb(): WhatsAppWeb {
  const identity = makeServerIdentity()
  const media = makeMediaHost()
  const accounts = new Map<string, AccountState>()
  const customers = new Map<string, CustomerState>()
  const connections = new Set<Connection>()
  /** Devices that wait for their code to be typed, by number. */
  const hellos = new Map<string, { readonly connection: Connection; readonly hello: BinaryNode }>()
  const errors: unknown[] = []
  let refusal: string | null = null
  let ids = 0

  const server = Bun.serve<Data>({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request, bun) {
      if (bun.upgrade(request, { data: { connection: undefined } })) return undefined
      return media.answer(request)
    },
    websocket: {
      open: connect,
      async message(socket, data) {
        const bytes = typeof data === 'string' ? Buffer.from(data) : data
        await socket.data.connection?.noise.receive(bytes).catch((error: unknown) => {
          errors.push(error)
          socket.close()
        })
      },
      close: socket => disconnect(socket.data.connection),
    },
  })

  function connect(socket: ServerWebSocket<Data>): void {
    const noise = makeNoiseConnection({
      identity,
      write: bytes => socket.sendBinary(bytes),
      onLogin: login => onLogin(connection, login),
      onNode: node => onNode(connection, node),
    })
    const connection: Connection = {
      noise,
      ...{ identityKey: Buffer.alloc(0), account: undefined, phone: undefined },
      send: noise.send,
      end(attrs, conflict) {
        const content = conflict === undefined ? [] : [{ tag: 'conflict', attrs: { type: conflict } }]
        noise.send({ tag: 'stream:error', attrs, content })
        socket.close()
      },
      refuse(reason) {
        noise.send({ tag: 'failure', attrs: { reason } })
        socket.close()
      },
      cut: () => socket.terminate(),
    }
    socket.data.connection = connection
    connections.add(connection)
  }

  function disconnect(connection: Connection | undefined): void {
    if (connection === undefined) return
    connections.delete(connection)
    if (connection.account?.line === connection) connection.account.line = undefined
  }

  function onLogin(connection: Connection, { devicePairingData, username }: Login): void {
    const account = accounts.get(String(username))
    if (devicePairingData) {
      connection.identityKey = Buffer.from(devicePairingData.eIdent ?? [])
      connection.send(iq('set', [{ tag: 'pair-device', attrs: {}, content: makeRefs() }]))
    } else if (account === undefined || refusal !== null || !account.isLinked) connection.refuse(refusal ?? '401')
    else open(account, connection)
  }

  function open(account: AccountState, connection: Connection): void {
    // A device has one connection: the one before is told that it was replaced.
    account.line?.end({}, 'replaced')
    account.line = connection
    account.loginCount++
    connection.account = account
    connection.send({ tag: 'success', attrs: { t: String(nowSeconds()), lid: `${account.lid}:1@lid` } })
    for (const node of account.pending.values()) connection.send({ ...node, attrs: { ...node.attrs, offline: '1' } })
    const count = String(account.pending.size)
    connection.send({ tag: 'ib', attrs: { from: host }, content: [{ tag: 'offline', attrs: { count } }] })
  }

  function iq(type: string, content: readonly BinaryNode[], id = `s${++ids}`): BinaryNode {
    return { tag: 'iq', attrs: { from: host, type, id, xmlns: 'md' }, content: [...content] }
  }

  function link(account: AccountState, connection: Connection, device: Linking): void {
    connection.account = account
    account.isLinked = true
    account.uploaded = undefined
    account.pending.clear()
    hellos.delete(account.number)
    connection.send(iq('set', [pairSuccess(account, device)]))
  }

  const links = {
    link(account: AccountState, device: Linking): void {
      const connection = [...connections].find(one => one.identityKey.equals(device.identityKey))
      if (connection === undefined) throw new Error('No device shows this code')
      link(account, connection, device)
    },
    hello: (number: string) => hellos.get(number)?.hello,
    answer(account: AccountState, content: readonly BinaryNode[], finish: (node: BinaryNode) => Linking): void {
      const connection = hellos.get(account.number)?.connection
      if (connection === undefined) return
      connection.phone = { account, finish }
      connection.send({
        tag: 'notification',
        attrs: { id: `n${++ids}`, from: host, type: 'link_code_companion_reg', t: String(nowSeconds()) },
        content: [{ tag: 'link_code_companion_reg', attrs: {}, content: [linkRef, ...content] }],
      })
    },
  }

  async function onNode(connection: Connection, node: BinaryNode): Promise<void> {
    if (node.tag === 'iq') return onQuery(connection, node)
    const { account } = connection
    if (account === undefined) return
    account.seen.push(node)
    if (account.seen.length > seenMax) account.seen.shift()
    const { id = '', type } = node.attrs
    if (node.tag === 'message') return await onMessage(account, node)
    if (node.tag === 'receipt' && type === 'retry') return await writeAgain(account, node)
    if (node.tag === 'receipt' && type === 'server-error') return uploadAgain(account, node)
    if (node.tag === 'receipt' || (node.tag === 'ack' && node.attrs.class === 'message')) account.pending.delete(id)
  }

  function onQuery(connection: Connection, query: BinaryNode): void {
    const [child] = childrenOf(query)
    // The device is linked, and is to come back as one.
    if (query.attrs.type === 'result') {
      if (child?.tag === 'pair-device-sign') connection.end({ code: '515' })
      return
    }
    if (child?.tag === 'remove-companion-device') remove(connection.account)
    if (child?.tag === 'link_code_companion_reg') onLinkCode(connection, query, child)
    else connection.send(iq('result', answer(query, connection.account), query.attrs.id))
  }

  function remove(account: AccountState | undefined): void {
    if (account === undefined) return
    account.isLinked = false
    account.removalCount++
  }

  function answer(query: BinaryNode, account: AccountState | undefined): readonly BinaryNode[] {
    return answerQuery(query, { account, find: customerOf, mediaHost: `127.0.0.1:${server.port}` })
  }

  function customerOf(user: string) {
    const found = customers.get(user)
    return found && { phone: found.phone, lid: found.lid, bundle: found.peer.bundle }
  }

  function onLinkCode(connection: Connection, query: BinaryNode, child: BinaryNode): void {
    const answer = { tag: 'link_code_companion_reg', attrs: {}, content: [linkRef] }
    connection.send(iq('result', [answer], query.attrs.id))
    const { phone } = connection
    if (child.attrs.stage === 'companion_hello') hellos.set(userOf(child.attrs.jid ?? ''), { connection, hello: child })
    else if (phone !== undefined) link(phone.account, connection, phone.finish(child))
  }

  async function onMessage(account: AccountState, node: BinaryNode): Promise<void> {
    const { to = '', id = '' } = node.attrs
    const customer = customers.get(userOf(to))
    const error = customer === undefined ? '479' : customer.refusal
    const attrs = { class: 'message', id, from: to, t: String(nowSeconds()) }
    account.line?.send({ tag: 'ack', attrs: error === null ? attrs : { ...attrs, error } })
    if (customer === undefined || error !== null) return
    const { type = '', ciphertext } = sealedFor(to, node)
    try {
      const message = await customer.peer.decrypt(account.device, type, ciphertext)
      customer.received.push({ id, message })
    } catch (error) {
      // As a phone does: the device is asked for it again, which makes a new session of the second time on.
      const tries = (customer.unread.get(id) ?? 0) + 1
      customer.unread.set(id, tries)
      if (tries > triesMax) throw error
      customer.askAgain(account, id, tries)
    }
  }

  /** A device could not decrypt what a customer wrote, and gave new keys. */
  async function writeAgain(account: AccountState, receipt: BinaryNode): Promise<void> {
    const customer = customers.get(userOf(receipt.attrs.to ?? ''))
    const id = receipt.attrs.id ?? ''
    const written = customer?.written.get(id)
    const keys = getBinaryNodeChild(receipt, 'keys')
    const registration = getBinaryNodeChild(receipt, 'registration')
    const uploaded = keys && registration ? { ...keys, content: [registration, ...childrenOf(keys)] } : account.uploaded
    if (customer === undefined || written === undefined || uploaded === undefined) return
    const sealed = await customer.peer.encrypt(account.device, uploaded, written.message, true)
    hand(account, messageNode(customer, id, sealed, written.options, { count: '1' }))
  }

  /** The device asks the customer's phone, by way of the owner's, for a file that the host no longer has. */
  function uploadAgain(account: AccountState, receipt: BinaryNode): void {
    const jid = getBinaryNodeChild(receipt, 'rmr')?.attrs.jid ?? ''
    const id = receipt.attrs.id ?? ''
    const written = customers.get(userOf(jid))?.written.get(id)
    account.line?.send(mediaRetry({ id, jid, message: written?.message, restore: media.restore }))
  }

  function stateOf({ number }: Account): AccountState {
    const account = accounts.get(number)
    if (account === undefined) throw new Error(`There is no account ${number} here`)
    return account
  }

  return {
    url: `ws://127.0.0.1:${server.port}/ws/chat`,
    media,
    errors,
    account(number) {
      const account = accounts.get(number) ?? makeAccount(number, links)
      accounts.set(number, account)
      return account
    },
    customer(phone) {
      const customer = customers.get(phone) ?? makeCustomer(phone, stateOf)
      customers.set(phone, customer)
      customers.set(customer.lid, customer)
      return customer
    },
    connections: () => connections.size,
    failUnlinked(code) {
      for (const connection of connections) if (connection.account === undefined) connection.end({ code })
    },
    refuseLogins(reason) {
      refusal = reason
    },
    async stop() {
      await server.stop(true)
    },
  }
}

const linkRef: BinaryNode = { tag: 'link_code_pairing_ref', attrs: {}, content: Buffer.from('ref') }

function makeRefs(): BinaryNode[] {
  const ref = () => ({ tag: 'ref', attrs: {}, content: Buffer.from(`2@${randomBytes(32).toString('base64')}`) })
  return Array.from({ length: 6 }, ref)
}

/** The part of a message that is for its customer: for each device one, or the only one. */
function sealedFor(
  to: string,
  node: BinaryNode,
): { readonly type: string | undefined; readonly ciphertext: Uint8Array } {
  const parts = getBinaryNodeChildren(getBinaryNodeChild(node, 'participants'), 'to')
  const mine = parts.find(one => userOf(one.attrs.jid ?? '') === userOf(to)) ?? node
  const sealed = getBinaryNodeChild(mine, 'enc')
  if (!(sealed?.content instanceof Uint8Array)) throw new Error('A message has nothing for its customer')
  return { type: sealed.attrs.type, ciphertext: sealed.content }
}
