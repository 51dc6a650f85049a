import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { inboundContentSchema, outboundContentSchema, summarize, wordsOf } from './content.ts'

describe('a content to send', () => {
  const canSend = (content: unknown) => v.is(outboundContentSchema, content)

  test.each([
    { type: 'text', text: 'x'.repeat(4_096) },
    { type: 'image', url: 'https://x.test/a.png', caption: 'x' },
    { type: 'document', media_id: '1', filename: 'a.pdf', mime_type: 'application/pdf' },
    { type: 'sticker', media_id: '1' },
    { type: 'location', latitude: 90, longitude: -180, name: 'Pole' },
    { type: 'contacts', contacts: [{ name: 'Ana', phones: ['+34600111222'] }] },
    { type: 'template', name: 'hello', language: 'es', parameters: [] },
    { type: 'reaction', message_id: 'm', emoji: '' },
    { type: 'list', text: 'x', button: 'b', sections: [{ rows: [{ id: 'a', title: 'A', description: 'd' }] }] },
  ])('is $type', content => {
    expect(canSend(content)).toBe(true)
  })

  test.each([
    { type: 'text', text: '' },
    { type: 'text', text: 'x'.repeat(4_097) },
    { type: 'image', url: 'https://x.test/a.png', media_id: '1' },
    { type: 'image' },
    { type: 'audio', media_id: '1', caption: 'x' },
    { type: 'location', latitude: 90.1, longitude: 0 },
    { type: 'buttons', text: 'x', buttons: [{ id: 'a', title: 'x'.repeat(21) }] },
    {
      type: 'list',
      text: 'x',
      button: 'b',
      sections: [{ rows: [{ id: 'a', title: 'A' }] }, { rows: [{ id: 'b', title: 'B' }] }],
    },
    { type: 'choice', id: 'a', title: 'A' },
  ])('is not %j', content => {
    expect(canSend(content)).toBe(false)
  })
})

describe('a content that came in', () => {
  test('may be empty where WhatsApp lets it be', () => {
    for (const content of [
      { type: 'text', text: '' },
      { type: 'choice', id: '', title: '' },
      { type: 'unsupported', reason: '' },
    ]) {
      expect(v.is(inboundContentSchema, content)).toBe(true)
    }
  })

  test('may say which advertisement or post led to it, whatever of it is known', () => {
    const isTaken = (referral: unknown) => v.is(inboundContentSchema, { type: 'text', text: 'Hi', referral })
    expect(isTaken({ source_type: 'ad' })).toBe(true)
    expect(
      isTaken({ source_type: 'post', source_id: '1', source_url: 'https://x.test', headline: '', body: 'b' }),
    ).toBe(true)
    expect(isTaken({ source_type: 'friend' })).toBe(false)
    expect(isTaken({ source_type: 'ad', body: 'x'.repeat(2_000) })).toBe(false)
    expect(isTaken({ source_type: 'ad', more: 1 })).toBe(false)
  })

  test('has the words that the customer wrote or tapped', () => {
    expect(wordsOf({ type: 'text', text: 'hola' })).toBe('hola')
    expect(wordsOf({ type: 'choice', id: 'y', title: 'Yes' })).toBe('Yes')
    expect(wordsOf({ type: 'image', media_id: '1', mime_type: 'image/png', caption: 'look' })).toBe('look')
    expect(wordsOf({ type: 'image', media_id: '1', mime_type: 'image/png' })).toBe('')
    expect(wordsOf({ type: 'location', latitude: 1, longitude: 2 })).toBe('')
  })
})

describe('a summary', () => {
  test('is one bounded line', () => {
    expect(summarize({ type: 'text', text: 'a\n\n b' })).toBe('a b')
    expect(summarize({ type: 'text', text: 'x'.repeat(300) })).toHaveLength(200)
    expect(summarize({ type: 'buttons', text: 'Sure?', buttons: [{ id: 'y', title: 'Yes' }] })).toBe('Sure? [Yes]')
    expect(summarize({ type: 'image', media_id: '1', caption: 'our shop' })).toBe('[image] our shop')
    expect(summarize({ type: 'location', latitude: 1, longitude: 2 })).toBe('[location] 1, 2')
    expect(summarize({ type: 'unsupported', reason: 'poll' })).toBe('[unsupported] poll')
  })
})
