import { type InboundContent, wordsOf } from './content.ts'
import type { AnswerRule } from './document.ts'
import type { AnswerProblem, Choice } from './events.ts'
import { TEXT_LENGTH_MAX } from './limits.ts'
import { foldWords } from './words.ts'

/** An answer as the value its variable gets, or why it is none. */
export type Answer = { readonly value: string | number } | { readonly problem: AnswerProblem }

/**
 * Reads a customer's message as the answer to a question. A tapped choice counts as its title for every rule but
 * `choice`, whose value is the id of one of `choices`: tapped, named by its title, or by its number from 1. Where text is
 * asked for beside choices, the number of one stands for its title too.
 */
export function readAnswer(rule: AnswerRule, content: InboundContent, choices: readonly Choice[]): Answer {
  if (rule.type === 'choice') return readChoice(content, choices)
  if (content.type !== 'text' && content.type !== 'choice') return { problem: 'not_text' }
  const text = wordsOf(content).trim()
  switch (rule.type) {
    case 'text':
      return readText(numbered(text, choices)?.title ?? text, rule.min ?? 1, rule.max ?? TEXT_LENGTH_MAX)
    case 'integer':
      return withinBounds(INTEGER.test(text) ? Number(text) : null, rule)
    case 'number':
      return withinBounds(readNumber(text), rule)
    case 'email':
      return EMAIL.test(text) && text.length <= EMAIL_LENGTH_MAX ? { value: text } : { problem: 'not_an_email' }
    case 'phone':
      return readPhone(text, rule.country_code)
  }
}

function readChoice(content: InboundContent, choices: readonly Choice[]): Answer {
  if (content.type === 'choice') return chosen(choices.find(choice => choice.id === content.id))
  if (content.type !== 'text') return { problem: 'not_text' }
  const words = foldWords(content.text)
  const titled = choices.find(choice => foldWords(choice.title) === words)
  return chosen(titled ?? numbered(words, choices))
}

const CHOICE_NUMBER = /^\d{1,2}$/

/** The choice of this number, counted from 1. */
function numbered(words: string, choices: readonly Choice[]): Choice | undefined {
  return CHOICE_NUMBER.test(words) ? choices[Number(words) - 1] : undefined
}

/** A number that a customer wrote below some choices, as the choice that was tapped; all else as it is. */
export function readAsTapped(content: InboundContent, choices: readonly Choice[]): InboundContent {
  const choice = content.type === 'text' ? numbered(content.text.trim(), choices) : undefined
  return choice === undefined ? content : { type: 'choice', id: choice.id, title: choice.title }
}

function chosen(choice: Choice | undefined): Answer {
  return choice === undefined ? { problem: 'not_a_choice' } : { value: choice.id }
}

function readText(text: string, min: number, max: number): Answer {
  if (text.length < min) return { problem: 'too_short' }
  return text.length > max ? { problem: 'too_long' } : { value: text }
}

const INTEGER = /^[+-]?\d{1,15}$/
const DECIMAL = /^[+-]?\d{1,15}(?:[.,]\d{1,10})?$/
// "1.500" is a thousand and a half here and one and a half there: asked again rather than guessed.
const GROUPED = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/

function readNumber(text: string): number | null {
  return DECIMAL.test(text) && !GROUPED.test(text) ? Number(text.replace(',', '.')) : null
}

function withinBounds(
  number: number | null,
  { min, max }: { min?: number | undefined; max?: number | undefined },
): Answer {
  if (number === null) return { problem: 'not_a_number' }
  if (min !== undefined && number < min) return { problem: 'too_small' }
  if (max !== undefined && number > max) return { problem: 'too_large' }
  return { value: number === 0 ? 0 : number }
}

const EMAIL_LENGTH_MAX = 254
const EMAIL = /^[^\s@,;<>"]{1,64}@[^\s@,;<>".]+(?:\.[^\s@,;<>".]+)+$/

/** E.164. A number without + or 00 is taken as one of `countryCode`, a leading 0 dropped; refused without it. */
function readPhone(text: string, countryCode: string | undefined): Answer {
  if (!/^\+?[\d\s().\-/]+$/.test(text)) return { problem: 'not_a_phone' }
  const digits = text.replace(/\D/g, '')
  const phone = internationalDigits(text, digits, countryCode)
  return phone !== null && /^[1-9]\d{7,14}$/.test(phone) ? { value: `+${phone}` } : { problem: 'not_a_phone' }
}

function internationalDigits(text: string, digits: string, countryCode: string | undefined): string | null {
  if (text.startsWith('+')) return digits
  if (digits.startsWith('00')) return digits.slice(2)
  return countryCode === undefined ? null : countryCode + digits.replace(/^0/, '')
}
