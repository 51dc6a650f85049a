import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './process.ts'

/** The program that .ci/run builds from tools/ferretdb. */
export const ferretdb = 'ferretdb-1.24.2'

/** A server that speaks MongoDB's protocol, of its own. */
export type TestMongo = {
  readonly url: string
  /** As a crash would. */
  kill(): Promise<void>
  /** Again on the same port, with what it has kept. */
  restart(): Promise<void>
  /** It keeps its connections and answers nobody. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Starts FerretDB on SQLite; `program` is its path. It ends with this process. */
export async function startTestMongo(program: string): Promise<TestMongo> {
  const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), 'dashoffice-ferretdb-'))]
  let running = await start()

  async function start() {
    const child = Bun.spawn([program, `127.0.0.1:${port}`, folder], {
      stdin: 'pipe',
      stdout: 'pipe',
      // Its log; not ours to print.
      stderr: 'ignore',
    })
    // It prints its URL once it listens.
    const { done } = await child.stdout.getReader().read()
    if (done) throw new Error(`${program} ended before it listened`)
    return child
  }

  async function kill(): Promise<void> {
    running.kill('SIGKILL')
    await running.exited
  }

  return {
    url: `mongodb://127.0.0.1:${port}/`,
    kill,
    async restart() {
      running = await start()
    },
    freeze: () => running.kill('SIGSTOP'),
    thaw: () => running.kill('SIGCONT'),
    async stop() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
