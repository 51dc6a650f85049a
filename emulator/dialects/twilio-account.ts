import * as v from 'valibot'
import type { BusinessNumber } from '../records.ts'
import type { World } from '../world.ts'
import { type AccountOf, accountOf, speaks } from './accounts.ts'
import { commonFields, key, parted, webhookUrl } from './number-input.ts'

const sid = (prefix: string) =>
  v.pipe(v.string(), v.regex(new RegExp(`^${prefix}[0-9a-fA-F]{32}$`), `is not ${prefix} and 32 hexadecimal digits`))

export const twilioNumberInput = v.pipe(
  v.strictObject({
    ...commonFields,
    webhook_url: webhookUrl,
    account_sid: sid('AC'),
    auth_token: key,
    api_key_sid: v.optional(v.nullable(key), null),
    api_key_secret: v.optional(v.nullable(key), null),
    messaging_service_sid: v.optional(v.nullable(sid('MG')), null),
  }),
  v.transform(input => {
    const { common, rest } = parted(input)
    return { ...common, account: { dialect: 'twilio' as const, ...rest } }
  }),
)

/**
 * The numbers of the account that a request is signed in to, by its SID and token or by one of its API keys. Null
 * where it is not, or where `accountSid`, the one of the path, is another's.
 */
export function signedIn(world: World, request: Request, accountSid: string | null): BusinessNumber[] | null {
  const [user, password] = basicCredentials(request) ?? []
  if (user === undefined || password === undefined) return null
  const mine = world.numbers().filter(({ account }) => speaks(account, 'twilio') && knows(account, user, password))
  const [sid] = mine.map(number => accountOf(number, 'twilio').account_sid)
  if (sid === undefined || (accountSid !== null && accountSid !== sid)) return null
  return mine
}

function knows(account: AccountOf<'twilio'>, user: string, password: string): boolean {
  if (user === account.account_sid) return password === account.auth_token
  return user === account.api_key_sid && password === account.api_key_secret
}

function basicCredentials(request: Request): [string, string] | null {
  const [, encoded] = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? []
  return user === undefined || password === undefined ? null : [user, password]
}

/** A number as Twilio writes it: `whatsapp:+12025550100`. */
export function addressOf({ display_phone_number }: BusinessNumber): string {
  return `whatsapp:+${display_phone_number.replace(/\D/g, '')}`
}

/** Twilio's ids: two letters for the kind, and 32 hexadecimal digits. */
export function newSid(prefix: string): string {
  return prefix + Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')
}

/** The sid of a file: one that was not made here has an id of another form. */
export function mediaSid(id: string): string {
  return id.startsWith('ME') ? id : `ME${id.replaceAll('-', '')}`
}
