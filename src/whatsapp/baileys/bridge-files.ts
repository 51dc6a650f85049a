import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'

/** Files that the adapter gives to the bridge to be sent; each for a while, in a folder of this process. */
export type BridgeFiles = {
  /** Adds bytes to a file; `offset` says how many there are before them. Begins it anew at 0. */
  append(name: string, offset: number, bytes: Uint8Array): void
  /** The path of a file that is here; null where it is not. */
  find(name: string): string | null
  stop(): void
}

/** The largest file that WhatsApp takes of us: a document (messaging/media.ts). */
const bytesMax = 110 * 1024 * 1024
const filesMax = 200
const keptMs = 15 * 60_000
const sweepMs = 60_000

export function openBridgeFiles(): BridgeFiles {
  const folder = mkdtempSync(join(tmpdir(), 'dashoffice-baileys-'))
  const touched = new Map<string, number>()
  const pathOf = (name: string) => join(folder, name)

  function remove(name: string): void {
    touched.delete(name)
    rmSync(pathOf(name), { force: true })
  }

  function sweep(): void {
    const oldest = Date.now() - keptMs
    for (const [name, at] of touched) if (at < oldest) remove(name)
  }

  /** The last one touched is the last one to go. */
  function touch(name: string): void {
    touched.delete(name)
    touched.set(name, Date.now())
    const [first] = touched.keys()
    if (touched.size > filesMax && first !== undefined) remove(first)
  }

  const sweeping = setInterval(sweep, sweepMs).unref()
  return {
    append(name, offset, bytes) {
      if (!/^[0-9a-f]{32,64}$/.test(name)) throw new AppError('bad_request', 'The name of a file is a hash.')
      if (offset + bytes.length > bytesMax) throw new AppError('too_large', `A file has ${bytesMax} bytes at most.`)
      if (offset === 0) remove(name)
      if (sizeOf(pathOf(name)) !== offset) throw new AppError('conflict', 'The part is not the next one of the file.')
      appendFileSync(pathOf(name), bytes, { mode: 0o600 })
      touch(name)
    },
    find(name) {
      if (!touched.has(name)) return null
      touch(name)
      return pathOf(name)
    },
    stop() {
      clearInterval(sweeping)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
