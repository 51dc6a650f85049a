import { describe, expect, test } from 'bun:test'
import { checkFlow } from '../../flow/check.ts'
import type { Json } from '../../lib/json.ts'
import { resultOfHttp } from './http-answer.ts'
import { httpRequest } from './http-request.ts'

const url = 'https://api.test/things?key=1'
const prepare = (input: object) => httpRequest.prepare({ method: 'GET', url, ...input } as Json)

describe('what is stored of a call', () => {
  test('has its defaults, and JSON as it goes out', () => {
    expect(prepare({})).toEqual({
      ok: true,
      request: {
        ...{ method: 'GET', url, headers: {}, body: null, timeout_ms: 10_000, pick: null, accept_errors: false },
      },
    })
    expect(prepare({ method: 'POST', body: { a: [1] }, timeout: '30s' })).toMatchObject({
      request: { headers: { 'content-type': 'application/json' }, body: '{"a":[1]}', timeout_ms: 30_000 },
    })
    expect(prepare({ method: 'PUT', body: 'ñ' })).toMatchObject({
      request: { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'ñ' },
    })
    const own = { 'Content-Type': 'application/xml' }
    expect(prepare({ method: 'PUT', body: '<a/>', headers: own })).toMatchObject({ request: { headers: own } })
  })

  test('names its secrets', () => {
    const headers = { Authorization: { secret: 'SHOP_TOKEN', prefix: 'Bearer ' }, 'X-Key': { secret: 'KEY' } }
    expect(prepare({ headers })).toMatchObject({
      request: { headers: { ...headers, 'X-Key': { secret: 'KEY', prefix: '' } } },
    })
  })

  test.each([
    [{ method: 'HEAD' }, 'method'],
    [{ url: 'ftp://api.test' }, 'url'],
    [{ url: 'https://user:pass@api.test' }, 'url'],
    [{ url: '/things' }, 'url'],
    [{ headers: { 'Idempotency-Key': '1' } }, 'headers.Idempotency-Key'],
    [{ headers: { host: 'other.test' } }, 'headers.host'],
    [{ headers: { 'a b': '1' } }, 'headers.a b'],
    [{ headers: { a: 'x\r\ny: 1' } }, 'headers.a'],
    [{ headers: { a: 'ñ' } }, 'headers.a'],
    [{ headers: { a: { secret: 'no-name' } } }, 'headers.a'],
    [{ headers: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`h${index}`, ''])) }, 'headers'],
    [{ timeout: '31s' }, 'timeout'],
    [{ timeout: 'soon' }, 'timeout'],
    [{ pick: { Name: 'a' } }, 'pick.Name'],
    [{ pick: { name: 'a..b' } }, 'pick.name'],
    [{ body: { a: 1 } }, 'A GET has no body'],
    [{ unknown: 1 }, 'unknown'],
  ])('%j is refused, and %s is named', (input, named) => {
    const refused = prepare(input)
    expect(refused).toMatchObject({ ok: false, code: 'invalid_input' })
    expect('message' in refused && refused.message).toStartWith(named)
  })

  test('is checked before publishing, but for what is computed', () => {
    const findings = (input: object) => {
      const ask = { type: 'action', handler: 'http.request', input, next: 'end' }
      const document = { name: 'F', start: 'ask', triggers: [{ fallback: true }], steps: { ask } }
      const checked = checkFlow(document, { handlers: new Map([['http.request', httpRequest.input]]) })
      return checked.ok ? [] : checked.findings.filter(one => one.severity === 'error').map(one => one.path)
    }
    expect(
      findings({ method: 'GET', url: 'https://api.test/{{customer.id}}', headers: { a: '{{customer.name}}' } }),
    ).toEqual([])
    expect(findings({ method: 'POST', url: 'https://api.test', body: { a: '{{customer.name}}' } })).toEqual([])
    expect(findings({ method: 'GOT', url: 'https://api.test', timeout: '2m' }).sort()).toEqual([
      'steps.ask.input.method',
      'steps.ask.input.timeout',
    ])
  })
})

describe('what a flow gets of an answer', () => {
  const call = { url, pick: null, accept_errors: false }
  const answer = (text: string, type = 'application/json', status = 200) => {
    return { status, text, headers: new Headers({ 'content-type': type, 'set-cookie': 'secret' }) }
  }
  const order = JSON.stringify({ order: { lines: [{ sku: 'a' }, { sku: 'b' }] }, total: 5 })

  test('is its JSON, or its text where it is none', () => {
    const value = { status: 200, ok: true, headers: { 'content-type': 'application/json' } }
    expect(resultOfHttp(call, answer('{"a":1}'))).toEqual({ ok: true, value: { ...value, body: { a: 1 } } })
    expect(resultOfHttp(call, answer('{"a":'))).toMatchObject({ value: { body: '{"a":' } })
    expect(resultOfHttp(call, answer('{"a":1}', 'application/problem+json'))).toMatchObject({
      value: { body: { a: 1 } },
    })
    expect(resultOfHttp(call, answer('1', 'text/plain'))).toMatchObject({ value: { body: '1' } })
    expect(resultOfHttp(call, answer('', 'text/plain', 204))).toMatchObject({ value: { status: 204, ok: true } })
    expect(resultOfHttp(call, answer('', 'text/plain', 304))).toMatchObject({ value: { status: 304, ok: false } })
  })

  test('is what it picks of it', () => {
    const pick = {
      sku: 'order.lines.1.sku',
      total: 'total',
      none: 'order.nothing.0',
      made: 'constructor',
      length: 'order.lines.length',
    }
    expect(resultOfHttp({ ...call, pick }, answer(order))).toMatchObject({
      value: { body: { sku: 'b', total: 5, none: null, made: null } },
    })
    expect(resultOfHttp({ ...call, pick: { a: 'a' } }, answer('text', 'text/plain'))).toMatchObject({
      value: { body: { a: null } },
    })
  })

  test('is an error where it is one, unless it is wanted all the same', () => {
    expect(resultOfHttp(call, answer('{"error":\n"no such thing"}', 'application/json', 404))).toEqual({
      ...{ ok: false, code: 'http_404', message: 'api.test answered 404: {"error": "no such thing"}' },
      data: { status: 404 },
    })
    expect(resultOfHttp(call, answer('<h1>No</h1>', 'text/html', 500))).toMatchObject({
      message: 'api.test answered 500.',
    })
    const long = resultOfHttp(call, answer('x'.repeat(5_000), 'text/plain', 500))
    expect('message' in long && long.message.length).toBeLessThan(300)
    expect(resultOfHttp({ ...call, accept_errors: true }, answer('{}', 'application/json', 404))).toMatchObject({
      value: { status: 404, ok: false, body: {} },
    })
  })

  test('fits a variable, and says how where it does not', () => {
    const large = JSON.stringify({ first: 1, all: 'x'.repeat(70_000) })
    const refused = resultOfHttp(call, answer(large))
    expect(refused).toMatchObject({ ok: false, code: 'answer_too_large' })
    expect('message' in refused && refused.message).toContain('"pick"')
    expect(resultOfHttp({ ...call, pick: { first: 'first' } }, answer(large))).toMatchObject({
      value: { body: { first: 1 } },
    })
    expect(resultOfHttp(call, answer('['.repeat(100) + ']'.repeat(100)))).toMatchObject({ code: 'answer_too_large' })
    expect(resultOfHttp(call, answer('{"__proto__": {"a": 1}}'))).toMatchObject({ code: 'answer_too_large' })
  })
})
