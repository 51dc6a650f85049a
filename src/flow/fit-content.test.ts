import { describe, expect, test } from 'bun:test'
import { fitContent } from './fit-content.ts'
import type { Json } from './json.ts'

const rows = (count: number): Json => Array.from({ length: count }, (_, n) => ({ id: `r${n}`, title: `Row ${n}` }))
const fitted = (content: Json): unknown => {
  const result = fitContent(content)
  return 'content' in result ? result.content : result
}

describe('fitContent', () => {
  test('leaves alone what can be sent', () => {
    const content = { type: 'text', text: 'hola' }
    expect(fitted(content)).toEqual(content)
  })

  test('shortens what is only read', () => {
    expect(fitted({ type: 'text', text: 'x'.repeat(5_000) })).toMatchObject({ text: `${'x'.repeat(4_095)}…` })
    const buttons = [{ id: 'a', title: 'a title that is too long' }]
    expect(fitted({ type: 'buttons', text: 'x', buttons })).toMatchObject({
      buttons: [{ title: 'a title that is too…' }],
    })
  })

  test('leaves off the fourth button and the eleventh row', () => {
    const buttons = ['a', 'b', 'c', 'd'].map(id => ({ id, title: id }))
    expect(fitted({ type: 'buttons', text: 'x', buttons })).toMatchObject({ buttons: buttons.slice(0, 3) })
    expect(fitted({ type: 'list', text: 'x', button: 'b', sections: [{ rows: rows(12) }] })).toMatchObject({
      sections: [{ rows: rows(10) }],
    })
  })

  test('shares ten rows between the sections, and drops one left without any', () => {
    const sections = [
      { title: 'A', rows: [{ id: 'a', title: 'a' }] },
      { title: 'B', rows: rows(12) },
      { title: 'C', rows: [{ id: 'c', title: 'c' }] },
    ]
    const result = fitted({ type: 'list', text: 'x', button: 'b', sections })
    expect(result).toMatchObject({ sections: [{ rows: [{ id: 'a' }] }, { rows: rows(9) }] })
    expect((result as { sections: unknown[] }).sections).toHaveLength(2)
  })

  test('takes records with more keys and numbers for ids', () => {
    const products = [{ id: 7, title: 'Pizza', description: '', price_minor: 5, stock: null }]
    expect(fitted({ type: 'list', text: 'x', button: 'b', sections: [{ rows: products }] })).toMatchObject({
      sections: [{ rows: [{ id: '7', title: 'Pizza' }] }],
    })
  })

  test('puts each parameter of a template in one line, and shortens it', () => {
    const template = { type: 'template', name: 'a', language: 'es' }
    expect(fitContent({ ...template, parameters: [' 2 pizzas\n\t1  water ', 'x'.repeat(2_000)] })).toEqual({
      content: { ...template, parameters: ['2 pizzas 1 water', `${'x'.repeat(1_023)}…`] },
    } as never)
  })

  test.each([
    [{ type: 'template', name: 'a', language: 'es', parameters: ['\n'] }, 'parameters.0'],
    [{ type: 'template', name: 'a', language: 'es' }, 'parameters'],
    [{ type: 'text', text: '' }, 'text'],
    [{ type: 'text', text: null }, 'text'],
    [{ type: 'buttons', text: 'x', buttons: [] }, 'buttons'],
    [{ type: 'buttons', text: 'x', buttons: 'no' }, 'buttons'],
    [{ type: 'list', text: 'x', button: 'b', sections: [{ rows: [] }] }, 'sections.0.rows'],
    [
      { type: 'list', text: 'x', button: 'b', sections: [{ rows: [{ id: 'a', title: '' }] }] },
      'sections.0.rows.0.title',
    ],
    [{ type: 'image', url: 'x'.repeat(3_000) }, 'url'],
    [{ type: 'image' }, ''],
    [{ type: 'location', latitude: 91, longitude: 0 }, 'latitude'],
    [{ type: 'unheard_of' }, 'type'],
    [null, ''],
    [[], 'type'],
  ])('says where the rest is wrong: %j', (content, path) => {
    expect(fitContent(content as Json)).toEqual({ path, problem: expect.any(String) })
  })

  test('refuses two rows of one id, also in two sections', () => {
    const section = (title: string) => ({ title, rows: [{ id: 'same', title }] })
    const result = fitContent({ type: 'list', text: 'x', button: 'b', sections: [section('A'), section('B')] })
    expect(result).toEqual({ path: 'sections', problem: 'Two rows have the same id' })
  })
})
