import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { compileFlow } from './compile.ts'
import type { InboundContent } from './content.ts'
import type { FlowDocument } from './document.ts'
import { type Match, matchTrigger } from './trigger.ts'
import { containsWords, foldWords } from './words.ts'

type Triggers = FlowDocument['triggers']

const flowWith = (triggers: Triggers) => ({
  flow: compileFlow({ name: 'x', start: 'a', triggers, steps: { a: { type: 'end' } } }),
})
const text = (words: string): InboundContent => ({ type: 'text', text: words })
const tapped = (id: string, title = 'x'): InboundContent => ({ type: 'choice', id, title })
const match = (triggers: Triggers, content: InboundContent | string, isOpen = true) =>
  matchTrigger([flowWith(triggers)], typeof content === 'string' ? text(content) : content, isOpen, 'specific')
    ?.trigger ?? null

describe('a keyword', () => {
  test('stands in the message as whole words, accents and case aside', () => {
    expect(match([{ keywords: ['Menú', 'hacer pedido'] }], 'Quiero HACER un pedido')).toBeNull()
    expect(match([{ keywords: ['Menú', 'hacer pedido'] }], 'quiero hacer  pedido!')).toBe('hacer pedido')
    expect(match([{ keywords: ['Menú'] }], 'el MENU')).toBe('menu')
    expect(match([{ keywords: ['menu'] }], 'menudo')).toBeNull()
    expect(match([{ keywords: ['el menu del dia'] }], '¿El menú del día?')).toBe('el menu del dia')
    expect(match([{ keywords: ['🍕'] }], 'una 🍕, por favor')).toBe('🍕')
  })

  test('may have to be the whole message, or its beginning', () => {
    const exact = [{ keywords: ['hola', 'buenos dias'], match: 'exact' as const }]
    expect(match(exact, '¡Buenos días!')).toBe('buenos dias')
    expect(match(exact, 'hola Ana')).toBeNull()
    const starts = [{ keywords: ['pedido'], match: 'starts' as const }]
    expect(match(starts, 'Pedido: dos pizzas')).toBe('pedido')
    expect(match(starts, 'pedido')).toBe('pedido')
    expect(match(starts, 'pedidos')).toBeNull()
    expect(match(starts, 'un pedido')).toBeNull()
  })

  test('is the first that matches, in the order written', () => {
    expect(match([{ keywords: ['b', 'a'] }, { keywords: ['c'] }], 'a b c')).toBe('b')
    expect(match([{ keywords: ['x'] }, { keywords: ['c'] }], 'a b c')).toBe('c')
  })

  test('may stand in a caption or a tapped title, and not in a message without words', () => {
    const triggers = [{ keywords: ['hola'] }]
    expect(match(triggers, tapped('x', 'Hola'))).toBe('hola')
    const photo = { type: 'image', media_id: '1', mime_type: 'image/png' } as const
    expect(match(triggers, { ...photo, caption: 'hola!' })).toBe('hola')
    expect(match(triggers, photo)).toBeNull()
    expect(match(triggers, '')).toBeNull()
  })

  test('is found where looking for it as whole words finds it', () => {
    const word = fc.constantFrom('a', 'b', 'c', 'ab', 'ñ')
    const words = (max: number) => fc.array(word, { minLength: 1, maxLength: max }).map(list => list.join(' '))
    fc.assert(
      fc.property(words(12), words(4), (message, keyword) => {
        const isThere = containsWords(foldWords(message), foldWords(keyword))
        expect(match([{ keywords: [keyword] }], message)).toBe(isThere ? foldWords(keyword) : null)
      }),
      { numRuns: 500 },
    )
  })
})

test('a button is known by its id, or by how its id begins', () => {
  const triggers = [{ buttons: ['buy', 'order:*'] }]
  expect(match(triggers, tapped('buy'))).toBe('button:buy')
  expect(match(triggers, tapped('order:17'))).toBe('button:order:17')
  expect(match(triggers, tapped('buy2'))).toBeNull()
  expect(match(triggers, 'buy')).toBeNull()
  expect(match([{ buttons: ['*'] }], tapped('anything'))).toBe('button:anything')
})

test('an advertisement is any, or one of those named', () => {
  const from = (source_id?: string): InboundContent => ({
    ...{ type: 'text', text: 'hola' },
    referral: { source_type: 'ad', ...(source_id !== undefined && { source_id }) },
  })
  expect(match([{ ads: true }], from('123'))).toBe('ad:123')
  expect(match([{ ads: true }], from())).toBe('ad:')
  expect(match([{ ads: ['123'] }], from('123'))).toBe('ad:123')
  expect(match([{ ads: ['123'] }], from('456'))).toBeNull()
  expect(match([{ ads: true }], 'hola')).toBeNull()
  expect(match([{ ads: true }], { type: 'location', latitude: 0, longitude: 0 })).toBeNull()
})

test('a trigger with hours holds only while the business is open, or closed', () => {
  const triggers = [
    { keywords: ['hola'], hours: 'closed' as const },
    { buttons: ['x'], hours: 'open' as const },
  ]
  expect(match(triggers, 'hola', false)).toBe('hola')
  expect(match(triggers, 'hola', true)).toBeNull()
  expect(match(triggers, tapped('x'), true)).toBe('button:x')
  expect(match(triggers, tapped('x'), false)).toBeNull()
})

describe('of several flows', () => {
  const flows = [
    flowWith([{ fallback: true, hours: 'closed' }, { keywords: ['menu'] }]),
    flowWith([{ keywords: ['hola'] }, { fallback: true }]),
    flowWith([{ keywords: ['hola', 'menu'] }, { buttons: ['buy'] }]),
  ]
  const first = (content: InboundContent, kind: 'specific' | 'fallback', isOpen = true): Match | null =>
    matchTrigger(flows, content, isOpen, kind)

  test('the first with a specific trigger that matches', () => {
    expect(first(text('menu'), 'specific')).toEqual({ index: 0, trigger: 'menu' })
    expect(first(text('hola'), 'specific')).toEqual({ index: 1, trigger: 'hola' })
    expect(first(tapped('buy'), 'specific')).toEqual({ index: 2, trigger: 'button:buy' })
    expect(first(text('adios'), 'specific')).toBeNull()
  })

  test('the first with a fallback, which takes anything', () => {
    expect(first(text('menu'), 'fallback')).toEqual({ index: 1, trigger: 'fallback' })
    expect(first(text('menu'), 'fallback', false)).toEqual({ index: 0, trigger: 'fallback' })
    expect(first({ type: 'unsupported', reason: 'poll' }, 'fallback')).toEqual({ index: 1, trigger: 'fallback' })
    expect(matchTrigger([], text('hola'), true, 'fallback')).toBeNull()
  })
})
