import * as v from 'valibot'
import type { Identity } from '../../../messaging/resolve-customers.ts'
import type { ReportedStatus } from '../../../messaging/status.ts'
import {
  type BotConfig,
  emptyWebhook,
  type IgnoredReason,
  type ReceivedMessage,
  type ReceivedStatus,
  type Webhook,
} from '../../provider.ts'
import { explain } from './errors.ts'
import { contentOf, type Fields, mediaOf } from './read-message.ts'
import { senderOf } from './twilio-api.ts'

const sidSchema = v.pipe(v.string(), v.regex(/^\w{1,64}$/))

/** What each webhook has. `MessageSid` is missing in those that are about no message. */
const commonSchema = v.object({ AccountSid: v.string(), MessageSid: sidSchema })

/**
 * Reads a form of Twilio's: one message of a customer, or one status of a message ("Twilio's request to your incoming
 * message webhook URL", "Track the message status of outbound messages"). `reference`: of a status, from its address.
 * Twilio does not say when things happened: it was `now`.
 */
export function parseTwilioForm(
  form: URLSearchParams,
  config: BotConfig,
  reference: string | null,
  now: Date,
): Webhook {
  const fields: Fields = Object.fromEntries(form)
  const status = fields.MessageStatus ?? fields.SmsStatus ?? 'received'
  const isStatus = status !== 'received' && status !== 'receiving'
  const common = v.safeParse(commonSchema, fields)
  if (!common.success) return ignore(fields.MessageSid === undefined ? 'unknown_event' : 'malformed', fields)
  const foreign = foreignness(fields, isStatus, config)
  if (foreign !== null) return ignore(foreign, fields)
  const { MessageSid } = common.output
  return isStatus ? readStatus(fields, MessageSid, status, reference, now) : readMessage(fields, MessageSid, now)
}

/** A webhook that is of no form: Twilio sends messages and their statuses as forms. */
export function unknownEvent(raw: unknown): Webhook {
  return ignore('unknown_event', raw)
}

function ignore(reason: IgnoredReason, raw: unknown): Webhook {
  return { ...emptyWebhook, ignored: [{ reason, raw }] }
}

/** Why a form is not about this bot; null where it is. */
function foreignness(fields: Fields, isStatus: boolean, config: BotConfig): IgnoredReason | null {
  if (fields.AccountSid !== config.account_sid) return 'other_number'
  const [ours, customers] = isStatus ? [fields.From, fields.To] : [fields.To, fields.From]
  const sender = senderOf(config)
  if ('number' in sender && ours !== undefined && ours !== sender.number) return 'other_number'
  // Not every webhook of a service's number names the service.
  if ('service' in sender && (fields.MessagingServiceSid ?? sender.service) !== sender.service) return 'other_number'
  return customers?.startsWith('whatsapp:') === false ? 'other_event' : null
}

function readMessage(fields: Fields, sid: string, now: Date): Webhook {
  const identities = identitiesOf(fields)
  if (fields.To === undefined || identities.length === 0) return ignore('malformed', fields)
  const content = contentOf(fields, sid)
  const message: ReceivedMessage = {
    providerMessageId: sid,
    sender: { identities, name: fields.ProfileName || null },
    content,
    media: mediaOf(fields, content),
    at: now,
  }
  // WhatsApp has one file a message ("Guidance on WhatsApp media messages").
  const left = fields.MediaUrl1 === undefined ? emptyWebhook : ignore('unknown_event', fields)
  return { ...left, messages: [message] }
}

/** A customer who hides the phone is known by the business-scoped user id alone. */
function identitiesOf({ From, WaId, ExternalUserId }: Fields): Identity[] {
  const phone = digitsOf(From) ?? digitsOf(WaId)
  const bsuid = bsuidOf(ExternalUserId) ?? bsuidOf(From)
  const identities: Identity[] = []
  if (phone !== undefined) identities.push({ kind: 'phone', value: `+${phone}` })
  if (bsuid !== undefined) identities.push({ kind: 'bsuid', value: bsuid })
  return identities
}

function digitsOf(address = ''): string | undefined {
  return /^(?:whatsapp:)?\+?(\d{5,15})$/.exec(address)?.[1]
}

function bsuidOf(address = ''): string | undefined {
  return /^(?:whatsapp:)?([A-Z]{2}\.[A-Za-z0-9.]{1,250})$/.exec(address)?.[1]
}

/** What each of Twilio's statuses says: up to `sent` that the message was accepted, which it was. */
const statuses: ReadonlyMap<string, ReportedStatus> = new Map([
  ['accepted', 'sent'],
  ['scheduled', 'sent'],
  ['queued', 'sent'],
  ['sending', 'sent'],
  ['sent', 'sent'],
  ['partially_delivered', 'delivered'],
  ['delivered', 'delivered'],
  ['read', 'read'],
  ['undelivered', 'failed'],
  ['failed', 'failed'],
  ['canceled', 'failed'],
])

function readStatus(fields: Fields, sid: string, told: string, reference: string | null, now: Date): Webhook {
  const status = statuses.get(told)
  if (status === undefined) return ignore('unknown_event', fields)
  const error = status === 'failed' ? reasonOf(fields, told) : null
  const received: ReceivedStatus = { providerMessageId: sid, status, error, at: now, reference }
  return { ...emptyWebhook, statuses: [received] }
}

function reasonOf({ ErrorCode, ErrorMessage, ChannelStatusMessage }: Fields, told: string) {
  if (told === 'canceled') return { code: 'canceled', message: 'The message was cancelled at Twilio.' }
  if (!ErrorCode) return { code: 'unknown', message: 'Twilio says that the message failed, and not why.' }
  return explain({ code: ErrorCode, details: ErrorMessage || ChannelStatusMessage || '' })
}
