import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import * as v from 'valibot'
import { type Change, changeSchema } from './records.ts'
import type { World } from './world.ts'

const flushMs = 20

/**
 * The state file: one change a line, appended as it happens, rewritten in its shortest form at start
 * and after `linesMax` lines. It holds the numbers' secrets, so only its owner may read it (mode 0600).
 * What was not flushed yet (20 ms) is lost when the process is killed; a torn last line is skipped.
 */
export class Journal {
  readonly #path: string
  readonly #linesMax: number
  #file: FileHandle
  #world: World
  #pending: string[] = []
  #lines = 0
  #timer: Timer | null = null
  #work: Promise<void> = Promise.resolve()

  private constructor(path: string, linesMax: number, world: World, file: FileHandle) {
    this.#path = path
    this.#linesMax = linesMax
    this.#world = world
    this.#file = file
  }

  /**
   * Reads the file into `world` and compacts it. A missing file is an empty one.
   * @throws when the folder is missing or not writable
   */
  static async open(path: string, linesMax: number, world: World): Promise<Journal> {
    for (const change of parseLines(await readIfThere(path))) world.apply(change)
    return new Journal(path, linesMax, world, await writeCompact(path, world))
  }

  append(change: Change): void {
    this.#pending.push(JSON.stringify(change))
    this.#timer ??= setTimeout(() => this.#flushSoon(), flushMs)
  }

  async close(): Promise<void> {
    this.#flushSoon()
    await this.#work
    await this.#file.close()
  }

  #flushSoon(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#work = this.#work.then(() => this.#flush())
  }

  async #flush(): Promise<void> {
    const lines = this.#pending
    this.#pending = []
    if (lines.length === 0) return
    this.#lines += lines.length
    if (this.#lines <= this.#linesMax) return void (await this.#file.appendFile(`${lines.join('\n')}\n`))
    this.#lines = 0
    await this.#file.close()
    this.#file = await writeCompact(this.#path, this.#world)
  }
}

async function writeCompact(path: string, world: World): Promise<FileHandle> {
  const draft = `${path}.new`
  const file = await open(draft, 'w', 0o600)
  const lines = [...world.snapshot()].map(change => `${JSON.stringify(change)}\n`)
  await file.writeFile(lines.join(''))
  await file.sync()
  await rename(draft, path)
  return file
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

function parseLines(text: string): Change[] {
  return text.split('\n').flatMap(line => {
    const parsed = v.safeParse(changeSchema, parseJson(line))
    return parsed.success ? [parsed.output] : []
  })
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
