import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './process.ts'

/** A Redis of its own, that keeps nothing. */
export type TestRedis = {
  readonly url: string
  /** As a crash would. */
  kill(): Promise<void>
  /** Again on the same port, empty. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts one; `program` is its path. */
export async function startTestRedis(program: string): Promise<TestRedis> {
  const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), 'dashoffice-redis-'))]
  let running = await start()

  async function start() {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
    const child = Bun.spawn([program, ...options], { stdout: 'ignore', stderr: 'ignore' })
    for (let tries = 0; tries < 200 && !(await answers(port)); tries++) await Bun.sleep(20)
    return child
  }

  async function kill(): Promise<void> {
    running.kill('SIGKILL')
    await running.exited
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    async restart() {
      running = await start()
    },
    async stop() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: { open: one => void one.write('PING\r\n'), data: () => resolve(true), close: () => resolve(false) },
    })
    const isThere = await promise
    socket.end()
    return isThere
  } catch {
    return false
  }
}
