import type { InboundContent } from './content.ts'
import type { Choice } from './events.ts'
import type { Reading } from './reading.ts'
import { containsWords, foldWords } from './words.ts'

/**
 * The id of the choice that was made: tapped, named by its title, by its number from 1, or by words that stand in its
 * title alone, or hold its title alone.
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

/** The choice of this number, counted from 1. */
export function numberedChoice(words: string, choices: readonly Choice[]): Choice | undefined {
  return CHOICE_NUMBER.test(words) ? choices[Number(words) - 1] : undefined
}

/** "grande" is "Pizza grande", and "quiero una pizza" is "Pizza", where no other choice could be meant. */
function likelyChoice(text: string, choices: readonly Choice[]): Choice | undefined {
  const words = foldWords(text)
  if (words === '') return undefined
  const [likely, another] = choices.filter(({ title }) => {
    const folded = foldWords(title)
    return folded !== '' && (containsWords(folded, words) || containsWords(words, folded))
  })
  return another === undefined ? likely : undefined
}
