import { describe, expect, test } from 'bun:test'
import { toCel } from './cel-values.ts'
import { ExpressionError, type Scope } from './expression.ts'
import type { Json, JsonObject } from './json.ts'
import { EXPRESSION_COST_MAX } from './limits.ts'
import { compileTemplate, expressionsOf, isWholeTemplate, renderTemplate } from './template.ts'

const variables: JsonObject = { n: 3, name: 'Ana', half: 0.5, items: [1, 'a'], shop: { open: true }, nothing: null }

function render(value: Json, keepsType = true): Json {
  const scope: Scope = {
    lookup: name => (Object.hasOwn(variables, name) ? toCel(variables[name] ?? null) : undefined),
    left: EXPRESSION_COST_MAX,
  }
  return renderTemplate(
    compileTemplate(value, 'f', () => keepsType),
    scope,
  )
}

describe('a template', () => {
  test.each<[string, Json]>([
    ['Hola', 'Hola'],
    ['Hola {{name}}!', 'Hola Ana!'],
    ['{{n}}', 3],
    [' {{ n }} ', 3],
    ['{{n}} ', 3],
    ['{{n}}{{n}}', '33'],
    ['{{half}}', 0.5],
    ['{{items}}', [1, 'a']],
    ['{{shop}}', { open: true }],
    ['{{nothing}}', null],
    ['is {{nothing}}.', 'is .'],
    ['{{items}}!', '[1,"a"]!'],
    ['{{shop.open}}?', 'true?'],
    ['{{"}}"}}', '}}'],
    ["{{'{{'}}", '{{'],
    ['{{{"a": n}}}', { a: 3 }],
    ['{{{"a": {"b": n}}.a.b}} x', '3 x'],
    ['{{"\\"}}"}} x', '"}} x'],
    ['a }} b', 'a }} b'],
  ])('%j', (template, value) => {
    expect(render(template)).toEqual(value)
  })

  test('is a text where the place takes only text', () => {
    expect(render('{{n}}', false)).toBe('3')
    expect(render('{{nothing}}', false)).toBe('')
    expect(render('{{items}}', false)).toBe('[1,"a"]')
  })

  test('is rendered at any depth, and what holds none stays the same object', () => {
    expect(render({ a: [{ b: '{{n}}' }], c: null })).toEqual({ a: [{ b: 3 }], c: null })
    const constant = { a: ['b', 1, null] }
    expect(compileTemplate(constant, 'f', () => true)).toEqual({ kind: 'constant', value: constant })
  })

  test('is not rendered twice: what a customer writes is never evaluated', () => {
    const scope: Scope = { lookup: () => '{{name}}', left: EXPRESSION_COST_MAX }
    expect(
      renderTemplate(
        compileTemplate('{{evil}} {{evil}}', 'f', () => true),
        scope,
      ),
    ).toBe('{{name}} {{name}}')
  })

  test('with {{ and no }} is broken where it stands', () => {
    for (const broken of ['{{n', 'a {{n', '{{n}} {{', '{{"n}}']) {
      expect(() => render(broken)).toThrow(ExpressionError)
      expect(() => render(broken)).toThrow('closes it')
    }
  })

  test('gives its expressions with the field they stand in', () => {
    const template = compileTemplate({ a: ['x', '{{n}} {{name}}'], b: '{{n}}' }, 'input', () => true)
    expect(expressionsOf(template).map(({ field, source }) => `${field} ${source}`)).toEqual([
      'input.a.1 n',
      'input.a.1 name',
      'input.b n',
    ])
  })

  test('fails in plain words for what JSON cannot hold', () => {
    for (const source of ['{{9007199254740993}}', '{{1.0 / 0.0}}', '{{b"a"}}', '{{type(1)}}']) {
      expect(() => render(source)).toThrow(ExpressionError)
    }
  })
})

describe('isWholeTemplate', () => {
  test('is true of one {{…}} with nothing but spaces round it', () => {
    expect(['{{a}}', ' {{a}} ', '{{{"a": 1}}}'].every(isWholeTemplate)).toBe(true)
    expect(['a', '{{a}} b', '{{a}}{{b}}', '{{a', '', '{a}'].some(isWholeTemplate)).toBe(false)
  })
})
