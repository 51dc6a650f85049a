import { AppError } from '../../lib/errors.ts'

/** A webhook's body as JSON. Throws `not_json`. */
export function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(readText(body))
  } catch {
    throw new AppError('not_json', 'The body of the webhook is not JSON.')
  }
}

/** A webhook's body as text. Throws a TypeError where it is not UTF-8. */
export function readText(body: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(body)
}

/** A provider's answer as JSON; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
