import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { headBytes } from '../lib/file-types.ts'
import { isUuid } from '../lib/ids.ts'

/** Where a file lies: whose it is, and its id. Both are ids of ours: nothing that somebody else wrote is part of a path. */
export type FilePlace = { readonly tenantId: string; readonly id: string }

/** A file whose bytes have all come, and which nobody sees yet: it is kept, or discarded. */
export type ReceivedFile = {
  readonly bytes: number
  /** In hexadecimal. */
  readonly sha256: string
  /** Its first bytes, `headBytes` at most. */
  readonly head: Uint8Array
  /** Puts it into its place, whole: once this resolves it survives a loss of power. What was there before is replaced. */
  keep(place: FilePlace): Promise<void>
  discard(): Promise<void>
}

/**
 * The files of all tenants, in one folder that only this program's user can read. A file is there whole or not at all,
 * and never changes. Processes that share their work share the folder.
 */
export type Files = {
  /**
   * Writes what comes to the disk as it comes. Of more than `bytesMax` bytes no more is read, nothing stays, and it is
   * null. Whatever the chunks throw is thrown, and nothing stays then.
   */
  receive(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<ReceivedFile | null>
  /** Its bytes, read as they are taken; null where there is no such file. */
  find(place: FilePlace, mimeType: string): Promise<Blob | null>
  /** Nothing happens where there is no such file. */
  remove(place: FilePlace): Promise<void>
  /** All files of a tenant. */
  removeAll(tenantId: string): Promise<void>
  /** All files, with the time they came. One that comes or goes meanwhile may be left out. */
  walk(): AsyncGenerator<FilePlace & { readonly modifiedAt: Date }>
  /** Removes what was being received and was last written before this: its process is gone. */
  removeUnfinished(before: Date): Promise<void>
}

const dirMode = 0o700
const fileMode = 0o600
const incoming = 'incoming'

export function makeFiles(root: string): Files {
  const incomingDir = join(root, incoming)

  function pathOf({ tenantId, id }: FilePlace): string {
    if (!isUuid(tenantId) || !isUuid(id)) throw new Error('A file has a place by ids only')
    // The last two characters: the first ones of a UUIDv7 are its time, the same for years.
    return join(root, tenantId, id.slice(-2), id)
  }

  async function put(path: string, place: FilePlace): Promise<void> {
    const target = pathOf(place)
    const dir = dirname(target)
    const isNewDir = (await mkdir(dir, { recursive: true, mode: dirMode })) !== undefined
    await rename(path, target)
    for (const changed of isNewDir ? [dir, dirname(dir), root] : [dir]) await syncDir(changed)
  }

  return {
    async receive(chunks, bytesMax) {
      await mkdir(incomingDir, { recursive: true, mode: dirMode })
      const path = join(incomingDir, crypto.randomUUID())
      const discard = () => rm(path, { force: true })
      try {
        const written = await write(path, chunks, bytesMax)
        if (written === null) await discard()
        return written && { ...written, keep: place => put(path, place), discard }
      } catch (error) {
        await discard()
        throw error
      }
    },
    async find(place, mimeType) {
      const file = Bun.file(pathOf(place), { type: mimeType })
      return (await file.exists()) ? file : null
    },
    async remove(place) {
      await rm(pathOf(place), { force: true })
    },
    async removeAll(tenantId) {
      if (!isUuid(tenantId)) throw new Error('A file has a place by ids only')
      await rm(join(root, tenantId), { recursive: true, force: true })
    },
    async *walk() {
      for (const tenantId of await namesIn(root))
        if (isUuid(tenantId))
          for (const part of await namesIn(join(root, tenantId))) yield* filesIn(join(root, tenantId, part), tenantId)
    },
    async removeUnfinished(before) {
      for (const name of await namesIn(incomingDir)) {
        const path = join(incomingDir, name)
        const modifiedAt = await modifiedAtOf(path)
        if (modifiedAt !== null && modifiedAt < before) await rm(path, { force: true })
      }
    },
  }
}

/** Null where there is more than allowed. */
async function write(path: string, chunks: AsyncIterable<Uint8Array>, bytesMax: number) {
  const file = await open(path, 'wx', fileMode)
  try {
    const hash = createHash('sha256')
    let [bytes, head] = [0, new Uint8Array()]
    for await (const chunk of chunks) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) return null
      if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)])
      hash.update(chunk)
      for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten
    }
    await file.sync()
    return { bytes, head, sha256: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

/** A new name in a folder survives a loss of power once the folder is written too. Windows does that by itself. */
async function syncDir(dir: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function* filesIn(dir: string, tenantId: string): AsyncGenerator<FilePlace & { readonly modifiedAt: Date }> {
  for (const id of await namesIn(dir)) {
    const modifiedAt = isUuid(id) ? await modifiedAtOf(join(dir, id)) : null
    if (modifiedAt !== null) yield { tenantId, id, modifiedAt }
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return await readdir(dir).catch(missing([]))
}

async function modifiedAtOf(path: string): Promise<Date | null> {
  return await stat(path).then(found => found.mtime, missing(null))
}

/** What was there a moment ago may be gone. */
function missing<T>(value: T): (error: unknown) => T {
  return error => {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return value
    throw error
  }
}
