import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuthenticationCreds, SignalDataSet, SignalDataTypeMap, SignalKeyStore } from '@whiskeysockets/baileys'
import type { Library } from './library.ts'
import type { SessionEvent, SessionEvents } from './session-events.ts'
import type { RowChange, SessionRows } from './session-rows.ts'

/** What a socket knows of its account, kept in the database. */
export type AuthState = {
  /** The library changes it in place: one object for all sockets of the session. */
  readonly creds: AuthenticationCreds
  readonly keys: SignalKeyStore
  /** Writes the credentials as they are now. */
  save(): Promise<void>
  /**
   * Runs what decrypts a message. What it `notes` is written in the very transaction that writes the keys which the
   * decryption has advanced: a message that cannot be decrypted a second time is not lost in between.
   */
  noting<T>(work: (note: (event: SessionEvent | null) => void) => Promise<T>): Promise<T>
}

/**
 * Loads a session's state, or makes one that is to be paired. A pairing that was given up halfway looks like an account:
 * its state is made anew. `onFailure`: something could not be written, so that the socket must not go on.
 */
export async function loadAuthState(options: {
  readonly library: Library
  readonly rows: SessionRows
  readonly events: SessionEvents
  readonly onFailure: (error: unknown) => void
}): Promise<AuthState> {
  const { library, rows, events, onFailure } = options
  const { BufferJSON, initAuthCreds, proto } = library
  const noted = new AsyncLocalStorage<{ event: SessionEvent | null }>()
  const textOf = (value: unknown): string => JSON.stringify(value, BufferJSON.replacer)
  // `any`: what was written by `textOf` from a value of the type that is asked for.
  const revived = (text: string) => JSON.parse(text, BufferJSON.reviver)
  const creds = await loadCreds()
  let saving = Promise.resolve()

  async function loadCreds(): Promise<AuthenticationCreds> {
    const text = (await rows.find('creds', [''])).get('')
    const found: AuthenticationCreds | undefined = text === undefined ? undefined : revived(text)
    if (found !== undefined && !isHalfPaired(found)) return found
    await rows.forget()
    return initAuthCreds()
  }

  async function write(changes: readonly RowChange[]): Promise<void> {
    const box = noted.getStore()
    const event = box?.event ?? null
    try {
      await rows.save(changes, async tx => {
        if (event !== null) await events.write(tx, event)
      })
    } catch (error) {
      onFailure(error)
      throw error
    }
    if (box !== undefined) box.event = null
  }

  return {
    creds,
    keys: {
      async get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]) {
        const found: { [id: string]: SignalDataTypeMap[T] } = {}
        for (const [id, text] of await rows.find(type, ids)) {
          const value = revived(text)
          found[id] = type === 'app-state-sync-key' ? proto.Message.AppStateSyncKeyData.fromObject(value) : value
        }
        return found
      },
      set: data => write(changesOf(data, textOf)),
    },
    save() {
      // One after the other, each as it is when its turn comes.
      saving = saving.catch(() => undefined).then(() => write([{ type: 'creds', id: '', text: textOf(creds) }]))
      return saving
    },
    noting: work => {
      const box: { event: SessionEvent | null } = { event: null }
      return noted.run(box, () =>
        work(event => {
          box.event = event
        }),
      )
    },
  }
}

/** Whether a pairing was begun, and not ended: by a code it names the account at once. */
export function isHalfPaired({ me, account }: AuthenticationCreds): boolean {
  return me?.id !== undefined && account === undefined
}

/** Whether a phone has linked the session: `registered` stays false where it was by a QR code (Baileys 7.0.0-rc14). */
export function isPaired({ me, account }: AuthenticationCreds): boolean {
  return me?.id !== undefined && account !== undefined
}

function changesOf(data: SignalDataSet, textOf: (value: unknown) => string): RowChange[] {
  return Object.entries(data).flatMap(([type, values]) =>
    Object.entries(values ?? {}).map(([id, value]) => ({
      type,
      id,
      text: value === null || value === undefined ? null : textOf(value),
    })),
  )
}
