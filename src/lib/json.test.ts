import { expect, test } from 'bun:test'
import { storableJson, storableText } from './json.ts'

test('what PostgreSQL cannot hold is replaced, everything else is kept as written', () => {
  expect(storableText('a\0b')).toBe('a\ufffdb')
  expect(storableText('half \ud83d pair')).toBe('half \ufffd pair')
  expect(storableText('Olá 👍🏽 \u200f \t')).toBe('Olá 👍🏽 \u200f \t')
})

test('texts deep in a value are replaced too, keys included', () => {
  expect(storableJson({ 'k\0': ['x\0', { deep: 'y\0', n: 1, b: null }] })).toEqual({
    'k\ufffd': ['x\ufffd', { deep: 'y\ufffd', n: 1, b: null }],
  })
})
