import { describe, expect, test } from 'bun:test'
import { readAnswer, readAsTapped } from './answer.ts'
import type { AnswerRule } from './answer-rule.ts'
import { unknownBusiness } from './business.ts'
import type { InboundContent } from './content.ts'
import type { Choice } from './events.ts'

const business = { ...unknownBusiness, time_zone: 'Europe/Madrid', country_code: '34' }
const answerTo = (rule: AnswerRule, content: InboundContent, choices: readonly Choice[] = []) =>
  readAnswer(rule, content, choices, { now: Date.UTC(2026, 10, 25, 12), business })
const read = (rule: AnswerRule, text: string) => {
  const answer = answerTo(rule, { type: 'text', text })
  return 'problem' in answer ? answer.problem : answer.value
}

describe('a text', () => {
  test('is trimmed and held against its lengths', () => {
    expect(read({ type: 'text' }, '  hola  ')).toBe('hola')
    expect(read({ type: 'text' }, '   ')).toBe('too_short')
    expect(read({ type: 'text', min: 0 }, '   ')).toBe('')
    expect(read({ type: 'text', min: 3 }, 'ab')).toBe('too_short')
    expect(read({ type: 'text', max: 3 }, 'abcd')).toBe('too_long')
    expect(read({ type: 'text' }, 'x'.repeat(5_000))).toBe('too_long')
  })

  test('may be what was tapped, but not a photo, whatever its caption', () => {
    expect(answerTo({ type: 'text' }, { type: 'choice', id: 'y', title: 'Yes' })).toEqual({ value: 'Yes' })
    const photo = { type: 'image', media_id: '1', mime_type: 'image/png', caption: 'me' } as const
    expect(answerTo({ type: 'text' }, photo)).toEqual({ problem: 'not_text' })
  })
})

describe('a number', () => {
  test.each([
    ['3', 3],
    [' -3 ', -3],
    ['+3', 3],
    ['-0', 0],
    ['3.0', 'not_a_number'],
    ['tres', 'not_a_number'],
    ['1e3', 'not_a_number'],
    ['', 'not_a_number'],
    ['9999999999999999', 'not_a_number'],
  ])('that is whole: %j', (text, value) => {
    expect(read({ type: 'integer' }, text)).toBe(value)
  })

  test.each([
    ['3,5', 3.5],
    ['3.5', 3.5],
    ['0.125', 0.125],
    ['1.500', 'not_a_number'],
    ['1,500', 'not_a_number'],
    ['1.5.5', 'not_a_number'],
    ['.5', 'not_a_number'],
    ['Infinity', 'not_a_number'],
  ])('that may have decimals: %j', (text, value) => {
    expect(read({ type: 'number' }, text)).toBe(value)
  })

  test('is within its bounds, which are inclusive', () => {
    const rule = { type: 'integer', min: 1, max: 9 } as const
    expect([read(rule, '0'), read(rule, '1'), read(rule, '9'), read(rule, '10')]).toEqual([
      'too_small',
      1,
      9,
      'too_large',
    ])
  })
})

describe('an address', () => {
  test.each([
    ['ana@example.com', 'ana@example.com'],
    [' ana@example.com ', 'ana@example.com'],
    ['ana@example', 'not_an_email'],
    ['ana@@example.com', 'not_an_email'],
    ['ana example.com', 'not_an_email'],
    ['ana@example..com', 'not_an_email'],
    [`${'a'.repeat(64)}@${'b'.repeat(200)}.com`, 'not_an_email'],
  ])('of mail: %j', (text, value) => {
    expect(read({ type: 'email' }, text)).toBe(value)
  })

  test('may be of any length, which takes no time to see', () => {
    for (const text of ['a@'.repeat(30_000), `a@${'b.'.repeat(30_000)}`, `a@${'b'.repeat(60_000)}`])
      expect(read({ type: 'email' }, text)).toBe('not_an_email')
  })

  test.each([
    ['+34 600 11 12 22', undefined, '+34600111222'],
    ['0034 600111222', undefined, '+34600111222'],
    ['600111222', undefined, '+34600111222'],
    ['600111222', '52', '+52600111222'],
    ['0171 1234567', '49', '+491711234567'],
    ['+1', undefined, 'not_a_phone'],
    ['+0600111222', undefined, 'not_a_phone'],
    ['call me', '34', 'not_a_phone'],
  ])('of a phone: %j', (text, country_code, value) => {
    expect(read({ type: 'phone', country_code }, text)).toBe(value)
  })
})

test.each([
  [{ type: 'money', currency: 'EUR' }, '12,50 €', 1250],
  [{ type: 'date' }, 'mañana', '2026-11-26'],
  [{ type: 'time' }, '5pm', '17:00'],
  [{ type: 'datetime' }, '25/12 17:00', '2026-12-25T16:00:00.000Z'],
  [{ type: 'location' }, 'aquí', 'not_a_location'],
  [{ type: 'image' }, 'foto', 'not_an_image'],
  [{ type: 'document' }, 'pdf', 'not_a_document'],
] as const)('%j reads %j as %p', (rule, text, value) => {
  expect(read(rule, text)).toBe(value)
})

test('a choice that was tapped counts as its title where something else is asked for', () => {
  const tapped = (title: string): InboundContent => ({ type: 'choice', id: 'x', title })
  expect(answerTo({ type: 'date' }, tapped('25/12'))).toEqual({ value: '2026-12-25' })
  expect(answerTo({ type: 'money', currency: 'USD' }, tapped('$5'))).toEqual({ value: 500 })
  expect(answerTo({ type: 'choice' }, tapped('y'), [{ id: 'x', title: 'y' }])).toEqual({ value: 'x' })
})

test('what is written nowhere is not read: a place where a date is asked for', () => {
  const place: InboundContent = { type: 'location', latitude: 1, longitude: 2 }
  expect(answerTo({ type: 'date' }, place)).toEqual({ problem: 'not_text' })
  expect(answerTo({ type: 'location' }, place)).toEqual({ value: { latitude: 1, longitude: 2 } })
})

test('an address is what was written, an offered one, or a place that was sent', () => {
  const home = [{ id: 'home', title: 'Calle Mayor 1' }]
  const written = (text: string): InboundContent => ({ type: 'text', text })
  expect(answerTo({ type: 'address' }, written(' Gran Vía 2, 3º B '))).toEqual({ value: { text: 'Gran Vía 2, 3º B' } })
  expect(answerTo({ type: 'address' }, written('1'), home)).toEqual({ value: { text: 'Calle Mayor 1' } })
  const tapped: InboundContent = { type: 'choice', id: 'home', title: 'Calle Mayor 1' }
  expect(answerTo({ type: 'address' }, tapped, home)).toEqual({ value: { text: 'Calle Mayor 1' } })
  expect(answerTo({ type: 'address', min: 5 }, written('aquí'))).toEqual({ problem: 'too_short' })
  expect(answerTo({ type: 'address', max: 5 }, written('Gran Vía'))).toEqual({ problem: 'too_long' })
  expect(answerTo({ type: 'address' }, written(' '))).toEqual({ problem: 'too_short' })
  const place = { type: 'location', latitude: 40.4, longitude: -3.7 } as const
  expect(answerTo({ type: 'address', min: 20 }, place)).toEqual({
    value: { text: '40.4, -3.7', latitude: 40.4, longitude: -3.7 },
  })
  expect(answerTo({ type: 'address' }, { ...place, name: 'Sol', address: 'Puerta del Sol' })).toEqual({
    value: { text: 'Sol, Puerta del Sol', latitude: 40.4, longitude: -3.7, name: 'Sol' },
  })
  const photo = { type: 'image', media_id: '1', mime_type: 'image/png' } as const
  expect(answerTo({ type: 'address' }, photo)).toEqual({ problem: 'not_text' })
})

test('the number of a choice stands for its title where text is asked for, and for itself where a number is', () => {
  const choices = [
    { id: 'r', title: 'Red' },
    { id: 'b', title: 'Blue' },
  ]
  const two = { type: 'text', text: ' 2 ' } as const
  expect(answerTo({ type: 'text' }, two, choices)).toEqual({ value: 'Blue' })
  expect(answerTo({ type: 'integer' }, two, choices)).toEqual({ value: 2 })
  expect(answerTo({ type: 'choice' }, two, choices)).toEqual({ value: 'b' })
  expect(answerTo({ type: 'text' }, { type: 'text', text: '3' }, choices)).toEqual({ value: '3' })
})

test('a number below some choices is the choice that was tapped', () => {
  const choices = [{ id: 'r', title: 'Red' }]
  expect(readAsTapped({ type: 'text', text: ' 1 ' }, choices)).toEqual({ type: 'choice', id: 'r', title: 'Red' })
  const two = { type: 'text', text: '2' } as const
  expect(readAsTapped(two, choices)).toBe(two)
})
