import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProcess } from '../support/process.ts'

// The command line, without a database: none of these has a place to keep one.

const orderFlow = join(import.meta.dirname, '../support/order-flow.json')
let dir: string

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function file(name: string, content: unknown): string {
  const path = join(dir, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const simulate = (argumentList: readonly string[], ...lines: readonly string[]) =>
  runProcess(['flow', 'simulate', ...argumentList], { DASHOFFICE_DATA_DIR: '/nowhere' }, `${lines.join('\n')}\n`)

test('a whole order is talked through on an example catalog, each step with its reason', async () => {
  const products = file('products.json', [
    { sku: 'CAFE', name: 'Café con leche', price_minor: 220, currency: 'EUR', stock: 5 },
  ])
  const tap = '{"type": "choice", "id": "yes", "title": "Sí, confirmar"}'
  const { status, output } = await simulate([orderFlow, '--products', products], 'hola', '1', 'muchos', '2', tap)
  expect(status).toBe(0)
  expect(output.split('\n')).toEqual(
    expect.arrayContaining([
      '> hola',
      '    Pedido / any (decision): true: choose',
      '< ¡Hola, Ana! Esto es Café Aurora ☕',
      '  1. Café con leche, 2,20 EUR',
      '    Pedido / quantity (question): rejected: not_a_number',
      '< 2 × Café con leche: 4,40 EUR. ¿Lo confirmas?',
      '    conversation: ended',
    ]),
  )
  expect(output).toContain('Tu pedido n.º 1 está en marcha: 4,40 EUR.')
})

test('without products the catalog is empty; a timeout passes when it is told to', async () => {
  expect((await simulate([orderFlow], 'hola')).output).toContain('Ahora mismo no tenemos nada que servirte.')
  const ask = { type: 'question', content: { type: 'text', text: 'Well?' }, variable: 'a', next: 'end' }
  const late = { type: 'message', content: { type: 'text', text: 'Too late' }, next: 'end' }
  const flow = file('ask.json', {
    ...{ name: 'Ask', start: 'ask', triggers: [{ fallback: true }] },
    steps: { ask: { ...ask, timeout: { after: '2h', next: 'late' } }, late },
  })
  const { status, output } = await simulate([flow], '/timeout', 'hi', '/timeout')
  expect(status).toBe(0)
  expect(output).toContain('> /timeout\n    nothing waits for an answer in a time\n')
  expect(output).toContain(
    '    Ask / ask (question): timed out\n    Ask / late (message): sent\n    conversation: ended\n< Too late\n',
  )
})

test('a flow with faults is not talked to, and each fault is named; so is a list of products that is none', async () => {
  const flow = file('bad.json', { name: 'Bad', start: 'a', steps: { a: { type: 'end' }, b: { type: 'end' } } })
  const bad = await simulate([flow], 'hola')
  expect([bad.status, bad.output.includes('steps.b'), bad.output.includes('> hola')]).toEqual([1, true, false])
  const products = file('bad-products.json', [{ sku: 'CAFE', name: 'Café', price_minor: -1, currency: 'EUR' }])
  const refused = await simulate([orderFlow, '--products', products], 'hola')
  expect(refused.status).toBe(1)
  expect(refused.output).toStartWith(`dashoffice: ${products} is no list of products: 0.price_minor`)
  expect((await simulate([orderFlow, '--products', file('none.json', '{')])).output).toContain('cannot be read as JSON')
  const missing = await simulate([])
  expect([missing.status, missing.output.includes("missing required argument 'FILE'")]).toEqual([2, true])
})

test('what those outside answer is given in a file', async () => {
  const say = (words: string) => ({ type: 'message', content: { type: 'text', text: words }, next: 'end' })
  const input = { method: 'GET', url: 'https://a.example/' }
  const flow = file('quote.json', {
    ...{ name: 'Quote', start: 'ask', triggers: [{ fallback: true }] },
    steps: {
      ask: { type: 'action', handler: 'http.request', input, variable: 'answer', next: 'done', error: 'sorry' },
      done: say('It is {{answer.body.total}}'),
      sorry: say('Sorry: {{error.code}}'),
    },
  })
  const answers = file('answers.json', [{ step: 'ask', result: { ok: true, value: { body: { total: 12 } } } }])
  expect((await simulate([flow, '--answers', answers], 'hi')).output).toContain('< It is 12')
  expect((await simulate([flow], 'hi')).output).toContain('< Sorry: not_simulated')
  const wrong = await simulate([flow, '--answers', file('wrong.json', [{ step: 'ask' }])], 'hi')
  expect([wrong.status, wrong.output]).toEqual([
    expect.any(Number),
    expect.stringContaining('is no list of answers: 0.result'),
  ])
  expect(wrong.status).not.toBe(0)
})
