import type { WASocket } from '@whiskeysockets/baileys'
import { messageOf } from '../../lib/errors.ts'
import type { Identity } from '../../messaging/resolve-customers.ts'
import { jidOf } from '../providers/web-content/read-jid.ts'
import type { BoundedCache } from './bounded-cache.ts'
import type { Library } from './library.ts'
import { type FileOnDisk, messageContent } from './message-content.ts'
import type { SendAnswer, SendError, SendRequest } from './protocol.ts'
import { refusalText } from './refusals.ts'
import type { SentMessages } from './sent-messages.ts'
import { makeUpload } from './upload-media.ts'

/** For WhatsApp to say that it has taken a message. Shorter than the adapter waits for an answer (SEND_TIMEOUT_SECONDS). */
const ackMs = 7_000

/** What a send is made of. */
export type Sending = {
  readonly library: Library
  readonly socket: WASocket
  readonly sent: SentMessages
  /** Customers' addresses as WhatsApp spells them; a file that was uploaded, by its name. */
  readonly addresses: BoundedCache
  readonly uploads: BoundedCache
  /** Resolves once WhatsApp has taken a message (null), refused it (a code), or nothing was heard of it. */
  waitForAck(id: string, ms: number): Promise<string | null | 'lost'>
  /** Runs work, and says whether it encrypted something: that may have left. */
  watchEncryption<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly result: PromiseSettledResult<T>; readonly hasEncrypted: boolean }>
  /** Another server for files; null: WhatsApp's own. */
  readonly mediaOrigin: string | null
}

/** Sends a message. Never rejects. */
export async function sendMessage(
  sending: Sending,
  { message_id: id, reference, to, content }: SendRequest,
  file: FileOnDisk | null,
): Promise<SendAnswer> {
  const { library, socket, sent } = sending
  try {
    const jid = await addressOf(sending, to)
    if (jid === null) return refused('not_on_whatsapp', 'This number is not on WhatsApp.')
    const isOurs = content.type === 'reaction' && (await sent.find(content.message_id)) !== undefined
    const made = messageContent(content, file, messageId => ({ remoteJid: jid, id: messageId, fromMe: isOurs }))
    if (made === null) return refused('not_available', `WhatsApp Web cannot show a ${content.type} of this form.`)
    const { message } = await library.generateWAMessage(jid, made, {
      userJid: socket.user?.id ?? '',
      upload: makeUpload(library, socket, sending.mediaOrigin),
      mediaCache: sending.uploads,
      messageId: id,
    })
    if (!message) return refused('not_available', 'The message came to nothing.')
    await sent.save(id, reference, message)
    return await relay(sending, id, jid, message)
  } catch (error) {
    // Nothing was encrypted, so nothing has left.
    return { error: notSent(sending, error) }
  }
}

async function relay(
  sending: Sending,
  id: string,
  jid: string,
  message: Parameters<WASocket['relayMessage']>[1],
): Promise<SendAnswer> {
  const { socket } = sending
  const acknowledged = sending.waitForAck(id, ackMs)
  const { result, hasEncrypted } = await sending.watchEncryption(() =>
    socket.relayMessage(jid, message, { messageId: id }),
  )
  if (result.status === 'rejected' && !hasEncrypted) return { error: notSent(sending, result.reason) }
  const error = await acknowledged
  if (error === null) return { id }
  if (error !== 'lost') return { error: await refusalOf(sending, jid, error) }
  const message_ = 'WhatsApp did not say whether it took the message: its status will tell.'
  return { error: { kind: 'unknown', code: 'no_ack', message: message_ } }
}

/** How WhatsApp spells a customer's address, which is not always the number that was written; null where nobody has it. */
async function addressOf({ socket, addresses }: Sending, to: Identity): Promise<string | null> {
  const jid = jidOf(to)
  if (jid === null || to.kind !== 'phone') return jid
  const known = addresses.get<string>(jid)
  if (known !== undefined) return known
  const [found] = (await socket.onWhatsApp(jid)) ?? []
  if (found === undefined || !found.exists) return null
  addresses.set(jid, found.jid)
  return found.jid
}

function notSent({ socket }: Sending, error: unknown): SendError {
  const words = messageOf(error)
  if (!socket.ws.isOpen)
    return { kind: 'not_ready', code: 'not_open', message: 'The connection to WhatsApp is down just now.' }
  const kind = /media hosts/.test(words) ? 'media_upload' : 'not_sent'
  return { kind: 'retry', code: kind, message: `The message could not be sent: ${words}`, tries_max: 5 }
}

function refused(code: string, message: string): SendAnswer {
  return { error: { kind: 'failed', code, message } }
}

async function refusalOf({ library, socket }: Sending, jid: string, code: string): Promise<SendError> {
  if (code === '479') {
    // The devices of the customer are others by now: they are asked for before the next try.
    await socket.userDevicesCache?.del(library.jidDecode(jid)?.user ?? '')
    await socket.assertSessions([jid], true).catch(() => undefined)
    const message = 'WhatsApp refused the message as outdated: the keys of the customer were asked for again.'
    return { kind: 'retry', code, message, tries_max: 2 }
  }
  return { kind: 'failed', code, message: refusalText(code) }
}
