import type { Json } from '../lib/json.ts'

// Some services answer with what they were sent, each in its own writing: a secret must not come into a variable that way.

const shownInstead = '••••'

export type Hide = (text: string) => string

/** Hides some secrets in texts, also where their characters are escaped: as in JSON, in a URL, a form or a page. */
export function makeHide(secrets: readonly string[]): Hide {
  const patterns = secrets
    .filter(secret => secret !== '')
    // The longer one first: another may be a part of it.
    .sort((a, b) => b.length - a.length)
    .map(secret => [...secret].map(spellings).join(''))
  if (patterns.length === 0) return text => text
  const pattern = new RegExp(patterns.join('|'), 'gu')
  return text => text.replace(pattern, shownInstead)
}

/** The same in JSON, in its strings and keys as they are meant. What is none is a text. */
export function hideInJsonText(text: string, hide: Hide): string {
  try {
    return JSON.stringify(hideInJson(JSON.parse(text), hide))
  } catch {
    // No JSON, or nested too deeply for a flow to get it.
    return hide(text)
  }
}

function hideInJson(value: Json, hide: Hide): Json {
  if (typeof value === 'string') return hide(value)
  if (typeof value === 'number') return hide(`${value}`) === `${value}` ? value : shownInstead
  if (Array.isArray(value)) return value.map(one => hideInJson(one, hide))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [hide(key), hideInJson(one, hide)]))
}

const namedEntities: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' }

/** A pattern of all the ways in which a character is written. */
function spellings(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const units = character.split('').map(unit => `\\\\u${hex(unit.charCodeAt(0), 4)}`)
  const bytes = [...new TextEncoder().encode(character)].map(byte => `%${hex(byte, 2)}`)
  const entity = namedEntities[character]
  const ways = [
    ...[exactly(character), exactly(JSON.stringify(character).slice(1, -1)), units.join(''), bytes.join('')],
    ...[`&#0*${code};`, `&#[xX]0*${hex(code, 1)};`],
    ...(character === '/' ? ['\\\\/'] : []),
    ...(character === ' ' ? ['\\+'] : []),
    ...(entity === undefined ? [] : [`&${entity};`]),
  ]
  return `(?:${[...new Set(ways)].join('|')})`
}

/** In digits that are written in small letters, or in capitals. */
function hex(value: number, digits: number): string {
  const text = value.toString(16).padStart(digits, '0')
  return text.replace(/[a-f]/g, digit => `[${digit}${digit.toUpperCase()}]`)
}

function exactly(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, character => `\\${character}`)
}
