import { anything, type CelFunction, celFunction, optional, text, textOrNumber, whole } from './cel-function.ts'
import { toText } from './cel-values.ts'
import { spend } from './evaluation.ts'
import { PADDED_LENGTH_MAX } from './limits.ts'
import { searchCost } from './meter.ts'
import { containsWords, foldWords, shorten } from './words.ts'

/** What expressions may do with texts, besides what CEL brings. */
export const textFunctions: readonly CelFunction[] = [
  celFunction({
    name: 'upper',
    about: 'The text in capitals.',
    parameters: [text('text')],
    returns: 'string',
    examples: ['upper("mañana")'],
    compute: given => given.toUpperCase(),
  }),
  celFunction({
    name: 'lower',
    about: 'The text in small letters.',
    parameters: [text('text')],
    returns: 'string',
    examples: ['lower("MAÑANA")'],
    compute: given => given.toLowerCase(),
  }),
  celFunction({
    name: 'capitalize',
    about: 'The text with its first letter a capital.',
    parameters: [text('text')],
    returns: 'string',
    examples: ['capitalize("ana")', 'capitalize(weekday(now))'],
    compute: given => given.replace(/^\P{L}*\p{L}/u, start => start.toUpperCase()),
  }),
  celFunction({
    name: 'replace',
    about: 'The text with each `from` in it turned into `to`.',
    parameters: [text('text'), text('from'), text('to')],
    returns: 'string',
    examples: ['replace("1.500,00", ".", "")'],
    compute: replace,
  }),
  celFunction({
    name: 'truncate',
    about: 'The text, or its beginning with an ellipsis, of at most `length` characters: for the title of a row (24).',
    parameters: [text('text'), whole('length')],
    returns: 'string',
    examples: ['truncate("Pizza de cuatro quesos y nueces", 24)'],
    compute: (given, length) => {
      if (length < 1) throw new Error('truncate() needs a length of at least 1')
      return shorten(given, length)
    },
  }),
  celFunction({
    name: 'digits',
    about: 'The digits of the text, and nothing else of it.',
    parameters: [text('text')],
    returns: 'string',
    examples: ['digits("+34 600-111-222")'],
    compute: given => given.replace(/[^0-9]+/g, ''),
  }),
  celFunction({
    name: 'padLeft',
    about: 'The value as a text of at least `length` characters, with `filler` (a space unless told) before it.',
    parameters: [textOrNumber('value'), whole('length'), optional(text('filler'))],
    returns: 'string',
    examples: ['padLeft(7, 3, "0")', 'padLeft("7", 3)'],
    compute: (value, length, filler = ' ') => {
      if (length > PADDED_LENGTH_MAX) throw new Error(`padLeft() makes at most ${PADDED_LENGTH_MAX} characters`)
      return toText(value).padStart(length, filler)
    },
  }),
  celFunction({
    name: 'plain',
    about: 'The words of the text in small letters, without accents and punctuation: for comparing.',
    parameters: [text('text')],
    returns: 'string',
    examples: ['plain("¡Sí, por FAVOR!")'],
    compute: given => {
      spend(given.length / 8)
      return foldWords(given)
    },
  }),
  celFunction({
    name: 'hasWords',
    about: 'Whether `words` stand in the text as whole words, whatever their capitals and accents.',
    parameters: [text('text'), text('words')],
    returns: 'bool',
    examples: ['hasWords("Una pizza SIN gluten", "sin gluten")', 'hasWords("singular", "sin")'],
    compute: (given, words) => {
      spend(given.length / 8)
      const folded = foldWords(words)
      spend(searchCost(given.length, folded.length))
      return folded !== '' && containsWords(foldWords(given), folded)
    },
  }),
  celFunction({
    name: 'orElse',
    about: 'The value, or `other` where it is null or an empty text.',
    parameters: [anything('value'), anything('other')],
    returns: 'dyn',
    examples: ['orElse(customer.email, "sin correo")', 'orElse("", "nada")', 'orElse(0, 1)'],
    compute: ({ value }, other) => (value === null || value === '' ? other.value : value),
  }),
]

function replace(given: string, from: string, to: string): string {
  if (from === '') throw new Error('replace() needs something to look for')
  spend(searchCost(given.length, from.length))
  const parts = given.split(from)
  spend((given.length + (parts.length - 1) * to.length) / 8)
  return parts.join(to)
}
