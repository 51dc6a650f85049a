import { createCipheriv, createDecipheriv, createHmac, hkdfSync, pbkdf2Sync, randomBytes } from 'node:crypto'
import { type BinaryNode, Curve, getBinaryNodeChild, proto } from '@whiskeysockets/baileys'
import { bytesOf } from './noise.ts'

// The owner's phone, which links a device to its account: by its QR code, or by a code typed in.

/** What the phone answers a device with that it has linked. */
export function pairSuccess(account: { readonly number: string; readonly lid: string }, device: Linking): BinaryNode {
  const key = Curve.generateKeyPair()
  const details = proto.ADVDeviceIdentity.encode({ rawId: 1, timestamp: nowSeconds(), keyIndex: 1 }).finish()
  const signed = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: key.public,
    accountSignature: Curve.sign(key.private, Buffer.concat([Buffer.from([6, 0]), details, device.identityKey])),
  }).finish()
  const hmac = createHmac('sha256', device.advSecret).update(signed).digest()
  const identity = proto.ADVSignedDeviceIdentityHMAC.encode({ details: signed, hmac }).finish()
  const jids = { jid: `${account.number}:1@s.whatsapp.net`, lid: `${account.lid}:1@lid` }
  return {
    tag: 'pair-success',
    attrs: {},
    content: [
      { tag: 'device-identity', attrs: {}, content: Buffer.from(identity) },
      { tag: 'platform', attrs: { name: 'android' } },
      { tag: 'device', attrs: jids },
    ],
  }
}

/** What the phone learns of the device that is to be linked. */
export type Linking = { readonly identityKey: Uint8Array; readonly advSecret: Uint8Array }

/** The code is an address with `#ref,noise key,identity key,adv secret,platform`. */
export function readQr(qr: string): Linking {
  const [, , identityKey = '', advSecret = ''] = (qr.split('#')[1] ?? '').split(',')
  return { identityKey: Buffer.from(identityKey, 'base64'), advSecret: Buffer.from(advSecret, 'base64') }
}

/** A phone on which the code is typed that a device shows. Both know the code, the server does not. */
export function typeCode(code: string, hello: BinaryNode) {
  const wrapped = childBytes(hello, 'link_code_pairing_wrapped_companion_ephemeral_pub')
  const theirs = unwrap(code, wrapped)
  const [identity, ephemeral] = [Curve.generateKeyPair(), Curve.generateKeyPair()]
  return {
    /** What the server hands on to the device. */
    primaryHello: [
      { tag: 'link_code_pairing_wrapped_primary_ephemeral_pub', attrs: {}, content: wrap(code, ephemeral.public) },
      { tag: 'primary_identity_pub', attrs: {}, content: identity.public },
    ] satisfies BinaryNode[],
    /** The device's answer: the secret of the link comes of both sides' keys. Throws where the code was another. */
    finish(finish: BinaryNode): Linking {
      const bundle = childBytes(finish, 'link_code_pairing_wrapped_key_bundle')
      const shared = Curve.sharedKey(ephemeral.private, theirs)
      const key = derive(shared, bundle.subarray(0, 32), 'link_code_pairing_key_bundle_encryption_key')
      const opened = openGcm(bundle.subarray(44), key, bundle.subarray(32, 44))
      const identityKey = opened.subarray(0, 32)
      const random = opened.subarray(64)
      const secrets = Buffer.concat([shared, Curve.sharedKey(identity.private, identityKey), random])
      return { identityKey, advSecret: derive(secrets, Buffer.alloc(32), 'adv_secret') }
    },
  }
}

/** A key under a code of eight characters: salt, counter block, AES-256-CTR. */
function wrap(code: string, key: Uint8Array): Buffer {
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const cipher = createCipheriv('aes-256-ctr', codeKey(code, salt), iv)
  return Buffer.concat([salt, iv, cipher.update(key), cipher.final()])
}

function unwrap(code: string, wrapped: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-ctr', codeKey(code, wrapped.subarray(0, 32)), wrapped.subarray(32, 48))
  return Buffer.concat([decipher.update(wrapped.subarray(48, 80)), decipher.final()])
}

function codeKey(code: string, salt: Uint8Array): Buffer {
  return pbkdf2Sync(code, salt, 131_072, 32, 'sha256')
}

function derive(secret: Uint8Array, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32))
}

function openGcm(sealed: Buffer, key: Buffer, iv: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv)
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

export function childBytes(node: BinaryNode, tag: string): Buffer {
  const content = getBinaryNodeChild(node, tag)?.content
  return bytesOf(content instanceof Uint8Array ? content : undefined)
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000)
}
