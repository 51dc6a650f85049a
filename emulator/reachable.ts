import type { BusinessNumber } from './records.ts'

/** Where a public address of the bot's server is reached from here: at `deliver_to`, where the number has one. */
export function reachable({ deliver_to }: BusinessNumber, url: string): string {
  const from = URL.parse(url)
  const to = URL.parse(deliver_to ?? '')
  return from === null || to === null ? url : `${to.origin}${from.pathname}${from.search}`
}

/** The same for a file: those that the bot's server keeps are under the origin of its webhooks. */
export function reachableFile(number: BusinessNumber, url: string): string {
  const isOwn = URL.parse(url)?.origin === URL.parse(number.webhook_url ?? '')?.origin
  return isOwn ? reachable(number, url) : url
}
