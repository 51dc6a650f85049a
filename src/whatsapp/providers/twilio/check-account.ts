import * as v from 'valibot'
import type { BotConfig, Connection } from '../../provider.ts'
import { parseJson } from '../read-body.ts'
import { classify, readTwilioError } from './errors.ts'
import { accountUrl, authorizationOf, type TwilioUrls } from './twilio-api.ts'

const accountSchema = v.object({ status: v.string() })

/** Whether Twilio takes the credentials, and the account is active: reads the account, which changes nothing. */
export async function checkAccount(urls: TwilioUrls, config: BotConfig, signal: AbortSignal): Promise<Connection> {
  try {
    const headers = { authorization: authorizationOf(config) }
    const response = await fetch(`${accountUrl(urls, config)}.json`, { headers, signal, redirect: 'manual' })
    return read(response.status, parseJson(await response.text()))
  } catch {
    return { kind: 'retry', pace: 'soon', reason: 'Twilio cannot be reached, or does not answer. It is asked again.' }
  }
}

function read(status: number, body: unknown): Connection {
  const error = readTwilioError(status, body)
  if (error?.code === '20404') return { kind: 'refused', reason: 'Twilio knows no account of this SID.' }
  if (error !== null) {
    const result = classify(error)
    const reason = 'error' in result ? result.error.message : ''
    if (result.kind === 'retry') return { kind: 'retry', pace: result.pace, reason: `${reason} It is asked again.` }
    return { kind: 'refused', reason }
  }
  const account = v.safeParse(accountSchema, body)
  if (status < 300 && account.success) return standingOf(account.output.status)
  return { kind: 'retry', pace: 'soon', reason: `Twilio's answer cannot be read (HTTP ${status}). It is asked again.` }
}

function standingOf(status: string): Connection {
  if (status === 'active') return { kind: 'connected', reason: null }
  return { kind: 'refused', reason: `The Twilio account is ${status}: make it active in the Twilio console.` }
}
