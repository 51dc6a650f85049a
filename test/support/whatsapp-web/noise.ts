import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import {
  type BinaryNode,
  Curve,
  decodeBinaryNode,
  encodeBinaryNode,
  type KeyPair,
  proto,
} from '@whiskeysockets/baileys'

// The server's half of WhatsApp Web's transport: Noise_XX_25519_AESGCM_SHA256 (noiseprotocol.org), frames with a length of
// three bytes, and in them, after the handshake, XMPP-like stanzas in WhatsApp's binary form.

/** What of a client is known once it has shaken hands. */
export type Login = ReturnType<typeof proto.ClientPayload.decode>

/** The server's end of one connection. */
export type NoiseConnection = {
  /** Takes what the client sent, in order. */
  receive(data: Uint8Array): Promise<void>
  send(node: BinaryNode): void
}

/** The server's long-lived key, and a chain of certificates that vouches for it. */
export type ServerIdentity = { readonly key: KeyPair; readonly certificates: Uint8Array }

export function makeServerIdentity(): ServerIdentity {
  const [root, intermediate, key] = [Curve.generateKeyPair(), Curve.generateKeyPair(), Curve.generateKeyPair()]
  const { Details } = proto.CertChain.NoiseCertificate
  const [notBefore, notAfter] = [0, 4_102_444_800]
  const intermediateDetails = Details.encode({
    ...{ serial: 1, issuerSerial: 0, notBefore, notAfter },
    key: intermediate.public,
  }).finish()
  const leafDetails = Details.encode({
    ...{ serial: 2, issuerSerial: 1, notBefore, notAfter },
    key: key.public,
  }).finish()
  // The client knows WhatsApp's root, not this one. Baileys 7.0.0-rc14 takes any signature that is one at all: libsignal 6
  // answers whether it fits, and Baileys looks only at whether it threw.
  const certificates = proto.CertChain.encode({
    intermediate: { details: intermediateDetails, signature: Curve.sign(root.private, intermediateDetails) },
    leaf: { details: leafDetails, signature: Curve.sign(intermediate.private, leafDetails) },
  }).finish()
  return { key, certificates }
}

/** Takes a connection: `write` sends bytes, `onLogin` is called once, `onNode` for each stanza after, one at a time. */
export function makeNoiseConnection(options: {
  readonly identity: ServerIdentity
  readonly write: (bytes: Uint8Array) => void
  readonly onLogin: (login: Login) => void
  readonly onNode: (node: BinaryNode) => Promise<void> | void
}): NoiseConnection {
  const { identity, write, onLogin, onNode } = options
  const handshake = makeHandshake(identity)
  let transport: Transport | undefined
  let stage: 'header' | 'hello' | 'finish' | 'open' = 'header'
  let waiting = Buffer.alloc(0)
  let work = Promise.resolve()

  async function readFrames(): Promise<void> {
    if (stage === 'header' && !readHeader()) return
    for (let frame = takeFrame(); frame !== undefined; frame = takeFrame()) await readFrame(frame)
  }

  /** `WA`, a version, the dictionary's version; before it, from a client that was told of a nearer server, `ED` and where. */
  function readHeader(): boolean {
    const hasRouting = waiting.subarray(0, 2).toString() === 'ED'
    const start = hasRouting && waiting.length >= 7 ? 7 + waiting.readUIntBE(4, 3) : 0
    if (waiting.length < start + 4 || (hasRouting && start === 0)) return false
    handshake.begin(waiting.subarray(start, start + 4))
    waiting = waiting.subarray(start + 4)
    stage = 'hello'
    return true
  }

  function takeFrame(): Buffer | undefined {
    if (waiting.length < 3) return undefined
    const end = 3 + waiting.readUIntBE(0, 3)
    if (waiting.length < end) return undefined
    const frame = waiting.subarray(3, end)
    waiting = waiting.subarray(end)
    return frame
  }

  async function readFrame(frame: Buffer): Promise<void> {
    if (stage === 'hello') {
      writeFrame(handshake.answerHello(frame))
      stage = 'finish'
    } else if (stage === 'finish') {
      const finished = handshake.finish(frame)
      transport = finished.transport
      stage = 'open'
      onLogin(finished.login)
    } else if (transport !== undefined) await onNode(await decodeBinaryNode(transport.open(frame)))
  }

  function writeFrame(frame: Uint8Array): void {
    const length = Buffer.alloc(3)
    length.writeUIntBE(frame.length, 0, 3)
    write(Buffer.concat([length, frame]))
  }

  return {
    receive(data) {
      waiting = Buffer.concat([waiting, data])
      work = work.then(readFrames)
      return work
    },
    send(node) {
      if (transport !== undefined) writeFrame(transport.seal(encodeBinaryNode(node)))
    },
  }
}

type Transport = { open(frame: Uint8Array): Buffer; seal(body: Uint8Array): Buffer }

function makeHandshake({ key, certificates }: ServerIdentity) {
  const name: Buffer = Buffer.from('Noise_XX_25519_AESGCM_SHA256\0\0\0\0')
  const ephemeral = Curve.generateKeyPair()
  let [hash, chain, cipherKey, counter] = [name, name, name, 0]

  function mixHash(bytes: Uint8Array): void {
    hash = createHash('sha256').update(hash).update(bytes).digest()
  }

  function mixKey(secret: Uint8Array): void {
    ;[chain, cipherKey] = expand(secret, chain)
    counter = 0
  }

  function seal(plain: Uint8Array): Buffer {
    const sealed = encrypt(plain, cipherKey, counter++, hash)
    mixHash(sealed)
    return sealed
  }

  function open(sealed: Uint8Array): Buffer {
    const plain = decrypt(sealed, cipherKey, counter++, hash)
    mixHash(sealed)
    return plain
  }

  return {
    begin: mixHash,
    answerHello(frame: Uint8Array): Uint8Array {
      const theirs = bytesOf(proto.HandshakeMessage.decode(frame).clientHello?.ephemeral)
      mixHash(theirs)
      mixHash(ephemeral.public)
      mixKey(Curve.sharedKey(ephemeral.private, theirs))
      const sealedKey = seal(key.public)
      mixKey(Curve.sharedKey(key.private, theirs))
      const payload = seal(certificates)
      return proto.HandshakeMessage.encode({
        serverHello: { ephemeral: ephemeral.public, static: sealedKey, payload },
      }).finish()
    },
    finish(frame: Uint8Array): { login: Login; transport: Transport } {
      const finish = proto.HandshakeMessage.decode(frame).clientFinish
      const theirs = open(bytesOf(finish?.static))
      mixKey(Curve.sharedKey(ephemeral.private, theirs))
      const login = proto.ClientPayload.decode(open(bytesOf(finish?.payload)))
      const [fromClient, toClient] = expand(Buffer.alloc(0), chain)
      return { login, transport: makeTransport(fromClient, toClient) }
    },
  }
}

function makeTransport(fromClient: Buffer, toClient: Buffer): Transport {
  let [received, sent] = [0, 0]
  const nothing = Buffer.alloc(0)
  return {
    open: frame => decrypt(frame, fromClient, received++, nothing),
    seal: body => encrypt(body, toClient, sent++, nothing),
  }
}

function expand(secret: Uint8Array, salt: Uint8Array): [Buffer, Buffer] {
  const both = Buffer.from(hkdfSync('sha256', secret, salt, Buffer.alloc(0), 64))
  return [both.subarray(0, 32), both.subarray(32)]
}

function nonce(counter: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(counter, 8)
  return bytes
}

function encrypt(plain: Uint8Array, key: Uint8Array, counter: number, more: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(counter)).setAAD(more)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function decrypt(sealed: Uint8Array, key: Uint8Array, counter: number, more: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(counter)).setAAD(more)
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

/** What a message must have; a client that leaves it out is cut off. */
export function bytesOf(value: Uint8Array | null | undefined): Buffer {
  if (value === null || value === undefined) throw new Error('The client left out a part of its message')
  return Buffer.from(value)
}
