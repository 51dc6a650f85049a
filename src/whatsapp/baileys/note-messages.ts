import type { BinaryNode, SignalAuthState, SignalRepositoryWithLIDStore } from '@whiskeysockets/baileys'
import { Lru } from '../../lib/lru.ts'
import type { AuthState } from './auth-state.ts'
import type { Library } from './library.ts'
import { readDecrypted } from './read-received.ts'
import type { SessionEvent } from './session-events.ts'

/** Ids that are remembered, so that the library's own word of a message is not taken for another one. */
const notedMax = 2_000

/** Notes messages where they are decrypted. */
export type MessageNotes = {
  /** Which stanza a message came in: to be told before the library gets it. */
  read(stanza: BinaryNode): void
  /** Whether an event was noted already. */
  has(eventId: string): boolean
  /** The library's Signal sessions, which note what they decrypt. */
  wrap(repository: SignalRepositoryWithLIDStore, auth: SignalAuthState): SignalRepositoryWithLIDStore
}

/**
 * The library tells WhatsApp that a message has arrived as soon as it is decrypted, and everybody else after that. So each
 * message is written in the transaction that writes the keys which its decryption has advanced. `onEncrypted`: something
 * of ours is encrypted, and may leave from now on.
 */
export function makeMessageNotes(options: {
  readonly library: Library
  readonly auth: AuthState
  readonly onNoted: () => void
  readonly onEncrypted: () => void
}): MessageNotes {
  const { library, auth, onNoted, onEncrypted } = options
  const stanzas = new WeakMap<Uint8Array, BinaryNode>()
  const noted = new Lru<string, true>(notedMax)

  function eventIn(stanza: BinaryNode, plain: Uint8Array): SessionEvent | null {
    const { me } = auth.creds
    try {
      return me === undefined ? null : readDecrypted(library, stanza, plain, me)
    } catch {
      // No message at all: the library says so too, and asks the sender for another one.
      return null
    }
  }

  return {
    read(stanza) {
      for (const sealed of library.getBinaryNodeChildren(stanza, 'enc'))
        if (sealed.content instanceof Uint8Array) stanzas.set(sealed.content, stanza)
    },
    has: eventId => noted.get(eventId) !== undefined,
    wrap: (repository, { keys }) => ({
      ...repository,
      async encryptMessage(given) {
        const sealed = await repository.encryptMessage(given)
        onEncrypted()
        return sealed
      },
      async decryptMessage(given) {
        const stanza = stanzas.get(given.ciphertext)
        if (stanza === undefined || !('transaction' in keys)) return await repository.decryptMessage(given)
        let event: SessionEvent | null = null
        const plain = await auth.noting(note =>
          keys.transaction(async () => {
            const opened = await repository.decryptMessage(given)
            event = eventIn(stanza, opened)
            note(event)
            return opened
          }, given.jid),
        )
        remember(event)
        return plain
      },
    }),
  }

  function remember(event: SessionEvent | null): void {
    if (event === null) return
    noted.set(event.id, true)
    onNoted()
  }
}
