import { describe, expect, test } from 'bun:test'
import { jidOf, readJid, readRecipient, readSender } from './read-jid.ts'

const phone = { kind: 'phone', value: '+12025550143' } as const
const lid = { kind: 'lid', value: '200000000000143' } as const

describe('addresses', () => {
  test('people, by phone or by linked identity, on any of their devices', () => {
    for (const jid of ['12025550143@s.whatsapp.net', '12025550143:7@s.whatsapp.net', '12025550143_1:7@c.us'])
      expect(readJid(jid)).toEqual({ kind: 'person', identity: phone })
    for (const jid of ['200000000000143@lid', '200000000000143:12@lid', '200000000000143@hosted.lid'])
      expect(readJid(jid)).toEqual({ kind: 'person', identity: lid })
  })

  test('groups, and what nobody can be answered at', () => {
    expect(readJid('120363000000000001@g.us')).toEqual({ kind: 'group' })
    expect(readJid('12025550100-1600000000@g.us')).toEqual({ kind: 'group' })
    for (const jid of ['status@broadcast', '120363000000000001@newsletter', '0@s.whatsapp.net', '131@bot'])
      expect(readJid(jid)).toEqual({ kind: 'other' })
  })

  test('what is no address', () => {
    for (const value of [null, 7, '', '12025550143', '@lid', 'ada@s.whatsapp.net', '12025550143@example.test', {}])
      expect([value, readJid(value)]).toEqual([value, null])
  })

  test('an identity makes the address that it was read from', () => {
    for (const identity of [phone, lid]) expect(readJid(jidOf(identity))).toEqual({ kind: 'person', identity })
    expect(jidOf({ kind: 'lid', value: '200000000000143@lid' })).toBe('200000000000143@lid')
    expect(jidOf({ kind: 'bsuid', value: 'US.1' })).toBeNull()
    expect(jidOf({ kind: 'lid', value: 'ada' })).toBeNull()
  })

  test('the sender has both identities, wherever the key has the other one', () => {
    const [pn, linked] = ['12025550143@s.whatsapp.net', '200000000000143@lid']
    for (const key of [
      { remoteJid: pn, remoteJidAlt: linked, participant: '' },
      { remoteJid: linked, remoteJidAlt: pn },
      { remoteJid: linked, senderPn: pn, participantAlt: null },
      { remoteJid: linked, participantAlt: pn },
      { remoteJid: pn, senderLid: linked },
    ])
      expect(readSender(key)).toEqual({ kind: 'person', identities: [phone, lid] })
    expect(readSender({ remoteJid: linked })).toEqual({ kind: 'person', identities: [lid] })
    expect(readSender({ remoteJid: '1@g.us', participant: pn })).toEqual({ kind: 'group' })
    expect(readSender({ remoteJid: 'status@broadcast' })).toEqual({ kind: 'other' })
    expect(readSender({ id: 'x' })).toBeNull()
  })
})

describe('whom a message of our own was written to', () => {
  const [ada, adaLid] = ['12025550143@s.whatsapp.net', '200000000000143@lid']
  const own = '12025550100@s.whatsapp.net'

  test('is named by both identities, the phone first', () => {
    for (const key of [
      { remoteJid: ada, remoteJidAlt: adaLid },
      { remoteJid: adaLid, remoteJidAlt: ada },
    ])
      expect(readRecipient(key, [own])).toEqual({ kind: 'person', identities: [phone, lid] })
    expect(readRecipient({ remoteJid: ada }, [])).toEqual({ kind: 'person', identities: [phone] })
  })

  test('is not ourselves, whatever else stands in the key', () => {
    const key = { remoteJid: adaLid, remoteJidAlt: own, senderPn: own, participantAlt: own }
    expect(readRecipient(key, [own])).toEqual({ kind: 'person', identities: [lid] })
    expect(readRecipient({ remoteJid: own }, ['12025550100:3@s.whatsapp.net'])).toEqual({ kind: 'other' })
  })

  test('is nobody in groups and lists, and unknown without an address', () => {
    expect(readRecipient({ remoteJid: '120363000000000001@g.us' }, [own])).toEqual({ kind: 'group' })
    expect(readRecipient({ remoteJid: 'status@broadcast' }, [own])).toEqual({ kind: 'other' })
    expect(readRecipient({ remoteJid: 'ada' }, [own])).toBeNull()
    expect(readRecipient({}, [own])).toBeNull()
  })
})
