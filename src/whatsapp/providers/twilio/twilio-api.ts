import type { BotConfig } from '../../provider.ts'

/** Where Twilio's APIs are: each on a host of its own. */
export type TwilioUrls = { readonly api: string; readonly content: string; readonly messaging: string }

/** `baseUrl`: what stands for all of Twilio's hosts; null: they themselves. */
export function twilioUrls(baseUrl: string | null): TwilioUrls {
  return {
    api: baseUrl ?? 'https://api.twilio.com',
    content: baseUrl ?? 'https://content.twilio.com',
    messaging: baseUrl ?? 'https://messaging.twilio.com',
  }
}

/** The account's own address in the API of 2010. */
export function accountUrl({ api }: TwilioUrls, config: BotConfig): string {
  return `${api}/2010-04-01/Accounts/${encodeURIComponent(config.account_sid ?? '')}`
}

/** HTTP Basic: the account SID and its auth token. */
export function authorizationOf({ account_sid, auth_token }: BotConfig): string {
  return `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
}

/** What messages go out from: a number on WhatsApp, or a messaging service that picks one of its numbers. */
export function senderOf(config: BotConfig): { readonly number: string } | { readonly service: string } {
  const from = config.from ?? ''
  return from.startsWith('MG') ? { service: from } : { number: `whatsapp:${from.replace(/^whatsapp:/, '')}` }
}
