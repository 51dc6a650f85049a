import { foldWords } from '../flow/words.ts'

/** What somebody looks for: as they wrote it, and its words, both without accents and in lower case. */
export type SearchWords = { readonly whole: string; readonly words: readonly string[] }

const wordsMax = 5
/** Shorter words are too much alike for guessing. */
const guessedLengthMin = 3
/** A word of this length may have one typing error, and one of the next two. */
const lengthForOneError = 4
const lengthForTwoErrors = 8
/** What fits less than this, compared with the best, is left out. */
const fitShareMin = 0.5

/** The words of a text to search for, the first five. */
export function searchWords(text: string): SearchWords {
  const words = foldWords(text).split(' ').filter(Boolean)
  return { whole: plainText(text.trim()), words: [...new Set(words)].slice(0, wordsMax) }
}

/** As `plain_text` in the database: in lower case, without accents. */
export function plainText(text: string): string {
  return text
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
}

/**
 * How well a product fits what is looked for, 0 is best: its SKU, its name, how its name begins, words of its name,
 * words of its name, SKU or description. Null where a word is nowhere in it.
 */
export function fitOf(
  product: { readonly sku: string; readonly name: string; readonly description: string },
  { whole, words }: SearchWords,
): number | null {
  const [sku, name] = [plainText(product.sku), plainText(product.name)]
  const all = `${sku} ${name} ${plainText(product.description)}`
  if (!words.every(word => all.includes(word))) return null
  if (sku === whole) return 0
  if (name === whole) return 1
  if (name.startsWith(whole)) return 2
  return words.every(word => ` ${name}`.includes(` ${word}`)) ? 3 : 4
}

/**
 * For words of which nothing has all: the names that have some of them, or words that are nearly the same, best first.
 * Names that fit equally well stay in the order they are given in.
 */
export function guessProducts<T extends { readonly name: string }>(
  named: readonly T[],
  { words }: SearchWords,
  limit: number,
): readonly T[] {
  const wanted = words.filter(word => word.length >= guessedLengthMin)
  const guesses = named
    .map(product => ({ product, fit: fitOfWords(foldWords(product.name).split(' '), wanted) }))
    .filter(({ fit }) => fit > 0)
    .sort((a, b) => b.fit - a.fit)
  const best = guesses[0]?.fit ?? 0
  return guesses
    .filter(({ fit }) => fit >= best * fitShareMin)
    .slice(0, limit)
    .map(({ product }) => product)
}

/** The letters of the wanted words that are there, less the errors in them. */
function fitOfWords(name: readonly string[], wanted: readonly string[]): number {
  return wanted.reduce((sum, word) => sum + Math.max(0, ...name.map(other => fitOfWord(other, word))), 0)
}

function fitOfWord(other: string, word: string): number {
  if (other.startsWith(word)) return word.length
  const errorsMax = errorsAllowed(word)
  if (errorsMax === 0 || Math.abs(other.length - word.length) > errorsMax) return 0
  const errors = typingErrors(other, word)
  return errors > errorsMax ? 0 : word.length - errors
}

function errorsAllowed({ length }: string): number {
  if (length < lengthForOneError) return 0
  return length < lengthForTwoErrors ? 1 : 2
}

/** Letters left out, put in, mistaken, or two that changed places (optimal string alignment). */
function typingErrors(a: string, b: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (isSame ? 0 : 1),
        isSwapped ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    ;[before, last] = [last, row]
  }
  return at(last, b.length)
}

function at(row: readonly number[] | undefined, index: number): number {
  return row?.[index] ?? Number.POSITIVE_INFINITY
}
