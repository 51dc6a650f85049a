import { describe, expect, test } from 'bun:test'
import { toCel } from './cel-values.ts'
import { ExpressionError, parseExpression, type Scope } from './expression.ts'
import { EXPRESSION_COST_MAX } from './limits.ts'

const thousand = Array.from({ length: 1_000 }, (_, n) => n)

function scopeOf(left = EXPRESSION_COST_MAX): Scope {
  const variables: Readonly<Record<string, unknown>> = { many: toCel(thousand), text: 'x'.repeat(60_000) }
  return { lookup: name => variables[name], left }
}

const doublings = (count: number, body: string, inner: string) =>
  Array.from({ length: count }).reduce<string>(all => `cel.bind(v, ${all}, ${body})`, inner)

/** A value that is made in few steps and is `20 ** layers` items when written out; then `end`, which calls it v. */
function shared(layers: number, end: string): string {
  const twenty = `[${Array(20).fill('v').join(', ')}]`
  return `cel.bind(v, 1, ${Array.from({ length: layers }).reduce<string>(inner => `cel.bind(v, ${twenty}, ${inner})`, end)})`
}

describe('the meter', () => {
  test.each([
    ['nested macros', 'many.map(a, many.map(b, a + b))'],
    [
      'nested macros whose failures are swallowed',
      'many.all(a, many.exists(b, many.exists(c, a + b + c == "x")) || true)',
    ],
    ['lists that double', doublings(20, 'v + v', 'many')],
    ['texts that double', doublings(20, 'v + v', 'text')],
    ['a loop of cheap calls on a large text', 'many.map(a, many.map(b, text.contains("y")))'],
    ['a loop that copies a large text', 'many.map(a, text + "a")'],
    ['bytes that double', doublings(20, 'v + v', 'bytes(text)')],
    ['a value that holds itself many times over', shared(12, 'v')],
    ['the comparison of two such values', `cel.bind(w, ${shared(12, 'v')}, ${shared(12, 'v == w')})`],
    ['many comparisons of large values', 'many.map(a, [many, many] == [many, many])'],
    ['a list of large texts, joined', `cel.bind(l, ${doublings(13, 'v + v', '[text]')}, l.join(""))`],
    ['text turned upside down', 'many.map(a, many.map(b, text.lowerAscii()))'],
  ])('stops %s early', (_, source) => {
    const expression = parseExpression(source, 'f')
    expect(expression.problem).toBeNull()
    const started = performance.now()
    expect(() => expression.evaluate(scopeOf())).toThrow(ExpressionError)
    expect(() => expression.evaluate(scopeOf())).toThrow('too much work')
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test.each([
    'given.contains(wanted)',
    '(given + "").contains(wanted)',
    '(few[0] == 1 ? given : "").contains(wanted)',
    'cel.bind(v, given, v.contains(wanted))',
    '[given].map(v, v.contains(wanted))',
    '{"a": given}.a.contains(wanted)',
    'given.contains(given.substring(0, 30000) + "b" + given.substring(0, 10000))',
    'given.indexOf(wanted)',
    'given.indexOf(wanted, 1)',
    'given.lastIndexOf(wanted)',
    'given.lastIndexOf(wanted, 64999)',
    'given.split(wanted)',
    'given.split(wanted, 2)',
    'given.replace(wanted, "x")',
    'replace(given, wanted, "x")',
    'hasWords(words, wantedWords)',
    '[wanted].exists(w, given.contains(w))',
  ])('has %s pay for the length of both before it searches', source => {
    const variables: Readonly<Record<string, unknown>> = {
      given: 'a'.repeat(65_000),
      wanted: `${'a'.repeat(20_000)}b${'a'.repeat(20_000)}`,
      words: 'a '.repeat(32_000),
      wantedWords: `${'a '.repeat(10_000)}b ${'a '.repeat(10_000)}`,
      few: toCel([1]),
    }
    const expression = parseExpression(source, 'f')
    expect(expression.problem).toBeNull()
    const scope: Scope = { lookup: name => variables[name], left: EXPRESSION_COST_MAX }
    const startedUs = process.cpuUsage().user
    let problem = 'none'
    try {
      expression.evaluate(scope)
    } catch (error) {
      problem = String(error)
    }
    expect(problem).toContain('too much work')
    // A search that is made takes a second or more.
    expect((process.cpuUsage().user - startedUs) / 1_000).toBeLessThan(500)
  })

  test('lets a flow search a long text for something short, and compare long texts', () => {
    const scope: Scope = { lookup: () => 'x'.repeat(65_000), left: EXPRESSION_COST_MAX }
    const source = 'text.contains("forty characters of a name that may stand") || text == other || text in [other]'
    expect(parseExpression(source, 'f').evaluate(scope)).toBe(true)
    expect(scope.left).toBeGreaterThan(EXPRESSION_COST_MAX / 2)
  })

  test('leaves alone what an ordinary flow does', () => {
    const scope = scopeOf()
    expect(parseExpression('many.filter(n, n % 2 == 0).map(n, n * n).size()', 'f').evaluate(scope)).toBe(500n)
    expect(scope.left).toBeGreaterThan(0)
    expect(scope.left).toBeLessThan(EXPRESSION_COST_MAX)
  })

  test('counts what is compared or given back in full, and what is passed on by its own length', () => {
    const variables: Readonly<Record<string, unknown>> = { one: { deep: [thousand] }, other: { deep: [thousand] } }
    const spent = (source: string) => {
      const scope: Scope = { lookup: name => variables[name], left: EXPRESSION_COST_MAX }
      parseExpression(source, 'f').evaluate(scope)
      return EXPRESSION_COST_MAX - scope.left
    }
    expect(spent('one == other')).toBeGreaterThan(250)
    expect(spent('one in [other]')).toBeGreaterThan(250)
    expect(spent('one')).toBeGreaterThan(125)
    expect(spent('size(one.deep)')).toBeLessThan(50)
  })

  test('is spent by all expressions of a call together', () => {
    const scope = scopeOf(10_000)
    const expression = parseExpression('many.map(n, n + 1).size()', 'f')
    const evaluateOften = () => {
      for (let n = 0; n < 10; n++) expression.evaluate(scope)
    }
    expect(evaluateOften).toThrow('too much work')
  })

  test('of one evaluation does not weigh on the next with a scope of its own', () => {
    const expression = parseExpression('many.map(n, n + 1).size()', 'f')
    expect(() => expression.evaluate(scopeOf(10))).toThrow('too much work')
    expect(expression.evaluate(scopeOf())).toBe(1_000n)
  })
})
