import { describe, expect, test } from 'bun:test'
import { type Business, unknownBusiness, type WordKind } from './business.ts'
import type { InboundContent } from './content.ts'
import { DEFAULT_WORDS, textOf, wordKindOf } from './languages.ts'

const languages = ['es', 'en', 'pt'] as const
const kinds: readonly WordKind[] = ['stop', 'start', 'menu', 'cancel', 'agent']
const speaking = (language: Business['language'], more: Partial<Business> = {}): Business => ({
  ...unknownBusiness,
  language,
  ...more,
})
const text = (words: string): InboundContent => ({ type: 'text', text: words })
const kindOf = (business: Business, words: string) => wordKindOf(business, text(words))

describe('a word that works anywhere', () => {
  test.each([
    ['es', 'Menú', 'menu'],
    ['es', '¡CANCELAR!', 'cancel'],
    ['es', 'hablar con una persona', 'agent'],
    ['es', 'Cancelar suscripción.', 'stop'],
    ['es', 'alta', 'start'],
    ['en', 'Menu', 'menu'],
    ['en', 'never mind', 'cancel'],
    ['en', 'Talk to a human', 'agent'],
    ['en', 'OPT-OUT', 'stop'],
    ['en', 'unstop', 'start'],
    ['pt', 'início', 'menu'],
    ['pt', 'cancelar', 'cancel'],
    ['pt', 'Atendente', 'agent'],
    ['pt', 'Cancelar inscrição', 'stop'],
    ['pt', 'VOLTAR', 'start'],
  ] as const)('of %s: %s means %s', (language, words, kind) => {
    expect(kindOf(speaking(language), words)).toBe(kind)
  })

  test('is the whole message, and nothing in it', () => {
    for (const words of ['el menu por favor', 'no quiero cancelar', 'please stop it', 'stop stop', '', '...']) {
      expect(kindOf(speaking('es'), words)).toBeNull()
    }
    expect(kindOf(speaking('es'), `menu${'!'.repeat(10_000)}`)).toBeNull()
  })

  test('is text or a title that was tapped, not a caption', () => {
    expect(wordKindOf(speaking('es'), { type: 'choice', id: 'x', title: 'Menú' })).toBe('menu')
    const photo = { type: 'image', media_id: '1', mime_type: 'image/png', caption: 'menu' } as const
    expect(wordKindOf(speaking('es'), photo)).toBeNull()
    expect(wordKindOf(speaking('es'), { ...photo, caption: 'stop' })).toBeNull()
  })

  test('of each language means one thing only', () => {
    for (const language of languages) {
      for (const kind of kinds) {
        for (const word of DEFAULT_WORDS[language][kind])
          expect([word, kindOf(speaking(language), word)]).toEqual([word, kind])
      }
    }
  })

  test('is what a business says instead of its language', () => {
    const business = speaking('es', { words: { menu: ['Carta', 'Qué hay'], cancel: [] } })
    expect(kindOf(business, 'qué hay?')).toBe('menu')
    expect(kindOf(business, 'menu')).toBeNull()
    expect(kindOf(business, 'cancelar')).toBeNull()
    expect(kindOf(business, 'agente')).toBe('agent')
  })
})

describe('a word to be left alone', () => {
  test.each(['STOP 🛑', '🛑stop', 'Stop ✋🏽!', 'Baja 👎'])('may have symbols around it: %s', words => {
    for (const language of languages) expect(kindOf(speaking(language), words)).toBe('stop')
  })

  test.each(['Stop promotions', 'Detener promociones', 'Parar promoções'])('is what Meta offers: %s', words => {
    for (const language of languages) {
      expect(kindOf(speaking(language, { words: { stop: ['nunca'] } }), words)).toBe('stop')
      expect(wordKindOf(speaking(language), { type: 'choice', id: words, title: words })).toBe('stop')
    }
  })

  test('is no symbol alone, unless the business says so', () => {
    expect(kindOf(speaking('es'), '🛑')).toBeNull()
    expect(kindOf(speaking('es', { words: { stop: ['🛑'] } }), '🛑')).toBe('stop')
    expect(kindOf(speaking('es'), 'menu 🛑')).toBeNull()
  })

  test('works in every language, whatever the business says', () => {
    for (const language of languages) {
      for (const words of [{}, { stop: ['basta'] }, { stop: [] }]) {
        for (const word of ['STOP', 'Baja', 'alto.', 'PARAR', ' sair ']) {
          expect(kindOf(speaking(language, { words }), word)).toBe('stop')
        }
      }
    }
  })

  test('may be the business’s own, besides', () => {
    const business = speaking('es', { words: { stop: ['Ya basta'] } })
    expect(kindOf(business, '¡ya BASTA!')).toBe('stop')
    expect(kindOf(business, 'salir')).toBeNull()
    expect(kindOf(speaking('es'), 'salir')).toBe('stop')
  })

  test('comes before all else that it could mean', () => {
    expect(kindOf(speaking('es', { words: { menu: ['stop'] } }), 'stop')).toBe('stop')
  })

  test('always has a way back', () => {
    expect(kindOf(speaking('pt', { words: { start: [] } }), 'start')).toBe('start')
    expect(kindOf(speaking('en', { words: { start: ['hello again'] } }), 'ALTA')).toBe('start')
  })
})

describe('a text', () => {
  test('is the business’s own, or its language’s', () => {
    expect(textOf(speaking('en', { texts: { agent: 'One moment.' } }), 'agent')).toBe('One moment.')
    for (const language of languages) {
      for (const kind of ['cancelled', 'agent', 'stopped', 'started'] as const) {
        expect(textOf(speaking(language), kind)).toMatch(/^\p{Lu}[^{}]+\.$/u)
      }
    }
  })

  test('names a word that works', () => {
    expect(textOf(speaking('es'), 'stopped')).toBe(
      'Listo, no te enviaremos más mensajes. Escribe ALTA si quieres volver a recibirlos.',
    )
    expect(textOf(speaking('en', { words: { menu: ['home'] } }), 'cancelled')).toBe(
      'Done, cancelled. Write HOME to start again.',
    )
    expect(textOf(speaking('en', { words: { menu: [] } }), 'cancelled')).toBe('Done, cancelled.')
    expect(textOf(speaking('pt', { words: { start: [] } }), 'stopped')).toContain('Escreva START')
    for (const language of languages) {
      for (const kind of ['stopped', 'cancelled'] as const) {
        const word = textOf(speaking(language), kind).match(/\p{Lu}{2,}/u)?.[0] ?? ''
        expect(kindOf(speaking(language), word)).toBe(kind === 'stopped' ? 'start' : 'menu')
      }
    }
  })
})
