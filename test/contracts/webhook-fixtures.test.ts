import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { disconnectBot } from '../../src/messaging/bot-status.ts'
import { createBot } from '../../src/messaging/bots.ts'
import { bridgeToken } from '../../src/whatsapp/baileys/protocol.ts'
import type { Webhook } from '../../src/whatsapp/provider.ts'
import { botWith, partsWith } from '../../src/whatsapp/providers/provider.fixture.ts'
import { makeProviders } from '../../src/whatsapp/providers/providers.ts'
import { type Installation, startInstallation } from '../support/installation.ts'
import { damaged, fixtureConfigs, proofOf, type SigningProvider } from '../support/provider-webhooks.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

// What each provider sends, kept in test/fixtures: one payload a file, named provider.kind. Read to what it says; and
// whatever becomes of its bytes on the way, answered with 2xx or 4xx.

const directory = join(import.meta.dirname, '../fixtures')
const files = readdirSync(directory).sort()
const phone = { kind: 'phone', value: '+447700900143' }
const bsuid = { kind: 'bsuid', value: 'GB.2000000000000143' }
const lid = { kind: 'lid', value: '300000000000143' }

/** Who writes in the payloads of each provider. */
const identities: Readonly<Record<string, readonly object[]>> = {
  meta: [phone, bsuid],
  'official.d360': [phone, bsuid],
  'official.legacy': [phone],
  twilio: [phone, bsuid],
  evolution: [phone, lid],
  baileys: [phone, lid],
}

/** What a message of each kind says, whichever provider brings it. */
const contents: Readonly<Record<string, object>> = {
  'message-text': { type: 'text', text: 'Hello, is order 1042 ready?' },
  'message-text-reply': { type: 'text', text: 'Yes, that one' },
  'message-ad': {
    ...{ type: 'text', text: 'Hello! Can I get more info on this?' },
    referral: {
      ...{ source_type: 'ad', source_id: '120200000000000143', source_url: 'https://fb.me/3cr4Wqq4X' },
      ...{ headline: 'Bread of the day', body: 'Baked this morning. Write to us.' },
      click_id: 'ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4',
    },
  },
  'message-template-button': { type: 'choice', id: 'CONFIRM_1042', title: 'Confirm' },
  'message-button-reply': { type: 'choice', id: 'opt_yes', title: 'Yes' },
  'message-list-reply': { type: 'choice', id: 'slot_morning', title: 'Morning' },
  'message-image': { type: 'image', mime_type: 'image/jpeg', caption: 'Two loaves, please' },
  'message-audio-voice': { type: 'audio', mime_type: 'audio/ogg; codecs=opus' },
  'message-video': { type: 'video', mime_type: 'video/mp4', caption: 'Clip' },
  'message-document': {
    ...{ type: 'document', mime_type: 'application/pdf' },
    ...{ caption: 'Invoice', filename: 'invoice-1042.pdf' },
  },
  'message-sticker': { type: 'sticker', mime_type: 'image/webp' },
  'message-location': {
    ...{ type: 'location', latitude: 51.4779, longitude: -0.0015 },
    ...{ name: 'Test Observatory', address: '1 Example Road' },
  },
  'message-contact': { type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] },
  'message-reaction': { type: 'reaction', emoji: '👍' },
  'message-username-only': { type: 'text', text: 'Sent without a phone number' },
}

/** What a message says that the business wrote on its own phone, and to whom: the customer of the others. */
const phoneContents: Readonly<Record<string, object>> = {
  'phone-text': { type: 'text', text: 'I will look into it myself.' },
  'phone-image': { type: 'image', mime_type: 'image/jpeg', caption: 'Like this one?' },
}

/** Where a provider says less, or in other words. */
const ownContents: Readonly<Record<string, object>> = {
  'twilio.message-audio-voice.txt': { type: 'audio', mime_type: 'audio/ogg' },
  'twilio.message-document.txt': { type: 'document', mime_type: 'application/pdf', filename: 'invoice-1042.pdf' },
  'twilio.message-contact.txt': { type: 'document', mime_type: 'text/vcard' },
}

/** What a report of each kind makes of a message. */
const statuses: Readonly<Record<string, readonly [status: string, code?: string]>> = {
  'status-sent': ['sent'],
  'status-queued': ['sent'],
  'status-server-ack': ['sent'],
  'status-delivered': ['delivered'],
  'status-read': ['read'],
  'status-played': ['read'],
  'status-failed': ['failed'],
  'status-error': ['failed', 'ERROR'],
}
const ownCodes: Readonly<Record<string, string>> = {
  'meta.status-failed.json': '131047',
  'twilio.status-failed.txt': '63018',
  'baileys.status-error.json': '463',
}

/** What is no message and no status. */
const others: Readonly<Record<string, { connection?: string; ignored?: readonly string[] }>> = {
  'meta.errors-account.json': { ignored: ['unknown_event'] },
  'meta.template-status-update.json': { ignored: ['other_event'] },
  'evolution.connection-connecting.json': { connection: 'connecting' },
  'evolution.connection-open.json': { connection: 'connected' },
  'evolution.connection-close-loggedout.json': { connection: 'logged_out' },
  'evolution.logout-instance.json': { connection: 'logged_out' },
  'evolution.qrcode-updated.json': { connection: 'pairing' },
  'evolution.qrcode-updated-pairing-code.json': { connection: 'pairing' },
  'baileys.connection-connecting.json': { connection: 'connecting' },
  'baileys.connection-open.json': { connection: 'connected' },
  'baileys.connection-close-loggedout.json': { connection: 'logged_out' },
  'baileys.connection-pairing.json': { connection: 'pairing' },
  'evolution.messages-delete.json': { ignored: ['other_event'] },
  'evolution.presence-update.json': { ignored: ['other_event'] },
  'evolution.send-message.json': { ignored: ['own_message'] },
  'meta.phone-edit.json': { ignored: ['other_event'] },
  'meta.phone-revoke.json': { ignored: ['other_event'] },
}

/** The parts of a file's name. */
function partsOf(file: string) {
  const [provider = '', name = ''] = file.split('.')
  const [, flavour, kind = name] = /^(d360|legacy)-(.+)$/.exec(name) ?? []
  return { provider: provider as SigningProvider, flavour, kind, side: flavour ? `${provider}.${flavour}` : provider }
}

function payload(file: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(readFileSync(join(directory, file)))
}

const providers = makeProviders({
  ...partsWith({}),
  bridge: { token: bridgeToken(encryptionKey), url: async () => null },
})
const url = 'https://hooks.example.test/webhooks/x/y'

async function read(file: string): Promise<Webhook> {
  const { provider, flavour } = partsOf(file)
  const body = payload(file)
  const config = { ...fixtureConfigs[provider], ...(flavour === 'legacy' && { flavour }) }
  const headers = new Headers(proofOf(provider, body, url))
  const handled = await providers.get(provider)?.handleWebhook({ headers, body, url }, botWith(config))
  if (handled?.kind !== 'read') throw new Error(`${file} was refused`)
  return handled.webhook
}

describe('every payload is read to what it says', () => {
  test('and there are as many as there should be', () => {
    expect(files.length).toBeGreaterThan(80)
    const untold = files.filter(file => {
      const { kind } = partsOf(file)
      return !(kind in contents || kind in phoneContents || file in ownContents || kind in statuses || file in others)
    })
    expect(untold).toEqual([])
  })

  for (const file of files)
    test(file, async () => {
      const { kind, side } = partsOf(file)
      const found = await read(file)
      const content = ownContents[file] ?? contents[kind]
      const [status, usualCode] = statuses[kind] ?? []
      const code = ownCodes[file] ?? usualCode
      const { connection = null, ignored = [] } = others[file] ?? {}
      expect(found.messages.map(one => one.content)).toMatchObject(content === undefined ? [] : [content])
      for (const { sender, media } of found.messages) {
        const known = kind === 'message-username-only' ? [bsuid] : identities[side]
        expect(sender).toEqual({ identities: known, name: 'Grace Sample' } as typeof sender)
        expect(media !== undefined).toBe(content !== undefined && 'mime_type' in content)
      }
      const written = phoneContents[kind]
      expect(found.phoneMessages.map(one => one.content)).toMatchObject(written === undefined ? [] : [written])
      for (const { to, media } of found.phoneMessages) {
        expect(to).toEqual((identities[side] ?? []).filter(one => one !== bsuid) as typeof to)
        expect(media !== undefined).toBe(written !== undefined && 'mime_type' in written)
      }
      expect(found.statuses.map(one => one.status as string)).toEqual(status === undefined ? [] : [status])
      expect(found.statuses.flatMap(one => one.error?.code ?? [])).toEqual(code === undefined ? [] : [code])
      expect([found.connection?.kind ?? null]).toEqual([connection as 'connected' | null])
      expect(found.ignored.map(one => one.reason as string)).toEqual([...ignored])
    })
})

describe('whatever becomes of a payload on the way', () => {
  let shop: Installation
  const paths = new Map<string, string>()
  beforeAll(async () => {
    shop = await startInstallation({ flow: echoFlow })
    for (const side of new Set(files.map(file => partsOf(file).side))) paths.set(side, await addBot(side))
  })
  afterAll(() => shop.stop())

  async function addBot(side: string): Promise<string> {
    const [provider = '', flavour] = side.split('.')
    const name = provider as SigningProvider
    const config = { ...fixtureConfigs[name], ...(flavour !== undefined && { flavour }) }
    const { tenantId } = shop.shop
    const made = await shop.app.database.transaction({ role: 'app', tenantId }, async tx => {
      const fields = { name: side, provider: name, config, flow_id: null }
      const written = await createBot(tx, uuids, makeSealer(encryptionKey), tenantId, fields)
      if (written.kind !== 'written') throw new Error(`the bot at ${side} was refused`)
      // It takes what comes, and nobody asks its provider for it.
      await disconnectBot(tx, tenantId, written.bot.id)
      return written
    })
    return `/webhooks/${name}/${made.bot.id}`
  }

  async function deliver(file: string, body: Uint8Array<ArrayBuffer>, proof?: Record<string, string>): Promise<number> {
    const { provider, side } = partsOf(file)
    const path = paths.get(side) ?? ''
    // The address that the program is known by, which Twilio signs.
    const headers = proof ?? proofOf(provider, body, `http://localhost:3010${path}`)
    const response = await fetch(`${shop.app.urls.adapter}${path}`, { method: 'POST', headers, body })
    await response.body?.cancel()
    return response.status
  }

  test('unharmed it is taken, and without its proof refused', async () => {
    for (const file of files) {
      const body = payload(file)
      expect([file, await deliver(file, body)]).toEqual([file, 200])
      expect([file, await deliver(file, body, { 'content-type': 'application/json' })]).toEqual([file, 401])
    }
  })

  test('with any byte changed, cut or doubled it is answered 2xx or 4xx, signed by its provider or not', async () => {
    const wrong: unknown[] = []
    for (const file of files) {
      const body = payload(file)
      const { provider } = partsOf(file)
      const path = paths.get(partsOf(file).side) ?? ''
      const proof = proofOf(provider, body, `http://localhost:3010${path}`)
      for (let round = 0; round < 12; round++) {
        const harmed = damaged(body, `${file} ${round}`)
        const signed = await deliver(file, harmed)
        const unsigned = await deliver(file, harmed, proof)
        for (const status of [signed, unsigned]) if (status < 200 || status >= 500) wrong.push([file, round, status])
      }
    }
    expect(wrong).toEqual([])
    expect((await fetch(`${shop.app.urls.adapter}/health`)).status).toBe(200)
  }, 120_000)
})
