import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
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
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        expect(foldWords(foldWords(text))).toBe(foldWords(text))
      }),
    )
  })

  test('sees no difference in capitals, accents, punctuation and spaces', () => {
    const word = fc.constantFrom('hola', 'mañana', 'açaí', 'pingüino', '17', '🍕')
    const between = fc.constantFrom(' ', '  ', ', ', '... ', '\n', ' ¡')
    fc.assert(
      fc.property(fc.array(fc.tuple(word, between), { minLength: 1, maxLength: 6 }), parts => {
        const plain = parts.map(([one]) => foldWords(one)).join(' ')
        const written = parts.map(([one, gap]) => one + gap).join('')
        for (const text of [written, written.toUpperCase(), written.normalize('NFD'), `¿${written}?`]) {
          expect(foldWords(text)).toBe(plain)
        }
        expect(containsWords(plain, foldWords(parts[0]?.[0] ?? ''))).toBe(true)
      }),
    )
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
