import { describe, expect, test } from 'bun:test'
import type { Choice } from './events.ts'
import { exactChoice, readChoice } from './read-choice.ts'

const choices: readonly Choice[] = [
  { id: 'a', title: 'Pizza' },
  { id: 'b', title: 'Menú del día' },
  { id: 'c', title: '1' },
  { id: 'd', title: 'Sopa grande' },
  { id: 'e', title: 'Ensalada grande' },
]
const choose = (text: string, among = choices) => {
  const reading = readChoice({ type: 'text', text }, among)
  return 'problem' in reading ? reading.problem : reading.value
}

describe('a choice', () => {
  test('is tapped, named by its title, or by its number', () => {
    expect(readChoice({ type: 'choice', id: 'b', title: 'x' }, choices)).toEqual({ value: 'b' })
    expect(choose('menu del dia!')).toBe('b')
    expect(choose('2')).toBe('b')
    expect(choose('2.')).toBe('b')
  })

  test('named by its title comes before one of that number', () => {
    expect(choose('1')).toBe('c')
  })

  test('is named by words that stand in its title alone', () => {
    expect(choose('menú')).toBe('b')
    expect(choose('la sopa')).toBe('not_a_choice')
    expect(choose('SOPA')).toBe('d')
    expect(choose('grande')).toBe('not_a_choice')
    expect(choose('gran')).toBe('not_a_choice')
  })

  test('is named by words that hold its title alone', () => {
    expect(choose('quiero una pizza, por favor')).toBe('a')
    expect(choose('pizzas')).toBe('not_a_choice')
    expect(choose('pizza y menu del dia')).toBe('not_a_choice')
  })

  test('is nothing else', () => {
    for (const text of ['0', '6', 'sushi', '', '...', '2x']) expect(choose(text)).toBe('not_a_choice')
    expect(choose('', [{ id: 'x', title: '...' }])).toBe('not_a_choice')
    const old = { type: 'choice', id: 'old', title: 'Pizza' } as const
    expect(readChoice(old, choices)).toEqual({ problem: 'not_a_choice' })
    const place = { type: 'location', latitude: 1, longitude: 2 } as const
    expect(readChoice(place, choices)).toEqual({ problem: 'not_text' })
  })
})

test('a choice is exact when it was tapped, or named by its very title or number', () => {
  const exact = (text: string) => exactChoice({ type: 'text', text }, choices)?.id
  expect([exact('Pizza'), exact('2'), exact('una pizza'), exact('')]).toEqual(['a', 'b', undefined, undefined])
  expect(exactChoice({ type: 'choice', id: 'd', title: '?' }, choices)?.id).toBe('d')
  expect(exactChoice({ type: 'choice', id: 'z', title: 'Pizza' }, choices)).toBeUndefined()
  expect(exactChoice({ type: 'unsupported', reason: '' }, choices)).toBeUndefined()
})
