import type { Told } from '../outside/accounts.ts'
import type { WhatsApp } from '../outside/whatsapp.ts'
import type { Shop } from '../shop.ts'
import { countBy, type Outcome } from './outcome.ts'
import type { Message, Stored } from './read-stored.ts'

const ranks: Readonly<Record<string, number>> = { queued: 0, unknown: 1, sent: 2, delivered: 3, read: 4 }

/** What was to be sent has ended: as the provider has it, and once. */
export function outboundWrongs({ messages }: Stored, { shops, whatsapp, webhooks }: Outcome): string[] {
  const outbound = messages.filter(message => message.direction === 'outbound')
  const reported = reportedOf(webhooks.told)
  return [
    ...outbound.flatMap(message => endWrongs(message, whatsapp, reported)),
    ...shops.flatMap(shop => textWrongs(shop, outbound, whatsapp)),
  ]
}

function endWrongs(message: Message, whatsapp: WhatsApp, reported: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const { id, status, error, text, bot_id, conversation_id } = message
  const what = `"${text.slice(0, 40)}" (${id})`
  if (status === 'queued') return [`no silent drop: ${what} is queued for ever`]
  const hasEnded = status === 'failed' || status === 'unknown'
  if (hasEnded && error === null) return [`no silent drop: ${what} is ${status} without a reason`]
  const reference = `${conversation_id}/${id}`
  const ofBot = whatsapp.accepted.filter(({ shop }) => shop.botId === bot_id)
  const [sent, ...again] = ofBot.filter(one => one.reference === reference)
  if (again.length > 0) return [`once in effect: ${what} was sent ${again.length + 1} times`]
  // Of one that goes out in several parts, any may fail.
  const parts = ofBot.filter(one => one.reference?.startsWith(`${reference}/`))
  if (status === 'failed' && parts.some(part => reported.get(part.id)?.has('failed'))) return []
  if (sent === undefined) return []
  const told = reported.get(sent.id)
  if (told === undefined)
    return status === 'failed' ? [`no silent drop: ${what} is failed: ${error}, and was sent`] : []
  const expected = told.has('failed') ? 'failed' : highestOf(told)
  return status === expected ? [] : [`statuses only climb: ${what} is ${status}, reported were ${[...told].join(', ')}`]
}

/** Where a provider takes no reference, texts are counted. */
function textWrongs(shop: Shop, outbound: readonly Message[], whatsapp: WhatsApp): string[] {
  const accepted = whatsapp.accepted.filter(one => one.shop === shop)
  const wanted = countBy(outbound.filter(({ bot_id }) => bot_id === shop.botId).map(({ text }) => text))
  const plain = countBy(accepted.flatMap(one => (one.reference === null ? [one.text] : [])))
  // What customers write says whom to.
  const strangers = accepted.filter(({ text }) => /\bt\dc\d/.test(text) && !text.includes(` t${shop.index}c`))
  return [
    ...[...plain].flatMap(([text, count]) =>
      count > (wanted.get(text) ?? 0) ? [`once in effect: "${text.slice(0, 40)}" was sent ${count} times`] : [],
    ),
    ...strangers.map(({ text }) => `tenants are sealed: another tenant's bot sent "${text.slice(0, 40)}"`),
  ]
}

function reportedOf(told: readonly Told[]): ReadonlyMap<string, ReadonlySet<string>> {
  const reported = new Map<string, Set<string>>()
  for (const one of told)
    if (one.kind === 'status') reported.set(one.id, (reported.get(one.id) ?? new Set<string>()).add(one.status))
  return reported
}

function highestOf(told: ReadonlySet<string>): string | undefined {
  return [...told].sort((a, b) => (ranks[b] ?? 0) - (ranks[a] ?? 0))[0]
}

/** A message climbs; it fails from queued, in doubt or sent. */
export function statusWrongs({ statuses }: Stored): string[] {
  return statuses.flatMap(({ message_id, before, after }) => {
    const [from, to] = [ranks[before], ranks[after]]
    const isFailure = after === 'failed' && from !== undefined && from <= 2
    const climbs = from !== undefined && to !== undefined && to > from
    // Who sent it was slow, was taken for dead, and heard after all that it was not taken: it is tried again.
    const isOutOfDoubt = before === 'unknown' && after === 'queued'
    return isFailure || climbs || isOutOfDoubt
      ? []
      : [`statuses only climb: ${message_id} went from ${before} to ${after}`]
  })
}
