import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { Choice } from './events.ts'
import { exactChoice, readChoice } from './read-choice.ts'

const choices: readonly Choice[] = [
  { id: 'a', title: 'Pizza' },
  { id: 'b', title: 'Menú del día' },
  { id: 'c', title: '1' },
  { id: 'd', title: 'Sopa grande' },
  { id: 'e', title: 'Ensalada grande' },
]
const dishes = choices.filter(({ id }) => id !== 'c')
const titled = (...titles: readonly string[]) => titles.map(title => ({ id: title, title }))
const choose = (text: string, among = choices) => {
  const reading = readChoice({ type: 'text', text }, among)
  return 'problem' in reading ? reading.problem : reading.value
}

describe('a choice', () => {
  test('is tapped, named by its title, or by its number', () => {
    expect(readChoice({ type: 'choice', id: 'b', title: 'x' }, choices)).toEqual({ value: 'b' })
    expect(choose('menu del dia!')).toBe('b')
    expect(choose('2', dishes)).toBe('b')
    expect(choose('2.', dishes)).toBe('b')
  })

  test('named by its title comes before one of that number', () => {
    expect(choose('1')).toBe('c')
  })

  test('has no number by its place where the titles count something', () => {
    const boxes = titled('1 caja', '2 cajas', '6 cajas')
    expect(['1', '2', '6'].map(text => choose(text, boxes))).toEqual(['1 caja', '2 cajas', '6 cajas'])
    expect(choose('3', boxes)).toBe('not_a_choice')
    expect(choose('son 2', boxes)).toBe('not_a_choice')
    expect(choose('2 cajas, por favor', boxes)).toBe('2 cajas')
    expect(choose('2', titled('2 cajas', '6 cajas'))).toBe('not_a_choice')
    expect(choose('3', titled('1', '2', '4'))).toBe('not_a_choice')
  })

  test('has its number by its place where the titles are times or prices', () => {
    expect(choose('2', titled('10:00', '11:30', '17:00'))).toBe('11:30')
    expect(choose('17', titled('10:00', '11:30', '17:00'))).toBe('17:00')
    expect(choose('10', titled('10:00', '10:30'))).toBe('not_a_choice')
    expect(choose('2', titled('1:00', '3:00', '2:00'))).toBe('not_a_choice')
  })

  test('is named by words that stand in its title alone', () => {
    expect(choose('menú')).toBe('b')
    expect(choose('la sopa')).toBe('not_a_choice')
    expect(choose('SOPA')).toBe('d')
    expect(choose('grande')).toBe('not_a_choice')
    expect(choose('gran')).toBe('not_a_choice')
  })

  test('is named by the first word of its title, however short', () => {
    const sure = titled('Sí, confirmar', 'No, gracias')
    expect(choose('si', sure)).toBe('Sí, confirmar')
    expect(choose('No', sure)).toBe('No, gracias')
  })

  test('is named by its whole title with courtesies around it', () => {
    expect(choose('quiero una pizza, por favor')).toBe('a')
    expect(choose('I want the Pizza, please!')).toBe('a')
    expect(choose('un café', titled('Café', 'Café con leche'))).toBe('Café')
    expect(choose('café con leche, gracias', titled('Café', 'Café con leche'))).toBe('Café con leche')
    expect(choose('no, gracias', titled('Sí', 'No'))).toBe('No')
    expect(choose('pizzas')).toBe('not_a_choice')
    expect(choose('pizza y menu del dia')).toBe('not_a_choice')
  })

  test.each([
    ['me dices si hacen envíos a Gràcia?', ['Sí', 'No']],
    ['¿no tienen otro más barato?', ['Sí', 'No']],
    ['no sé', ['Sí', 'No']],
    ['todavía no', ['Sí', 'No']],
    ['quiero saber si lleva gluten', ['Sí', 'No']],
    ['No quiero confirmar todavía', ['Confirmar', 'Añadir más', 'Cancelar']],
    ['quiero cancelar solo el café', ['Confirmar', 'Añadir más', 'Cancelar']],
    ['antes de confirmar, ¿cuánto tarda?', ['Confirmar', 'Añadir más', 'Cancelar']],
    ['no quiero confirmar', ['Confirmar', 'Cancelar']],
    ["what's the difference?", ['S', 'M', 'L']],
    ["I'm not sure", ['S', 'M', 'L']],
    ["L'autre", ['S', 'M', 'L']],
    ['la s me queda chica', ['S', 'M', 'L']],
    ['azúcar', ['Sin azúcar', 'Normal']],
    ['sin café', ['Café', 'Té']],
  ])('is not made by %j', (text, titles) => {
    expect(choose(text, titled(...titles))).toBe('not_a_choice')
  })

  test('is never made by a text that says no to it', () => {
    const titles = ['Confirmar', 'Café con leche', 'Pizza', '2 cajas', 'S', 'Sí, quiero', '17:00']
    const word = fc.constantFrom('quiero', 'el', 'por favor', 'confirmar', 'café', 'pizza', '2', 's', 'sí', 'hoy')
    const no = fc.constantFrom('no', 'No,', 'not', "don't", 'não', 'nao', 'nunca', 'sin', 'tampoco')
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), fc.array(word, { maxLength: 4 }), no, (before, after, never) => {
        expect(choose([...before, never, ...after].join(' '), titled(...titles))).toBe('not_a_choice')
      }),
    )
    for (const title of titles) expect(choose(`no ${title}`, titled(...titles))).toBe('not_a_choice')
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
  const exact = (text: string) => exactChoice({ type: 'text', text }, dishes)?.id
  expect([exact('Pizza'), exact('2'), exact('una pizza'), exact('')]).toEqual(['a', 'b', undefined, undefined])
  expect(exactChoice({ type: 'choice', id: 'd', title: '?' }, choices)?.id).toBe('d')
  expect(exactChoice({ type: 'choice', id: 'z', title: 'Pizza' }, choices)).toBeUndefined()
  expect(exactChoice({ type: 'unsupported', reason: '' }, choices)).toBeUndefined()
})
