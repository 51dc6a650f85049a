import * as v from 'valibot'
import type { Identity } from '../../../messaging/resolve-customers.ts'

/**
 * Whom an address of WhatsApp Web names. `group`: several people. `other`: nobody who could be answered (a status, a
 * broadcast list, a channel, a bot of WhatsApp's own).
 */
export type Jid =
  | { readonly kind: 'person'; readonly identity: Identity }
  | { readonly kind: 'group' }
  | { readonly kind: 'other' }

/** People's servers, with what the part before them is (Baileys, `src/WABinary/jid-utils.ts`). */
const personServers: ReadonlyMap<string, 'phone' | 'lid'> = new Map([
  ['s.whatsapp.net', 'phone'],
  ['c.us', 'phone'],
  ['hosted', 'phone'],
  ['lid', 'lid'],
  ['hosted.lid', 'lid'],
])

const otherServers: ReadonlySet<string> = new Set(['broadcast', 'newsletter', 'bot', 'call', 'interop', 'msgr'])

/**
 * Reads `12025550143@s.whatsapp.net`, `12025550143:7@s.whatsapp.net` (a device of the same person), `2000143@lid`. A
 * phone becomes E.164, a linked identity its number alone. Null where it is no address.
 */
export function readJid(value: unknown): Jid | null {
  const [, user, server] = /^([^@]*)@([a-z.]+)$/.exec(typeof value === 'string' ? value : '') ?? []
  if (user === undefined || server === undefined) return null
  if (server === 'g.us') return { kind: 'group' }
  const kind = personServers.get(server)
  if (kind === undefined) return otherServers.has(server) ? { kind: 'other' } : null
  const digits = /^(\d{1,20})(_\d+)?(:\d+)?$/.exec(user)?.[1]
  return digits === undefined ? null : personOf(kind, digits)
}

/** `0@s.whatsapp.net` is WhatsApp itself. */
function personOf(kind: 'phone' | 'lid', digits: string): Jid | null {
  if (kind === 'lid') return { kind: 'person', identity: { kind, value: digits } }
  if (/^[1-9]\d{4,14}$/.test(digits)) return { kind: 'person', identity: { kind, value: `+${digits}` } }
  return /^0+$/.test(digits) ? { kind: 'other' } : null
}

/** How WhatsApp Web addresses a customer; null where it cannot. */
export function jidOf({ kind, value }: Identity): string | null {
  const digits = value.replace(/^\+|@.*$/g, '')
  if (kind === 'bsuid' || !/^\d+$/.test(digits)) return null
  return `${digits}@${kind === 'phone' ? 's.whatsapp.net' : 'lid'}`
}

/** What a message's key says of who wrote it. */
export type WebSender =
  | { readonly kind: 'person'; readonly identities: readonly Identity[] }
  | { readonly kind: 'group' | 'other' }

const address = v.nullish(v.string(), '')

/** The other identity is in one of several fields, by version and by which of the two the chat goes by. */
const keySchema = v.object({
  remoteJid: v.string(),
  remoteJidAlt: address,
  senderPn: address,
  senderLid: address,
  participantAlt: address,
})

/** Both identities of whoever wrote in a chat of two, the phone first where it is known. Null where the key has none. */
export function readSender(key: unknown): WebSender | null {
  const parsed = v.safeParse(keySchema, key)
  if (!parsed.success) return null
  const { remoteJid, remoteJidAlt, senderPn, senderLid, participantAlt } = parsed.output
  const chat = readJid(remoteJid)
  if (chat === null || chat.kind !== 'person') return chat
  const all = [remoteJid, remoteJidAlt, senderPn, senderLid, participantAlt].map(readJid)
  const identities = all.flatMap(jid => (jid?.kind === 'person' ? [jid.identity] : []))
  return { kind: 'person', identities: phoneFirst(identities) }
}

/**
 * Both identities of whom a message of the business's own was written to, the phone first where it is known. `own`: what the
 * business itself is called, which stands in the key too in places; a note to itself goes to nobody. Null where the key has
 * none.
 */
export function readRecipient(key: unknown, own: readonly string[]): WebSender | null {
  const parsed = v.safeParse(keySchema, key)
  if (!parsed.success) return null
  const { remoteJid, remoteJidAlt } = parsed.output
  const chat = readJid(remoteJid)
  if (chat === null || chat.kind !== 'person') return chat
  const mine = own.map(readJid).flatMap(jid => (jid?.kind === 'person' ? [jid.identity] : []))
  const isOther = (one: Identity) => !mine.some(({ kind, value }) => kind === one.kind && value === one.value)
  if (!isOther(chat.identity)) return { kind: 'other' }
  const named = [chat, readJid(remoteJidAlt)].flatMap(jid => (jid?.kind === 'person' ? [jid.identity] : []))
  return { kind: 'person', identities: phoneFirst(named.filter(isOther)) }
}

function phoneFirst(identities: readonly Identity[]): readonly Identity[] {
  const kinds = ['phone', 'lid'] as const
  return kinds.flatMap(kind => identities.find(one => one.kind === kind) ?? [])
}
