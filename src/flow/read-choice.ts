import type { InboundContent } from './content.ts'
import type { Choice } from './events.ts'
import type { Reading } from './reading.ts'
import { containsWords, foldWords } from './words.ts'

/**
 * The id of the choice that was made: tapped, named by its title, by its number, by its title with courtesies around it,
 * or by words that stand in its title alone.
 */
export function readChoice(content: InboundContent, choices: readonly Choice[]): Reading {
  if (content.type !== 'text' && content.type !== 'choice') return { problem: 'not_text' }
  const choice =
    exactChoice(content, choices) ?? (content.type === 'text' ? likelyChoice(content.text, choices) : undefined)
  return choice === undefined ? { problem: 'not_a_choice' } : { value: choice.id }
}

/** The choice that was tapped, or named by its very title or its number: what a customer cannot have meant otherwise. */
export function exactChoice(content: InboundContent, choices: readonly Choice[]): Choice | undefined {
  if (content.type === 'choice') return choices.find(choice => choice.id === content.id)
  if (content.type !== 'text') return undefined
  const words = foldWords(content.text)
  return words === '' ? undefined : namedChoice(words, choices)
}

function namedChoice(words: string, choices: readonly Choice[]): Choice | undefined {
  return choices.find(choice => foldWords(choice.title) === words) ?? numberedChoice(words, choices)
}

const CHOICE_NUMBER = /^\d{1,2}$/

/** "6 cajas", "4": titles that count something, so that a number may well be meant as one. "10:00" is none. */
const COUNTED = /^\d+(?: \p{L}.*)?$/u

/**
 * The choice of this number: the one whose title begins with it, or the one at that place, from 1. None where these are
 * two, and no place among titles that count: "3" below "1 box", "2 boxes" and "6 boxes" does not ask for six.
 */
export function numberedChoice(words: string, choices: readonly Choice[]): Choice | undefined {
  if (!CHOICE_NUMBER.test(words)) return undefined
  const place = choices[Number(words) - 1]
  const titles = choices.map(({ title }) => foldWords(title))
  const [first, another] = choices.filter((_, index) => beginsWith(titles[index] ?? '', words))
  if (first !== undefined) return another === undefined && (place === undefined || place === first) ? first : undefined
  return titles.some(title => COUNTED.test(title)) ? undefined : place
}

/**
 * The only choice that a text can mean: "grande" is "Pizza grande", and "quiero una pizza, por favor" is "Pizza". A
 * sentence that merely has a title in it means nothing ("I wonder if yes is right"), and who says no to something, or
 * leaves out the "no" of a title, has not chosen it.
 */
function likelyChoice(text: string, choices: readonly Choice[]): Choice | undefined {
  const words = foldWords(text)
  if (words === '' || CHOICE_NUMBER.test(words)) return undefined
  const asked = choices.map(choice => ({ choice, title: foldWords(choice.title) }))
  return (
    only(asked.filter(({ title }) => isAskedFor(words, title))) ??
    only(asked.filter(({ title }) => isPartOf(words, title) && isNegated(words) === isNegated(title)))
  )
}

function only(found: readonly { readonly choice: Choice }[]): Choice | undefined {
  return found.length === 1 ? found[0]?.choice : undefined
}

/** Whether a text is a whole title with nothing but courtesies around it. */
function isAskedFor(words: string, title: string): boolean {
  const at = title === '' ? -1 : ` ${words} `.indexOf(` ${title} `)
  if (at < 0) return false
  const around = `${words.slice(0, at)} ${words.slice(at + title.length)}`.split(' ')
  return around.every(word => word === '' || COURTESIES.has(word))
}

const WORD_LETTERS_MIN = 3

/** Whether a text is some of a title's words; a short word must be its first: "no" is "No, thank you". */
function isPartOf(words: string, title: string): boolean {
  return beginsWith(title, words) || (words.length >= WORD_LETTERS_MIN && containsWords(title, words))
}

function beginsWith(title: string, words: string): boolean {
  return `${title} `.startsWith(`${words} `)
}

function isNegated(words: string): boolean {
  return words.split(' ').some(word => NEGATIONS.has(word))
}

// As `foldWords` leaves them: "don't" becomes "don" and "t".
const split = (list: string) => new Set(list.split(' '))
const NEGATIONS = split('no not don non nao nunca jamas never without sin sem tampoco tampouco ni nem nada')
const COURTESIES = split(
  'quiero quisiera dame el la los las un una unos unas por favor gracias ' +
    'i want d like the a an please thanks thank you ' +
    'quero queria me da o os as um uma uns umas obrigado obrigada',
)
