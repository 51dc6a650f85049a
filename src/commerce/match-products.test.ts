import { expect, test } from 'bun:test'
import { fitOf, guessProducts, searchWords } from './match-products.ts'

test('the words of a search are the first five, without accents, signs and repetition', () => {
  expect(searchWords(' ¿Un CAFÉ, un café? ')).toEqual({ whole: '¿un cafe, un cafe?', words: ['un', 'cafe'] })
  expect(searchWords('a b c d e f').words).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(searchWords('¡!').words).toEqual([])
})

test('a product fits by its SKU, its name, its beginning, its words, or anything in it', () => {
  const product = { sku: 'A-1', name: 'Café con leche', description: 'Sin azúcar' }
  const fits = ['a-1', 'cafe con leche', 'CAFÉ con', 'leche', 'azucar', 'te'].map(text =>
    fitOf(product, searchWords(text)),
  )
  expect(fits).toEqual([0, 1, 2, 3, 4, null])
})

const guess = (text: string, ...names: readonly string[]) =>
  guessProducts(
    names.map(name => ({ name })),
    searchWords(text),
    10,
  ).map(({ name }) => name)

test('a guess forgives one typing error in a word of four letters, two in one of eight, none in a shorter one', () => {
  expect(guess('caffe', 'Café')).toEqual(['Café'])
  expect(guess('cfae', 'Café')).toEqual(['Café'])
  expect(guess('cffa', 'Café')).toEqual([])
  expect(guess('chocolatte', 'Chocolate')).toEqual(['Chocolate'])
  expect(guess('xocolata', 'Chocolate')).toEqual([])
  expect(guess('chokolata', 'Chocolate')).toEqual(['Chocolate'])
  expect(guess('pam', 'Pan')).toEqual([])
})

test('what has more of the words comes first; what has much less than the best is left out', () => {
  const names = ['Pan con tomate', 'Café con leche', 'Café solo', 'Leche']
  expect(guess('quiero cafe con leche', ...names)).toEqual(['Café con leche'])
  expect(guess('un pan', ...names)).toEqual(['Pan con tomate'])
  expect(guess('de', ...names)).toEqual([])
})
