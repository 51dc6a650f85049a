import {
  addTransactionCapability,
  type BinaryNode,
  Curve,
  DEFAULT_CONNECTION_CONFIG,
  encodeWAMessage,
  generateSignalPubKey,
  getBinaryNodeChild,
  initAuthCreds,
  type proto,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SignalKeyStore,
  unpadRandomMax16,
  proto as wire,
} from '@whiskeysockets/baileys'
import { childBytes } from './phone.ts'

// libsignal tells of its sessions on the console, keys and all, past every logger.
for (const level of ['info', 'warn'] as const) {
  const print = console[level]
  console[level] = (...given: unknown[]) => /^Clos(ing|ed) .*session/.test(String(given[0])) || print(...given)
}

/** A customer's phone: the other end of the end-to-end encryption, made of Baileys' own Signal parts. */
export type SignalPeer = {
  /** What somebody needs who writes to this phone for the first time. */
  bundle(jid: string): BinaryNode
  /** Encrypts for a device whose keys are in `uploaded`; `afresh`: as if it had never heard of it. */
  encrypt(device: string, uploaded: BinaryNode, message: proto.IMessage, afresh: boolean): Promise<Encrypted>
  decrypt(device: string, type: string, ciphertext: Uint8Array): Promise<proto.IMessage>
}

export type Encrypted = { readonly type: 'pkmsg' | 'msg'; readonly ciphertext: Uint8Array }

export function makeSignalPeer(phone: string, lid: string): SignalPeer {
  const creds = initAuthCreds()
  creds.me = { id: `${phone}:0@s.whatsapp.net`, lid: `${lid}:0@lid` }
  const store = memoryKeys()
  const keys = addTransactionCapability(store, silentLogger, { maxCommitRetries: 1, delayBetweenTriesMs: 1 })
  const repository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds, keys }, silentLogger)
  /** The device's identity that a session was made for: it is another one after it was linked anew. */
  const known = new Map<string, string>()
  let preKeyId = 0

  return {
    bundle(jid) {
      const preKey = Curve.generateKeyPair()
      preKeyId++
      // Handed out once, as by the real server.
      void store.set({ 'pre-key': { [preKeyId]: preKey } })
      const { keyId, keyPair, signature } = creds.signedPreKey
      return {
        tag: 'user',
        attrs: { jid },
        content: [
          { tag: 'registration', attrs: {}, content: bigEndian(creds.registrationId, 4) },
          { tag: 'type', attrs: {}, content: Buffer.from([5]) },
          { tag: 'identity', attrs: {}, content: creds.signedIdentityKey.public },
          keyNode('skey', keyId, keyPair.public, signature),
          keyNode('key', preKeyId, preKey.public),
        ],
      }
    },
    async encrypt(device, uploaded, message, afresh) {
      const identity = childBytes(uploaded, 'identity').toString('hex')
      if (afresh || known.get(device) !== identity) {
        await repository.injectE2ESession({ jid: device, session: sessionOf(uploaded) })
        known.set(device, identity)
      }
      return await repository.encryptMessage({ jid: device, data: encodeWAMessage(message) })
    },
    async decrypt(device, type, ciphertext) {
      if (type !== 'pkmsg' && type !== 'msg') throw new Error(`A customer cannot read ${type}`)
      const plain = await repository.decryptMessage({ jid: device, type, ciphertext })
      return wire.Message.decode(unpadRandomMax16(plain))
    },
  }
}

/** Keys that a device uploaded: one of its pre-keys is taken, the next one each time. */
function sessionOf(uploaded: BinaryNode) {
  const signed = getBinaryNodeChild(uploaded, 'skey')
  const list = getBinaryNodeChild(uploaded, 'list')?.content
  const preKey = getBinaryNodeChild(uploaded, 'key') ?? (Array.isArray(list) ? list.shift() : undefined)
  if (signed === undefined || preKey === undefined) throw new Error('The device has uploaded no keys, or all are spent')
  return {
    registrationId: number(uploaded, 'registration'),
    identityKey: generateSignalPubKey(childBytes(uploaded, 'identity')),
    signedPreKey: {
      keyId: number(signed, 'id'),
      publicKey: generateSignalPubKey(childBytes(signed, 'value')),
      signature: childBytes(signed, 'signature'),
    },
    preKey: { keyId: number(preKey, 'id'), publicKey: generateSignalPubKey(childBytes(preKey, 'value')) },
  }
}

function number(node: BinaryNode, tag: string): number {
  const bytes = childBytes(node, tag)
  return bytes.readUIntBE(0, bytes.length)
}

function keyNode(tag: string, id: number, key: Uint8Array, signature?: Uint8Array): BinaryNode {
  return {
    tag,
    attrs: {},
    content: [
      { tag: 'id', attrs: {}, content: bigEndian(id, 3) },
      { tag: 'value', attrs: {}, content: key },
      ...(signature === undefined ? [] : [{ tag: 'signature', attrs: {}, content: signature }]),
    ],
  }
}

function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.writeUIntBE(value, 0, length)
  return bytes
}

export function memoryKeys(): SignalKeyStore {
  const rows = new Map<string, unknown>()
  return {
    get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]) {
      const found = ids.flatMap(id => (rows.has(`${type}/${id}`) ? [[id, rows.get(`${type}/${id}`)]] : []))
      return Object.fromEntries(found) as { [id: string]: SignalDataTypeMap[T] }
    },
    set(data: SignalDataSet) {
      for (const [type, values] of Object.entries(data))
        for (const [id, value] of Object.entries(values ?? {}))
          if (value === null) rows.delete(`${type}/${id}`)
          else rows.set(`${type}/${id}`, value)
    },
  }
}

const ignore = () => undefined
export const silentLogger = {
  level: 'silent',
  child: () => silentLogger,
  ...{ trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
}
