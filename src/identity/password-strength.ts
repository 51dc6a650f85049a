import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const passwordLengthMin = 10
/** Where bcrypt stops reading: a longer one would be cut, so it is refused. */
export const passwordBytesMax = 72

/** What is put together with figures and signs by those who were asked for figures and signs. */
const wornWords: ReadonlySet<string> = new Set([
  ...['password', 'passwort', 'senha', 'contrasena', 'clave', 'secret', 'secreto', 'letmein', 'welcome', 'bienvenido'],
  ...['admin', 'administrator', 'administrador', 'root', 'user', 'usuario', 'test', 'demo', 'qwerty', 'asdfgh'],
  ...['iloveyou', 'teamo', 'tequiero', 'dashoffice', 'whatsapp', 'facebook', 'google', 'cambiame', 'changeme'],
])

/**
 * What is wrong with a password, as a sentence for the person who chose it; null where nothing is. `about`: what anyone
 * knows of them, as their e-mail address and their name.
 */
export function weaknessOf(password: string, about: readonly string[] = []): string | null {
  const characters = [...password]
  if (characters.length < passwordLengthMin) return `Must have at least ${passwordLengthMin} characters`
  if (Buffer.byteLength(password.normalize('NFC')) > passwordBytesMax)
    return `Must have at most ${passwordBytesMax} bytes: letters with accents and emoji count for several`
  const plain = plainOf(password)
  if (isRepeated([...plain]) || isSequence([...plain])) return 'Must not be a repetition or a sequence'
  if (commonPasswords().includes(`\n${plain}\n`) || wornWords.has(wordOf(plain)))
    return 'Is one of the passwords that are tried first'
  if (about.flatMap(namesOf).some(name => isMadeOf(plain, name))) return 'Must not be your name or e-mail address'
  return null
}

/** In lower case, without accents. */
function plainOf(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

const repeatedPartMax = 4

/** As in aaaaaaaaaa, abababababa or 123412341234. */
function isRepeated(characters: readonly string[]): boolean {
  for (let size = 1; size <= repeatedPartMax; size++)
    if (characters.every((character, index) => character === characters[index % size])) return true
  return false
}

/** As in abcdefghijk or 98765432109. */
function isSequence(characters: readonly string[]): boolean {
  const steps = characters.slice(1).map((character, index) => stepBetween(characters[index] ?? '', character))
  return Math.abs(steps[0] ?? 0) === 1 && steps.every(step => step === steps[0])
}

/** 0 follows 9. */
function stepBetween(before: string, after: string): number {
  if (/^\d\d$/.test(before + after)) return ((Number(after) - Number(before) + 15) % 10) - 5
  return (after.codePointAt(0) ?? 0) - (before.codePointAt(0) ?? 0)
}

let loaded: string | undefined

/** One a line. As one text it takes 24 KB: zxcvbn, which also finds what is alike, takes 36 MB. */
function commonPasswords(): string {
  loaded ??= readFileSync(join(import.meta.dirname, 'common-passwords.txt'), 'utf8')
  return loaded
}

const disguises: Readonly<Record<string, string>> = {
  '@': 'a',
  '4': 'a',
  '3': 'e',
  '1': 'i',
  '0': 'o',
  '5': 's',
  $: 's',
}

/** The word in P@ssw0rd2024! or adminadmin1. */
function wordOf(plain: string): string {
  const undisguised = withoutEnds(plain).replace(/[@4310$5]/g, sign => disguises[sign] ?? sign)
  return undisguised.replace(/^(.+?)\1+$/s, '$1')
}

/** Without the figures and signs before and behind. */
function withoutEnds(plain: string): string {
  return plain.replace(/^[^\p{L}@$]+|[^\p{L}]+$/gu, '')
}

const nameLengthMin = 3

/** What a name or an address is written as, in letters and figures only. */
function namesOf(text: string): string[] {
  const plain = plainOf(text)
  return [plain, plain.replace(/@.*/s, '')].map(lettersAndFigures).filter(name => name.length >= nameLengthMin)
}

/** Nothing but the name, once or more, with figures and signs before and behind. */
function isMadeOf(plain: string, name: string): boolean {
  const word = lettersAndFigures(plain)
  return word.includes(name) && /^\d*$/.test(word.replaceAll(name, ''))
}

function lettersAndFigures(plain: string): string {
  return plain.replace(/[^\p{L}\p{N}]/gu, '')
}
