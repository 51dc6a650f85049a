import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { OutboundContent } from '../flow/content.ts'
import { capabilitiesOf } from '../messaging/capabilities.ts'
import { pieces, renderFor } from './render.ts'

const web = capabilitiesOf('baileys', {})
const meta = capabilitiesOf('meta', {})
const twilio = capabilitiesOf('twilio', {})

const buttons: OutboundContent = {
  type: 'buttons',
  text: 'Coffee?',
  buttons: [
    { id: 'y', title: 'Yes' },
    { id: 'n', title: 'No' },
  ],
}
const list: OutboundContent = {
  type: 'list',
  text: 'What else?',
  button: 'Menu',
  sections: [
    { title: 'Drinks', rows: [{ id: '1', title: 'Tea', description: 'green' }] },
    { title: 'Food', rows: [{ id: '2', title: 'Cake' }] },
  ],
}

test('choices are numbered through all sections where there are no buttons and lists', () => {
  expect(renderFor(buttons, web)).toEqual({
    kind: 'parts',
    parts: [{ type: 'text', text: 'Coffee?\n\n1. Yes\n2. No' }],
  })
  expect(renderFor(list, web)).toEqual({
    kind: 'parts',
    parts: [{ type: 'text', text: 'What else?\n\n*Drinks*\n1. Tea: green\n*Food*\n2. Cake' }],
  })
})

test('what a provider can show goes out as it is', () => {
  for (const content of [buttons, list]) expect(renderFor(content, meta)).toEqual({ kind: 'parts', parts: [content] })
})

test('a template where there are none is refused, and so is a reaction', () => {
  const template: OutboundContent = { type: 'template', name: 'n', language: 'en', parameters: [] }
  expect(renderFor(template, web)).toMatchObject({ kind: 'refused', error: { code: 'not_supported' } })
  const reaction: OutboundContent = { type: 'reaction', message_id: 'm', emoji: '👍' }
  expect(renderFor(reaction, { ...web, reactions: false })).toMatchObject({ kind: 'refused' })
})

test('places and contacts become text, stickers pictures', () => {
  const no = { ...web, location: false, contacts: false, stickers: false }
  const place: OutboundContent = { type: 'location', latitude: 1.5, longitude: -2, name: 'Shop' }
  const contacts: OutboundContent = { type: 'contacts', contacts: [{ name: 'Ada', phones: ['+1', '+2'] }] }
  const sticker: OutboundContent = { type: 'sticker', url: 'https://x.test/s.webp' }
  const texts = [place, contacts, sticker].map(content => renderFor(content, no))
  expect(texts).toEqual([
    { kind: 'parts', parts: [{ type: 'text', text: 'Shop\nhttps://maps.google.com/?q=1.5,-2' }] },
    { kind: 'parts', parts: [{ type: 'text', text: 'Ada\n+1\n+2' }] },
    { kind: 'parts', parts: [{ type: 'image', url: 'https://x.test/s.webp' }] },
  ])
})

test('a text that is too long goes out in several, and choices come under the last of them', () => {
  const text = `${'word '.repeat(400)}\n\n${'more '.repeat(100)}`
  const rendered = renderFor({ ...list, text }, twilio)
  if (rendered.kind !== 'parts') throw new Error('refused')
  expect(rendered.parts.map(part => part.type)).toEqual(['text', 'text', 'list'])
  for (const part of rendered.parts)
    expect('text' in part && part.text.length <= (part.type === 'text' ? 1_600 : 1_024)).toBe(true)
})

test('pieces hold every word, none of them too long or empty, and no character in halves', () => {
  const texts = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '\n\n', ' ', '👩‍🚀')), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(texts, fc.integer({ min: 2, max: 40 }), (words, max) => {
      const text = words.join(' ').trim()
      const found = pieces(text, max)
      for (const piece of found)
        expect([piece.length <= max, piece.isWellFormed()]).toEqual([true, text.isWellFormed()])
      if (text !== '') for (const piece of found) expect(piece).not.toBe('')
      const bare = (parts: readonly string[]) => parts.join('').replace(/\s/g, '')
      expect(bare(found)).toBe(bare([text]))
    }),
  )
})
