import type { AnswerRule } from './answer-rule.ts'
import type { Business } from './business.ts'
import { type InboundContent, wordsOf } from './content.ts'
import type { Choice } from './events.ts'
import { TEXT_LENGTH_MAX } from './limits.ts'
import { readDocument, readImage, readLocation, readPlaceAsAddress } from './read-attachment.ts'
import { numberedChoice, readChoice } from './read-choice.ts'
import { readDate } from './read-date.ts'
import { readDateTime } from './read-datetime.ts'
import { readEmail } from './read-email.ts'
import { readMoney } from './read-money.ts'
import { readInteger, readNumber } from './read-number.ts'
import { readPhone } from './read-phone.ts'
import { readTime } from './read-time.ts'
import type { Reading } from './reading.ts'

/** When and for whom an answer is read; `now` is in milliseconds since 1970. */
export type Surroundings = {
  readonly now: number
  readonly business: Pick<Business, 'time_zone' | 'language' | 'country_code'>
}

/**
 * Reads a customer's message as the answer to a question. A tapped choice counts as its title for every rule but
 * `choice`, whose value is the id of one of `choices`. Where text is asked for beside choices, the number of one stands
 * for its title too.
 */
export function readAnswer(
  rule: AnswerRule,
  content: InboundContent,
  choices: readonly Choice[],
  surroundings: Surroundings,
): Reading {
  switch (rule.type) {
    case 'choice':
      return readChoice(content, choices)
    case 'location':
      return readLocation(content)
    case 'image':
      return readImage(content)
    case 'document':
      return readDocument(content)
    case 'address':
      if (content.type === 'location') return readPlaceAsAddress(content)
      return readAddress(rule, content, choices)
    default:
      if (content.type !== 'text' && content.type !== 'choice') return { problem: 'not_text' }
      return readWritten(rule, wordsOf(content).trim(), choices, surroundings)
  }
}

/** An address in the customer's words, or one of those that were offered. */
function readAddress(
  { min = 1, max = TEXT_LENGTH_MAX }: Extract<AnswerRule, { type: 'address' }>,
  content: InboundContent,
  choices: readonly Choice[],
): Reading {
  if (content.type !== 'text' && content.type !== 'choice') return { problem: 'not_text' }
  const words = wordsOf(content).trim()
  const read = readText(numberedChoice(words, choices)?.title ?? words, min, max)
  return 'value' in read ? { value: { text: read.value } } : read
}

type WrittenRule = Exclude<AnswerRule, { type: 'choice' | 'location' | 'address' | 'image' | 'document' }>

function readWritten(
  rule: WrittenRule,
  text: string,
  choices: readonly Choice[],
  { now, business }: Surroundings,
): Reading {
  switch (rule.type) {
    case 'text':
      return readText(numberedChoice(text, choices)?.title ?? text, rule.min ?? 1, rule.max ?? TEXT_LENGTH_MAX)
    case 'integer':
      return readInteger(text, rule)
    case 'number':
      return readNumber(text, rule)
    case 'money':
      return readMoney(text, rule, business.language)
    case 'date':
      return readDate(text, rule, business.time_zone, now)
    case 'time':
      return readTime(text)
    case 'datetime':
      return readDateTime(text, rule, business.time_zone, now)
    case 'email':
      return readEmail(text)
    case 'phone':
      return readPhone(text, rule.country_code ?? business.country_code)
  }
}

function readText(text: string, min: number, max: number): Reading {
  if (text.length < min) return { problem: 'too_short' }
  return text.length > max ? { problem: 'too_long' } : { value: text }
}

/** A number that a customer wrote below some choices, as the choice that was tapped; all else as it is. */
export function readAsTapped(content: InboundContent, choices: readonly Choice[]): InboundContent {
  const choice = content.type === 'text' ? numberedChoice(content.text.trim(), choices) : undefined
  return choice === undefined ? content : { type: 'choice', id: choice.id, title: choice.title }
}
