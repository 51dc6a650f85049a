import { describe, expect, test } from 'bun:test'
import { containsWords, foldWords, shorten } from './words.ts'

describe('foldWords', () => {
  test.each([
    ['  ¡Menú, POR favor!', 'menu por favor'],
    ['HOLA', 'hola'],
    ['mañana', 'manana'],
    ['a\n\tb', 'a b'],
    ['🍕!', '🍕'],
    ['Привет, Мир', 'привет мир'],
    ['...', ''],
    ['', ''],
  ])('%j becomes %j', (text, folded) => {
    expect(foldWords(text)).toBe(folded)
  })

  test('folds what is folded to itself', () => {
    for (const text of ['¿Qué tal?', 'İstanbul', 'ﬁn', '한국어'])
      expect(foldWords(foldWords(text))).toBe(foldWords(text))
  })
})

describe('containsWords', () => {
  test('finds whole words only', () => {
    expect(containsWords('quiero el menu por favor', 'menu')).toBe(true)
    expect(containsWords('quiero el menu por favor', 'el menu')).toBe(true)
    expect(containsWords('menudo lio', 'menu')).toBe(false)
    expect(containsWords('menu', 'menu')).toBe(true)
  })
})

describe('shorten', () => {
  test('leaves a text that fits, and ends a longer one with an ellipsis', () => {
    expect(shorten('abc', 3)).toBe('abc')
    expect(shorten('abcd', 3)).toBe('ab…')
  })

  test('never cuts a character in half', () => {
    expect(shorten('ab🍕cd', 4)).toBe('ab…')
    expect(shorten('ab🍕cd', 5)).toBe('ab🍕…')
  })
})
