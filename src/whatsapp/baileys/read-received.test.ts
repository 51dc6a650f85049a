import { beforeAll, expect, test } from 'bun:test'
import type { WAMessage } from '@whiskeysockets/baileys'
import { hasBaileys } from '../../../test/support/whatsapp-web/has-baileys.ts'
import { type Library, loadLibrary } from './library.ts'
import { ackReceipt, eventOf, isIgnored, readReceipt } from './read-received.ts'

const isMissing = !hasBaileys('what comes through a session is not tried')

let library: Library
beforeAll(async () => {
  if (!isMissing) library = await loadLibrary()
})

const ada = '12025550143@s.whatsapp.net'
const me = { id: '12025550100:7@s.whatsapp.net', lid: '200000000000100:7@lid' }

function messageWith(more: object, key: object = {}): WAMessage {
  const message = { conversation: 'x' }
  return { key: { remoteJid: ada, id: 'A1', fromMe: false, ...key }, messageTimestamp: 1_767_225_600, message, ...more }
}

test.skipIf(isMissing)('a message of a customer is told, with its seconds as a number', () => {
  const event = eventOf(library, messageWith({ pushName: 'Ada' }), me)
  expect(event).toMatchObject({ kind: 'message', id: `${ada}/A1`, waitMs: 0 })
  expect(JSON.parse(event?.data ?? '')).toMatchObject({ messageTimestamp: 1_767_225_600, pushName: 'Ada' })
})

test.skipIf(isMissing)('one that could not be decrypted waits, since it may still come', () => {
  const stub = { message: undefined, messageStubType: 2, messageStubParameters: ['Bad MAC'] }
  expect(eventOf(library, messageWith(stub), me)?.waitMs).toBeGreaterThan(10_000)
})

test.skipIf(isMissing)('what nobody has written to a customer, or a customer to us, is not told', () => {
  const protocol = (more: object) => ({ message: { protocolMessage: more } })
  for (const message of [
    // Notes of the business to itself, and what of its own could not be decrypted.
    messageWith({}, { fromMe: true, remoteJid: '12025550100@s.whatsapp.net' }),
    messageWith({}, { fromMe: true, remoteJid: '200000000000100@lid' }),
    messageWith({ message: undefined, messageStubType: 2 }, { fromMe: true }),
    messageWith({ category: 'peer' }),
    messageWith(protocol({ type: 0 })),
    messageWith(protocol({ appStateSyncKeyShare: { keys: [] } })),
    messageWith({ message: undefined }),
    messageWith({}, { id: '' }),
    messageWith({}, { remoteJid: '120363000000000001@g.us' }),
    messageWith({}, { remoteJid: 'status@broadcast' }),
  ])
    expect(eventOf(library, message, me)).toBeNull()
  const edit = protocol({ type: 14, editedMessage: { conversation: 'corrected' } })
  expect(eventOf(library, messageWith(edit), me)).not.toBeNull()
})

test.skipIf(isMissing)('what was written on the phone is told, without our own name in its key', () => {
  const told = (key: object) =>
    JSON.parse(eventOf(library, messageWith({}, { fromMe: true, ...key }), me)?.data ?? '{}')
  expect(told({}).key).toEqual({ remoteJid: ada, id: 'A1', fromMe: true })
  const lid = '200000000000143@lid'
  expect(told({ remoteJid: lid, remoteJidAlt: ada }).key.remoteJidAlt).toBe(ada)
  expect(told({ remoteJid: lid, remoteJidAlt: '12025550100@s.whatsapp.net' }).key).toEqual({
    ...{ remoteJid: lid, id: 'A1', fromMe: true },
  })
})

test.skipIf(isMissing)('of groups, lists and channels nothing is decrypted', () => {
  const jids = ['120363000000000001@g.us', 'status@broadcast', '1600000000@broadcast', '120363000000000001@newsletter']
  expect([ada, '200000000000143@lid', ...jids].filter(jid => isIgnored(library, jid))).toEqual(jids)
})

test.skipIf(isMissing)('a receipt tells of all its messages, and of ours alone', () => {
  const receipt = (attrs: Record<string, string>, ids: readonly string[] = []) => {
    const items = ids.map(id => ({ tag: 'item', attrs: { id } }))
    const content = ids.length === 0 ? [] : [{ tag: 'list', attrs: {}, content: items }]
    return readReceipt(library, { tag: 'receipt', attrs: { id: 'A', t: '1767225600', from: ada, ...attrs }, content })
  }
  expect(receipt({})).toEqual([
    {
      ...{ id: 'A', status: 3 },
      key: { remoteJid: ada, id: 'A', fromMe: true },
      update: { status: 3, messageTimestamp: 1_767_225_600 },
    },
  ])
  expect(receipt({ type: 'read' }, ['B', 'C']).map(({ id, status }) => [id, status])).toEqual([
    ['A', 4],
    ['B', 4],
    ['C', 4],
  ])
  expect(receipt({ type: 'played', from: '12025550143:7@s.whatsapp.net' })[0]).toMatchObject({
    ...{ status: 5, key: { remoteJid: ada } },
  })
  for (const other of [{ type: 'retry' }, { type: 'sender' }, { type: 'inactive' }, { recipient: ada, type: 'read' }])
    expect(receipt(other)).toEqual([])
  expect(receipt({ from: '120363000000000001@g.us', participant: ada })).toEqual([])
})

test("WhatsApp's word of a message is a status", () => {
  const key = { id: 'A', fromMe: true }
  expect(ackReceipt('A', null, 1_500)).toEqual({ status: 2, key, update: { status: 2, messageTimestamp: 1 } })
  expect(ackReceipt('A', '463', 1_500)).toMatchObject({ status: 0, update: { messageStubParameters: ['463'] } })
})
