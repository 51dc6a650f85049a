import { describe, expect, test } from 'bun:test'
import { readAnswer } from './answer.ts'
import type { AnswerRule } from './document.ts'

const read = (rule: AnswerRule, text: string) => {
  const answer = readAnswer(rule, { type: 'text', text }, [])
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
    expect(readAnswer({ type: 'text' }, { type: 'choice', id: 'y', title: 'Yes' }, [])).toEqual({ value: 'Yes' })
    const photo = { type: 'image', media_id: '1', mime_type: 'image/png', caption: 'me' } as const
    expect(readAnswer({ type: 'text' }, photo, [])).toEqual({ problem: 'not_text' })
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

  test('is read in time that grows with its length, not with its square', () => {
    const started = performance.now()
    for (const text of ['a@'.repeat(30_000), `a@${'b.'.repeat(30_000)}`, `a@${'b'.repeat(60_000)}`])
      read({ type: 'email' }, text)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test.each([
    ['+34 600 11 12 22', undefined, '+34600111222'],
    ['0034 600111222', undefined, '+34600111222'],
    ['600111222', undefined, 'not_a_phone'],
    ['600111222', '34', '+34600111222'],
    ['0171 1234567', '49', '+491711234567'],
    ['+1', undefined, 'not_a_phone'],
    ['+0600111222', undefined, 'not_a_phone'],
    ['call me', '34', 'not_a_phone'],
  ])('of a phone: %j', (text, country_code, value) => {
    expect(read({ type: 'phone', country_code }, text)).toBe(value)
  })
})

describe('a choice', () => {
  const choices = [
    { id: 'a', title: 'Pizza' },
    { id: 'b', title: 'Menú del día' },
    { id: 'c', title: '1' },
  ]
  const choose = (text: string) => readAnswer({ type: 'choice' }, { type: 'text', text }, choices)

  test('is tapped, named by its title, or by its number', () => {
    expect(readAnswer({ type: 'choice' }, { type: 'choice', id: 'b', title: 'x' }, choices)).toEqual({ value: 'b' })
    expect(choose('menu del dia!')).toEqual({ value: 'b' })
    expect(choose('2')).toEqual({ value: 'b' })
    expect(choose('2.')).toEqual({ value: 'b' })
  })

  test('named by its title comes before one of that number', () => {
    expect(choose('1')).toEqual({ value: 'c' })
  })

  test('is nothing else', () => {
    for (const text of ['0', '4', 'sushi', '', '2x']) expect(choose(text)).toEqual({ problem: 'not_a_choice' })
    const old = { type: 'choice', id: 'old', title: 'Pizza' } as const
    expect(readAnswer({ type: 'choice' }, old, choices)).toEqual({ problem: 'not_a_choice' })
    const place = { type: 'location', latitude: 1, longitude: 2 } as const
    expect(readAnswer({ type: 'choice' }, place, choices)).toEqual({ problem: 'not_text' })
  })
})

test('the number of a choice stands for its title where text is asked for, and for itself where a number is', () => {
  const choices = [
    { id: 'r', title: 'Red' },
    { id: 'b', title: 'Blue' },
  ]
  const two = { type: 'text', text: ' 2 ' } as const
  expect(readAnswer({ type: 'text' }, two, choices)).toEqual({ value: 'Blue' })
  expect(readAnswer({ type: 'integer' }, two, choices)).toEqual({ value: 2 })
  expect(readAnswer({ type: 'choice' }, two, choices)).toEqual({ value: 'b' })
  expect(readAnswer({ type: 'text' }, { type: 'text', text: '3' }, choices)).toEqual({ value: '3' })
})
