import { expect, test } from 'bun:test'
import { makeMentions, withoutPerson } from './find-mentions.ts'
import type { Person } from './person.ts'

const id = '01a20dd3-0000-7000-8000-000000000001'
const person: Person = {
  customerId: id,
  names: ['Ana (la de Lugo)'],
  emails: ['Ana@Example.com'],
  identities: [
    { kind: 'phone', value: '+573001234567' },
    { kind: 'bsuid', value: 'CO.1234567890' },
    { kind: 'lid', value: '98765432109876' },
  ],
  ...{ conversationIds: [], orderIds: [], mediaIds: [], sendIds: [], providerIds: [] },
}
const mentions = makeMentions(person, [id])

test.each([
  `{"customer_id": "${id}"}`,
  '+573001234567',
  '573001234567@s.whatsapp.net',
  'write to ana@example.com',
  '{"user": "co.1234567890"}',
  '98765432109876@lid',
])('%j mentions her', text => expect(mentions(text)).toBe(true))

test.each([
  '',
  // Another number that hers is a part of, and the other way round.
  '5730012345678',
  '57300123456',
  '01a20dd3-0000-7000-8000-000000000002',
  'Ana (la de Lugo)',
  'anna@example.com',
])('%j does not', text => expect(mentions(text)).toBe(false))

test('somebody of whom nothing is known is mentioned by their id only', () => {
  const nobody = makeMentions({ ...person, names: [], emails: [], identities: [] }, [id])
  expect([nobody('anything at all 573001234567'), nobody(id)]).toEqual([false, true])
})

test('a text without them has no name, number or address of theirs, however it is written', () => {
  const text = 'ANA (LA DE LUGO), +573001234567 or 573001234567, ana@example.com, of CO.1234567890: by letter'
  expect(withoutPerson(text, person)).toBe('…, … or …, …, of …: by letter')
  expect(withoutPerson('by letter', { ...person, names: ['A', ' '] })).toBe('by letter')
})
