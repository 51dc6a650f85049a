import { expect, test } from 'bun:test'
import { weaknessOf } from './password-strength.ts'

test('a password of ten characters that nobody tries first is good, in any script', () => {
  for (const password of [
    'a long password',
    'correcthorse',
    'zq8-Lm2pXw',
    'Añoranza verde',
    '雨の日はコーヒーを飲む',
    'abcdefghij-x',
  ])
    expect([password, weaknessOf(password, ['ana@example.com', 'Ana'])]).toEqual([password, null])
})

test('it has ten characters at least, however many bytes they are', () => {
  expect(weaknessOf('zq8-Lm2pX')).toBe('Must have at least 10 characters')
  expect(weaknessOf('🌵🌶🍋🌽🥑')).toBe('Must have at least 10 characters')
  expect(weaknessOf('🌵🌶🍋🌽🥑🫘🧄🧅🍅🥥')).toBeNull()
})

test('it has no more bytes than are hashed', () => {
  const [fits, long] = [`${'zq8-Lm2pXw'.repeat(7)}ab`, `${'zq8-Lm2pXw'.repeat(7)}añ`]
  expect(weaknessOf(fits)).toBeNull()
  expect(weaknessOf(long)).toContain('at most 72 bytes')
  // The same letter in two code points is hashed as one.
  expect(weaknessOf(`${'zq8-Lm2pXw'.repeat(7)}n\u0303`)).toBeNull()
})

test('a repetition or a sequence is none', () => {
  for (const password of [
    ...['aaaaaaaaaa', 'AaAaAaAaAa', 'ababababababa', '1234123412341', '          ', 'éeéeéeéeée'],
    ...['abcdefghij', 'JIHGFEDCBA', '0123456789', '1234567890', '7890123456789', '9876543210', '3210987654'],
  ])
    expect([password, weaknessOf(password)]).toEqual([password, 'Must not be a repetition or a sequence'])
})

test('what is tried first is none, however it is dressed up', () => {
  for (const password of [
    ...['qwertyuiop', '1q2w3e4r5t', 'Password123', 'BASKETBALL', 'realmadrid', 'mypassword'],
    ...['P@ssw0rd2024!', 'Pa$$word!!', '¡Contraseña1!', '2024Bienvenido', 'adminadmin1', 'D@shOffice1', '$ecret12345'],
  ])
    expect([password, weaknessOf(password)]).toEqual([password, 'Is one of the passwords that are tried first'])
})

test('nor is what anyone knows of the person', () => {
  const about = ['Ana.Muñoz@example.com', 'Ana María Muñoz', 'Bo']
  for (const password of [
    ...[
      'ana.muñoz@example.com',
      'anamariamunoz',
      'Ana María Muñoz',
      'AnaMuñoz2024',
      '1990-ana-munoz!',
      'anamunozanamunoz',
    ],
  ])
    expect([password, weaknessOf(password, about)]).toEqual([password, 'Must not be your name or e-mail address'])
  expect(weaknessOf('ana likes cake', about)).toBeNull()
  expect(weaknessOf('bobobo the cat', about)).toBeNull()
  expect(weaknessOf('anamariamunoz', [])).toBeNull()
})

test('one of 72 bytes of any kind is judged without end', () => {
  for (const password of ['a1'.repeat(36), `${'a'.repeat(71)}!`, '@'.repeat(72), `${'ab'.repeat(35)}c!`])
    expect(typeof (weaknessOf(password, [password]) ?? '')).toBe('string')
})
