import { join } from 'node:path'
import runtime from '../../bin/runtime.json' with { type: 'json' }
import { until } from './installation.ts'
import { findSecret } from './secrets.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** The program as a process of its own. */
export type Process = {
  readonly pid: number
  /** Everything that it printed so far, both streams. */
  output(): string
  /** SIGTERM, and waits for its end. Returns the exit status. */
  stop(): Promise<number>
  /** SIGKILL: no chance to put anything in order. */
  kill(): Promise<void>
}

/** Starts `dashoffice ARGUMENTS`; ports that are not given are free ones. Waits until `healthUrl` answers 200. `input` is read from stdin. */
export async function startProcess(
  argumentList: readonly string[],
  environment: Readonly<Record<string, string>>,
  healthUrl?: string,
  input?: string,
): Promise<Process> {
  const ports = Object.fromEntries(
    ['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS', 'EMULATOR'].map(role => [`${role}_PORT`, '0']),
  )
  const { PATH = '', HOME = '' } = process.env
  // As bin/dashoffice.mjs has it.
  const settings = { ...runtime.program, ...(argumentList[0] === 'analytics' && runtime.analytics) }
  const child = Bun.spawn([process.execPath, main, ...argumentList], {
    env: { PATH, HOME, ...settings, ...ports, ...environment },
    stdin: input === undefined ? 'ignore' : new Blob([input]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let printed = ''
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) printed += decoder.decode(chunk, { stream: true })
  }
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)])
  const running: Process = {
    pid: child.pid,
    output: () => printed,
    async stop() {
      child.kill('SIGTERM')
      await child.exited
      await collected
      refuseSecrets(printed)
      return child.exitCode ?? -1
    },
    async kill() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
  if (healthUrl !== undefined)
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${printed}`)
      return (await fetch(healthUrl)).status === 200
    }, 30_000)
  return running
}

function refuseSecrets(printed: string): void {
  for (const line of printed.split('\n'))
    if (line.startsWith('{"level":') && findSecret(line) !== undefined) throw new Error(`a secret was logged: ${line}`)
}

/** Runs a command to its end, with what it reads from stdin. */
export async function runProcess(
  argumentList: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<{ status: number; output: string }> {
  const running = await startProcess(argumentList, environment, undefined, input)
  await until(() => !isAlive(running.pid), 60_000)
  return { status: await running.stop(), output: running.output() }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/**
 * A port of the loopback that is free at this moment, and none of those that the system hands out by itself (from 32768 on):
 * somebody else would have it before it is used.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    try {
      await Bun.serve({ hostname: '127.0.0.1', port, fetch: () => new Response() }).stop(true)
      return port
    } catch {
      // Somebody listens there.
    }
  }
  throw new Error('no free port')
}
