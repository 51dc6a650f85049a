import type { BinaryNode, WAMessage } from '@whiskeysockets/baileys'
import type { Library } from './library.ts'
import type { SessionEvent } from './session-events.ts'

/** How long a message that could not be decrypted is kept for the sender's phone to send it again. */
const stubWaitMs = 60_000

/** Chats that no bot answers in: nothing of them is decrypted. */
export function isIgnored(library: Library, jid: string): boolean {
  const { isJidBroadcast, isJidGroup, isJidNewsletter } = library
  return Boolean(isJidGroup(jid) || isJidBroadcast(jid) || isJidNewsletter(jid))
}

/** What the session's account is called: by its phone, and by its linked identity. */
export type Me = { readonly id: string; readonly lid?: string }

/** A message out of its stanza and what was decrypted of it, as the library makes it; null where nobody is told of it. */
export function readDecrypted(library: Library, node: BinaryNode, plain: Uint8Array, me: Me): SessionEvent | null {
  const { cleanMessage, decodeMessageNode, proto, unpadRandomMax16 } = library
  const { fullMessage } = decodeMessageNode(node, me.id, me.lid ?? '')
  const message = proto.Message.decode(unpadRandomMax16(plain))
  fullMessage.message = message.deviceSentMessage?.message ?? message
  cleanMessage(fullMessage, me.id, me.lid ?? '')
  return eventOf(library, fullMessage, me)
}

/**
 * What is told of a message; null for what nobody has written. What was written on the phone, or on another device of the
 * account, is told of too: WhatsApp sends it here, as it does not what this session has sent.
 */
export function eventOf(library: Library, message: WAMessage, me: Me): SessionEvent | null {
  const { key } = message
  const isOfPhones = message.category === 'peer'
  if (isOfPhones || !key.id || !key.remoteJid || isIgnored(library, key.remoteJid)) return null
  const isMe = (jid: string | null | undefined) =>
    [me.id, me.lid].some(own => own && library.areJidsSameUser(jid ?? '', own))
  const isStub = message.message === null || message.message === undefined
  if (key.fromMe && (isStub || isMe(key.remoteJid))) return null
  if (isStub ? message.messageStubType !== ciphertext : !isWritten(library, message)) return null
  // Of a message of ours the other identity in the key may be our own (7.0.0-rc14, `decodeMessageNode`).
  const { remoteJidAlt, ...others } = key
  const told = { ...message, key: isMe(remoteJidAlt) ? others : key, messageTimestamp: secondsOf(library, message) }
  const id = `${key.remoteJid}/${key.id}`
  return { kind: 'message', id, data: JSON.stringify(told), waitMs: isStub ? stubWaitMs : 0 }
}

/** `WebMessageInfo.StubType.CIPHERTEXT`: came, and could not be decrypted. */
const ciphertext = 2

/** What the phones tell each other is no message, but for one that takes the place of another. */
function isWritten({ normalizeMessageContent }: Library, { message }: WAMessage): boolean {
  const content = normalizeMessageContent(message)
  const protocol = content?.protocolMessage
  return protocol === undefined || protocol === null || Boolean(protocol.editedMessage)
}

function secondsOf({ toNumber }: Library, { messageTimestamp }: WAMessage): number {
  return toNumber(messageTimestamp ?? undefined)
}

/** What became of one of our messages, as the library tells it; `id` and `status` are those in it. */
export type Receipt = {
  readonly id: string
  readonly status: number
  readonly key: { readonly remoteJid: string; readonly id: string; readonly fromMe: true }
  readonly update: { readonly status: number; readonly messageTimestamp: number }
}

/** What a receipt tells of our messages; nothing where it tells of others'. */
export function readReceipt(library: Library, node: BinaryNode): Receipt[] {
  const { from = '', id = '', type, recipient, t } = node.attrs
  const status = type === undefined ? delivered : receiptStatuses.get(type)
  // With a recipient it is from another device of our own account.
  if (status === undefined || recipient !== undefined || isIgnored(library, from)) return []
  const items = library.getBinaryNodeChildren(library.getBinaryNodeChild(node, 'list'), 'item')
  const remoteJid = library.jidNormalizedUser(from)
  return [id, ...items.map(item => item.attrs.id ?? '')].map(one => ({
    ...{ id: one, status },
    key: { remoteJid, id: one, fromMe: true },
    update: { status, messageTimestamp: Number(t ?? 0) },
  }))
}

/** What WhatsApp's word of a message tells: that it took it, or its reason not to. */
export function ackReceipt(id: string, error: string | null, nowMs: number) {
  const status = error === null ? serverAck : refused
  const update = { status, messageTimestamp: Math.floor(nowMs / 1_000) }
  const why = error === null ? {} : { messageStubParameters: [error] }
  return { status, key: { id, fromMe: true }, update: { ...update, ...why } }
}

/** `WebMessageInfo.Status`. */
const [refused, serverAck, delivered] = [0, 2, 3]
/** By the type of a receipt; one without a type says that the message arrived. */
const receiptStatuses: ReadonlyMap<string, number> = new Map([
  ['read', 4],
  ['played', 5],
])
