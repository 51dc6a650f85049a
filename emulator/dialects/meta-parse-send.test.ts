import { expect, test } from 'bun:test'
import { parseSend } from './meta-parse-send.ts'

const to = { messaging_product: 'whatsapp', to: '12025550143' }

function content(message: object) {
  const parsed = parseSend({ ...to, ...message })
  if (parsed.kind !== 'message') throw new Error(`refused: ${JSON.stringify(parsed)}`)
  return parsed.content
}

function refusal(body: unknown): string {
  const parsed = parseSend(body)
  return parsed.kind === 'refused' ? `${parsed.error.code} ${parsed.error.details}` : `not refused: ${parsed.kind}`
}

const button = (id: string, title: string) => ({ type: 'reply', reply: { id, title } })
const buttons = (list: unknown[], more: object = {}) => ({
  type: 'interactive',
  interactive: { type: 'button', body: { text: 'Keep it?' }, action: { buttons: list }, ...more },
})
const list = (sections: unknown[], action: object = {}) => ({
  type: 'interactive',
  interactive: { type: 'list', body: { text: 'Pick' }, action: { button: 'Slots', sections, ...action } },
})
const rows = (count: number, prefix = 'r') =>
  Array.from({ length: count }, (_, at) => ({ id: `${prefix}${at}`, title: `Row ${at}` }))

test('every type of message is read into what the phone shows', () => {
  expect(content({ type: 'text', text: { body: 'Hello', preview_url: false } })).toEqual({
    type: 'text',
    text: 'Hello',
  })
  expect(content({ text: { body: 'No type means text' } })).toEqual({ type: 'text', text: 'No type means text' })
  expect(content(buttons([button('y', 'Yes')], { footer: { text: 'Shop' } }))).toEqual({
    ...{ type: 'buttons', text: 'Keep it?', footer: 'Shop' },
    buttons: [{ id: 'y', title: 'Yes' }],
  })
  expect(content(list([{ title: 'Today', rows: [{ id: 'a', title: 'A', description: 'B' }] }]))).toEqual({
    ...{ type: 'list', text: 'Pick', button: 'Slots' },
    sections: [{ title: 'Today', rows: [{ id: 'a', title: 'A', description: 'B' }] }],
  })
  expect(content({ type: 'image', image: { id: '9', caption: 'Label' } })).toEqual({
    ...{ type: 'image', media_id: '9', caption: 'Label' },
  })
  expect(content({ type: 'audio', audio: { id: '9', voice: true } })).toEqual({
    ...{ type: 'audio', media_id: '9', voice: true },
  })
  const document = { link: 'https://cdn.example.test/i.pdf', filename: 'i.pdf' }
  expect(content({ type: 'document', document })).toEqual({ type: 'document', ...document })
  expect(content({ type: 'video', video: { id: '9' } })).toEqual({ type: 'video', media_id: '9' })
  expect(content({ type: 'sticker', sticker: { id: '9' } })).toEqual({ type: 'sticker', media_id: '9' })
  const location = { latitude: 51.5, longitude: 0, name: 'Here' }
  expect(content({ type: 'location', location })).toEqual({ type: 'location', ...location })
  const contacts = [{ name: { formatted_name: 'Grace' }, phones: [{ phone: '+44 7700 900123', type: 'CELL' }] }]
  expect(content({ type: 'contacts', contacts })).toEqual({
    ...{ type: 'contacts', contacts: [{ name: 'Grace', phones: ['+44 7700 900123'] }] },
  })
  expect(content({ type: 'reaction', reaction: { message_id: 'wamid.1', emoji: '' } })).toEqual({
    ...{ type: 'reaction', message_id: 'wamid.1', emoji: '' },
  })
})

test('of a template the parameters and the payloads of its buttons are read', () => {
  const components = [
    { type: 'header', parameters: [{ type: 'image', image: { id: '9' } }] },
    { type: 'body', parameters: [{ type: 'text', parameter_name: 'order', text: '1042' }] },
    { type: 'button', sub_type: 'quick_reply', index: '0', parameters: [{ type: 'payload', payload: 'CONFIRM' }] },
  ]
  expect(content({ type: 'template', template: { name: 'order', language: { code: 'en_US' }, components } })).toEqual({
    ...{ type: 'template', name: 'order', language: 'en_US', parameters: ['[image]', '1042'] },
    buttons: [{ id: 'CONFIRM', title: 'CONFIRM' }],
  })
})

test('a recipient is a phone, with or without its plus, or a business-scoped user id; a phone wins', () => {
  const recipient = (fields: object) => {
    const parsed = parseSend({ messaging_product: 'whatsapp', text: { body: 'x' }, ...fields })
    return parsed.kind === 'message' ? parsed.recipient : parsed
  }
  expect(recipient({ to: '+1 (202) 555-0143' })).toMatchObject({ by: 'phone', phone: '12025550143' })
  expect(recipient({ recipient: 'US.1000' })).toEqual({ by: 'user_id', input: 'US.1000' })
  expect(recipient({ to: '12025550143', recipient: 'US.1000' })).toMatchObject({ by: 'phone' })
})

test('a read mark may ask for the typing indicator', () => {
  const read = { messaging_product: 'whatsapp', status: 'read', message_id: 'wamid.1' }
  expect(parseSend(read)).toEqual({ kind: 'read', messageId: 'wamid.1', typing: false })
  expect(parseSend({ ...read, typing_indicator: { type: 'text' } })).toMatchObject({ typing: true })
})

const media = { id: '9', link: 'https://cdn.example.test/x' }
const refused: [string, unknown, RegExp][] = [
  ['a body that is no object', null, /^100 The body must be a JSON object/],
  ['no messaging_product', { to: '12025550143', text: { body: 'x' } }, /^100 The parameter messaging_product is req/],
  ['no recipient', { messaging_product: 'whatsapp', text: { body: 'x' } }, /^100 The parameter to is required/],
  ['a phone that is none', { ...to, to: 'Ada', text: { body: 'x' } }, /^131009 Param to is not a phone/],
  [
    'a user id that is none',
    { messaging_product: 'whatsapp', recipient: '?', text: { body: 'x' } },
    /^131009 Param rec/,
  ],
  ['a group', { ...to, recipient_type: 'group', text: { body: 'x' } }, /^100 Param recipient_type takes/],
  ['an unknown type', { ...to, type: 'hologram' }, /^100 Param type takes/],
  ['no text', { ...to, type: 'text' }, /^100 The parameter text is required/],
  ['an empty text', { ...to, text: { body: '' } }, /^100 Param text\['body'\] can not be empty/],
  ['a long text', { ...to, text: { body: 'x'.repeat(4097) } }, /^100 Param text\['body'\] must be at most 4096 char/],
  ['long callback data', { ...to, text: { body: 'x' }, biz_opaque_callback_data: 'é'.repeat(257) }, /^100 .*512 bytes/],
  [
    'media by id and by link',
    { ...to, type: 'image', image: media },
    /^100 Param image takes exactly one of id and link/,
  ],
  ['media by neither', { ...to, type: 'video', video: {} }, /^100 Param video takes exactly one/],
  [
    'a link that is none',
    { ...to, type: 'image', image: { link: 'ftp://x' } },
    /^100 Param image\['link'\] is not an http/,
  ],
  ['a long caption', { ...to, type: 'image', image: { id: '9', caption: 'x'.repeat(1025) } }, /^100 .*at most 1024/],
  [
    'a latitude of 91',
    { ...to, type: 'location', location: { latitude: 91, longitude: 0 } },
    /^100 Param location\['lat/,
  ],
  ['no contacts', { ...to, type: 'contacts', contacts: [] }, /^100 Param contacts can not be empty/],
  [
    'a template name',
    { ...to, type: 'template', template: { name: 'A b', language: { code: 'en' } } },
    /^100 .*lower-case/,
  ],
  [
    'no language',
    { ...to, type: 'template', template: { name: 'a' } },
    /^100 The parameter template\['language'\] is r/,
  ],
  ['no emoji', { ...to, type: 'reaction', reaction: { message_id: 'x' } }, /^100 The parameter reaction\['emoji'\]/],
  ['a status that is none', { ...to, status: 'seen', message_id: 'x' }, /^100 Param status takes/],
  ['no buttons', { ...to, ...buttons([]) }, /^131009 Invalid buttons count/],
  ['4 buttons', { ...to, ...buttons(['a', 'b', 'c', 'd'].map(id => button(id, id))) }, /^131009 Invalid buttons count/],
  [
    'a long title',
    { ...to, ...buttons([button('a', 'x'.repeat(21))]) },
    /^131009 Button title length invalid. Min .*: 20/,
  ],
  ['an empty title', { ...to, ...buttons([button('a', '')]) }, /^131009 Button title length invalid/],
  ['a long button id', { ...to, ...buttons([button('x'.repeat(257), 'A')]) }, /^131009 Button id length invalid/],
  ['spaces at an edge', { ...to, ...buttons([button(' a', 'A')]) }, /^131009 Button id can not begin or end/],
  [
    'equal titles',
    { ...to, ...buttons([button('a', 'A'), button('b', 'A')]) },
    /^131009 Button title is not unique: A/,
  ],
  ['equal ids', { ...to, ...buttons([button('a', 'A'), button('a', 'B')]) }, /^131009 Button id is not unique: a/],
  [
    'a long body',
    { ...to, ...buttons([button('a', 'A')], { body: { text: 'x'.repeat(1025) } }) },
    /^131009 Body text.*1024/,
  ],
  ['a long footer', { ...to, ...buttons([button('a', 'A')], { footer: { text: 'x'.repeat(61) } }) }, /^131009 Footer/],
  [
    'a long header',
    { ...to, ...buttons([button('a', 'A')], { header: { type: 'text', text: 'x'.repeat(61) } }) },
    /^131009 Header text length/,
  ],
  ['no sections', { ...to, ...list([]) }, /^131009 Invalid sections count/],
  ['no rows', { ...to, ...list([{ rows: [] }]) }, /^131009 Section rows can not be empty/],
  ['11 rows', { ...to, ...list([{ rows: rows(11) }]) }, /^131009 Total row count exceed max allowed count: 10/],
  [
    'sections without titles',
    { ...to, ...list([{ rows: rows(1) }, { rows: rows(1, 'q') }]) },
    /^131009 Section title is required/,
  ],
  [
    'a long section title',
    { ...to, ...list([{ title: 'x'.repeat(25), rows: rows(1) }]) },
    /^131009 Section title length/,
  ],
  [
    'a long row title',
    { ...to, ...list([{ rows: [{ id: 'a', title: 'x'.repeat(25) }] }]) },
    /^131009 Row title length/,
  ],
  ['a long row id', { ...to, ...list([{ rows: [{ id: 'x'.repeat(201), title: 'A' }] }]) }, /^131009 Row id length/],
  [
    'a long description',
    { ...to, ...list([{ rows: [{ id: 'a', title: 'A', description: 'x'.repeat(73) }] }]) },
    /^131009 Row description length/,
  ],
  ['equal row ids', { ...to, ...list([{ rows: [...rows(1), ...rows(1)] }]) }, /^131009 Row id is not unique: r0/],
  ['a long list button', { ...to, ...list([{ rows: rows(1) }], { button: 'x'.repeat(21) }) }, /^131009 Button label/],
]

test.each(refused)('%s is refused, as documented', (_, body, error) => {
  expect(refusal(body)).toMatch(error)
})

test('what is just inside the limits passes', () => {
  content({ text: { body: 'x'.repeat(4096) } })
  content(
    buttons(
      ['a', 'b', 'c'].map(id => button(id, id.repeat(20))),
      { body: { text: 'x'.repeat(1024) } },
    ),
  )
  content(list([{ title: 'x'.repeat(24), rows: rows(10) }], { button: 'x'.repeat(20) }))
})
