import { setTimeout as delay } from 'node:timers/promises'
import * as v from 'valibot'
import type { Fetch } from '../../../lib/guarded-fetch.ts'
import type { BotConfig, Connection, ProviderBot } from '../../provider.ts'
import { type Answer, type Call, callEvolution, unsafeReason, urlOf } from './call.ts'
import { licenseRequired, needsLicense, wordsOf } from './errors.ts'
import { closedBecause, pairingOf, stateOf } from './read-state.ts'
import { webhookTokenOf } from './verify-webhook.ts'

export type PairParts = {
  readonly fetch: Fetch
  /** Where webhooks come in. */
  readonly publicUrl: string
  /** Codes come up to some seconds after they are asked for: how long, and how often, they are asked for again. */
  readonly codeWaitMs: number
  readonly codePollMs: number
}

/**
 * Makes the instance where there is none, has it send its webhooks here (an instance has one address for them: whoever
 * had them before gets them no longer), and pairs it.
 */
export async function connect(
  parts: PairParts,
  bot: ProviderBot,
  phone: string | null,
  signal: AbortSignal,
): Promise<Connection> {
  const ask = askerOf(parts, bot.config, signal)
  const prepared = await prepare(ask, parts, bot)
  return prepared ?? (await pair(ask, parts, bot.config, phone, signal))
}

/** The code that pairs the instance now. Evolution shows one after the other, until it has shown thirty. */
export async function getQr(parts: PairParts, { config }: ProviderBot, signal: AbortSignal): Promise<Connection> {
  return await pair(askerOf(parts, config, signal), parts, config, null, signal)
}

export async function getStatus(fetch: Fetch, { config }: ProviderBot, signal: AbortSignal): Promise<Connection> {
  const ask = (call: Call) => callEvolution(fetch, config, call, signal)
  const answer = await ask({ method: 'GET', url: urlOf(config, '/instance/connectionState') })
  if (isMissing(answer)) return { kind: 'refused', reason: missing }
  const state = stateIn(answer)
  if (state === 'close') return await whyClosed(ask, config)
  return (state === null ? null : stateOf(state, null)) ?? troubleOf(answer)
}

/**
 * Ends the session for good. Without `isLogout` there is nothing to do: Evolution keeps the connection, and goes on
 * telling of it. Rejects where it could not be done, so that it is tried again.
 */
export async function logOut(fetch: Fetch, { config }: ProviderBot, signal: AbortSignal): Promise<void> {
  const answer = await callEvolution(
    fetch,
    config,
    { method: 'DELETE', url: urlOf(config, '/instance/logout') },
    signal,
  )
  // 400: it is closed already; 404: there is no such instance any more.
  const isOver = answer.kind === 'answered' && (answer.status === 400 || answer.status === 404)
  if (!isOver && !isDone(answer)) throw new Error(reasonOf(troubleOf(answer)))
}

type Ask = (call: Call) => Promise<Answer>

function askerOf({ fetch }: PairParts, config: BotConfig, signal: AbortSignal): Ask {
  return call => callEvolution(fetch, config, call, signal)
}

/** Null once the instance stands and sends its webhooks here. */
async function prepare(ask: Ask, parts: PairParts, bot: ProviderBot): Promise<Connection | null> {
  const { config } = bot
  const webhook = webhookOf(parts, bot)
  const set = () => ask({ method: 'POST', url: urlOf(config, '/webhook/set'), body: { webhook } })
  const state = await ask({ method: 'GET', url: urlOf(config, '/instance/connectionState') })
  if (stateIn(state) !== null) return unlessDone(await set())
  if (!isMissing(state)) return troubleOf(state)
  const created = await ask({
    method: 'POST',
    url: `${config.base_url}/instance/create`,
    body: newInstance(bot, webhook),
  })
  if (isDone(created)) return null
  // Made by somebody else in between, where the name is in use by now; and where it is not, this fails as well.
  return isDone(await set()) ? null : notCreated(created)
}

/** What an instance sends: `jwt_key` is not sent along, but makes the `Authorization` of each webhook. */
function webhookOf({ publicUrl }: PairParts, bot: ProviderBot) {
  const token = webhookTokenOf(bot)
  return {
    enabled: true,
    url: `${publicUrl}/webhooks/evolution/${bot.id}`,
    byEvents: false,
    // Files are fetched one by one: in a webhook they would be held in memory, on both sides.
    base64: false,
    headers: { 'X-Webhook-Token': token, jwt_key: token },
    events: ['QRCODE_UPDATED', 'CONNECTION_UPDATE', 'MESSAGES_UPSERT', 'MESSAGES_UPDATE', 'LOGOUT_INSTANCE'],
  }
}

/** `qrcode: false`: it would hold the answer back for five seconds, and the code is asked for after it anyway. */
function newInstance({ config }: ProviderBot, webhook: object) {
  const instance = { instanceName: config.instance, integration: 'WHATSAPP-BAILEYS', qrcode: false }
  return { ...instance, groupsIgnore: true, readMessages: false, syncFullHistory: false, webhook }
}

function notCreated(answer: Answer): Connection {
  if (answer.kind === 'answered' && (answer.status === 401 || answer.status === 403))
    return {
      kind: 'refused',
      reason:
        'Evolution has no such instance, and does not let this api_key make it: make it there first, or put the ' +
        "server's own key into the bot.",
    }
  return troubleOf(answer)
}

const codeSchema = v.object({
  code: v.nullish(v.string(), null),
  pairingCode: v.nullish(v.string(), null),
})
/** Of an instance that is in neither of the usual states. */
const nestedCodeSchema = v.object({ qrcode: codeSchema })
/** What went wrong inside comes with a 200. */
const failureSchema = v.object({ error: v.literal(true), message: v.string() })

/** Asks for a code until it is there. A pairing code comes of a phone that was given before the first QR code. */
async function pair(
  ask: Ask,
  { codeWaitMs, codePollMs }: PairParts,
  config: BotConfig,
  phone: string | null,
  signal: AbortSignal,
): Promise<Connection> {
  const query = phone === null ? '' : `?number=${phone.replace(/\D/g, '')}`
  const until = performance.now() + codeWaitMs
  let last: Connection = { kind: 'connecting', reason: 'Evolution is making a code.' }
  for (;;) {
    const answer = await ask({ method: 'GET', url: `${urlOf(config, '/instance/connect')}${query}` })
    // The time is over: the code to scan that came before is of more use than that no other came.
    if (signal.aborted && last.kind === 'pairing') return last
    const found = readCode(answer)
    if (found !== null && !(found.kind === 'pairing' && phone !== null && found.pairingCode === null)) return found
    last = found ?? last
    if (performance.now() + codePollMs > until || signal.aborted) return last
    await delay(codePollMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Null while there is no code yet. */
function readCode(answer: Answer): Connection | null {
  if (!isDone(answer)) return isMissing(answer) ? { kind: 'refused', reason: missing } : troubleOf(answer)
  const body = bodyOf(answer)
  if (stateIn(answer) === 'open') return { kind: 'connected', reason: null }
  if (v.is(failureSchema, body))
    return { kind: 'retry', pace: 'soon', reason: `Evolution could not connect. (${body.message.slice(0, 300)})` }
  const nested = v.safeParse(nestedCodeSchema, body)
  const plain = v.safeParse(codeSchema, body)
  const codes = nested.success ? nested.output.qrcode : plain.success ? plain.output : null
  return codes === null ? troubleOf(answer) : pairingOf(codes.code, codes.pairingCode, new Date())
}

const rowSchema = v.object({
  disconnectionReasonCode: v.nullish(v.number(), null),
  ownerJid: v.nullish(v.string(), null),
})

/** Why an instance is closed stands in its row; one that no phone was ever paired with has no owner. */
async function whyClosed(ask: Ask, config: BotConfig): Promise<Connection> {
  const query = `?instanceName=${encodeURIComponent(config.instance ?? '')}`
  const answer = await ask({ method: 'GET', url: `${config.base_url}/instance/fetchInstances${query}` })
  const parsed = v.safeParse(v.tupleWithRest([rowSchema], v.unknown()), bodyOf(answer))
  const row = parsed.success ? parsed.output[0] : null
  if (row?.ownerJid === null) return { kind: 'logged_out', reason: 'No phone is paired with the instance: pair it.' }
  return closedBecause(row?.disconnectionReasonCode ?? null)
}

const stateSchema = v.object({ instance: v.object({ state: v.nullish(v.string(), 'close') }) })

/** Null where there is no such instance, or the answer is another. */
function stateIn(answer: Answer): string | null {
  const parsed = v.safeParse(stateSchema, bodyOf(answer))
  return parsed.success ? parsed.output.instance.state : null
}

function isDone(answer: Answer): boolean {
  return answer.kind === 'answered' && answer.status < 300
}

/** What was asked for; undefined where it did not come. */
function bodyOf(answer: Answer): unknown {
  return answer.kind === 'answered' && answer.status < 300 ? answer.body : undefined
}

const missing = 'Evolution has no such instance, or is not at base_url: connect the bot to have the instance made.'

/** Evolution's own answer: a 404 of another kind is of another server, where nothing should be made. */
function isMissing(answer: Answer): boolean {
  if (answer.kind === 'failed' || answer.status !== 404) return false
  return /instance does not exist/i.test(wordsOf(answer.body) ?? '')
}

function unlessDone(answer: Answer): Connection | null {
  return isDone(answer) ? null : troubleOf(answer)
}

/** What an answer that is no answer, or cannot be read, says of the bot. */
function troubleOf(answer: Answer): Connection {
  if (answer.kind === 'failed') {
    const reason = unsafeReason(answer.error)
    if (reason !== null) return { kind: 'refused', reason }
    return { kind: 'retry', pace: 'soon', reason: 'Evolution cannot be reached at base_url, or does not answer.' }
  }
  const { status, body } = answer
  if (needsLicense(status, body)) return { kind: 'retry', pace: 'later', reason: licenseRequired }
  const refusal = refusals.get(status >= 300 && status < 400 ? 300 : status)
  if (refusal !== undefined) return { kind: 'refused', reason: refusal }
  const words = wordsOf(body) || `HTTP ${status}`
  const pace = status === 429 || status >= 500 ? 'soon' : 'later'
  return { kind: 'retry', pace, reason: `Evolution's answer is not the one that was asked for. (${words})` }
}

const refusals: ReadonlyMap<number, string> = new Map([
  [300, 'The base_url leads to another address: put that one into the bot.'],
  [401, 'Evolution refuses the api_key: put the right one into the bot.'],
  [403, 'Evolution refuses this api_key for the instance: put the right one into the bot.'],
  [404, 'There is no Evolution API 2 at base_url: put the right address into the bot.'],
])

function reasonOf(connection: Connection): string {
  return 'reason' in connection && connection.reason !== null ? connection.reason : 'Evolution did not say why.'
}
