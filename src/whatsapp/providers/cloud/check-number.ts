import * as v from 'valibot'
import type { BotConfig, Connection } from '../../provider.ts'
import { parseJson } from '../read-body.ts'
import { classify, explain, type MetaError, readMetaError } from './errors.ts'

const fields = 'verified_name,display_phone_number,quality_rating'

const numberSchema = v.object({ display_phone_number: v.string() })

/** Whether Meta knows the number, and takes the token for it: reads the number's object, which changes nothing. */
export async function checkNumber(baseUrl: string, config: BotConfig, signal: AbortSignal): Promise<Connection> {
  try {
    const url = `${baseUrl}/${encodeURIComponent(config.phone_number_id ?? '')}?fields=${fields}`
    const headers = { authorization: `Bearer ${config.access_token}` }
    const response = await fetch(url, { headers, signal, redirect: 'manual' })
    return read(response.status, parseJson(await response.text()))
  } catch {
    return { kind: 'retry', pace: 'soon', reason: 'Meta cannot be reached, or does not answer. It is asked again.' }
  }
}

function read(status: number, body: unknown): Connection {
  const error = readMetaError(body)
  if (error !== null) return refusal(error)
  if (status < 300 && v.is(numberSchema, body)) return { kind: 'connected', reason: null }
  if (status < 300) return { kind: 'refused', reason: 'The phone_number_id names something that is no phone number.' }
  return { kind: 'retry', pace: 'soon', reason: `Meta's answer cannot be read (HTTP ${status}). It is asked again.` }
}

function refusal(error: MetaError): Connection {
  if (isPermission(error.code)) return { kind: 'connected', reason: unknownWithout }
  // Meta says the same of an object that is not there and of one that the token does not reach.
  if (error.code === 100)
    return { kind: 'refused', reason: withDetails('The access token reaches no number of this phone_number_id', error) }
  const result = classify(error)
  if (result.kind === 'retry')
    return { kind: 'retry', pace: result.pace, reason: `${explain(error).message} It is asked again.` }
  if (result.kind === 'account') return { kind: 'refused', reason: explain(error).message }
  return {
    kind: 'refused',
    reason: withDetails(`Meta refuses the number or its token, with code ${error.code}`, error),
  }
}

/** A token may be let send and not read the number: the permissions are two (whatsapp_business_messaging, …_management). */
function isPermission(code: number): boolean {
  return code === 3 || code === 10 || (code >= 200 && code <= 299)
}

const unknownWithout =
  'The access token lacks the permission whatsapp_business_management, so the number could not be looked at: the first ' +
  'message will tell whether it may send.'

function withDetails(sentence: string, { details }: MetaError): string {
  return details === '' ? `${sentence}.` : `${sentence}. (${details})`
}
