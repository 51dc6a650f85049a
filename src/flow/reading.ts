import type { AnswerProblem } from './events.ts'
import type { Json } from './json.ts'
import { ANSWER_WORDS_LENGTH_MAX } from './limits.ts'

/** What reading an answer gives: the value for its variable, or why it is none. */
export type Reading = { readonly value: Json } | { readonly problem: AnswerProblem }

/**
 * A text as the readers of amounts, dates and times compare it: lower case, no accents, single spaces, nothing that
 * ends a sentence, no "please". Empty for what is longer than any of those is written.
 */
export function foldAnswer(text: string): string {
  if (text.length > ANSWER_WORDS_LENGTH_MAX) return ''
  const plain = text
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
  return plain
    .replace(/\s+/g, ' ')
    .replace(/^[ ¡¿]+|[ .!?]+$/g, '')
    .replace(COURTESY, '')
}

const COURTESY = /^(?:por favor|please)[ ,]+|[ ,]+(?:por favor|please|gracias|thanks|thank you|obrigad[oa])$/g
