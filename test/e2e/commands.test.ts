import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMigrations } from '../../src/stores/postgres/migrate.ts'
import { until } from '../support/installation.ts'
import { freePort, runProcess, startProcess } from '../support/process.ts'

let dataDir: string

beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  chmodSync(dataDir, 0o755)
})
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const run = (argumentList: readonly string[], environment = {}) =>
  runProcess(argumentList, { DASHOFFICE_DATA_DIR: dataDir, ...environment })

describe('wrong usage is status 2, with what would be right', () => {
  const cases: [string, string[], string][] = [
    ['an unknown command', ['fly'], "unknown command 'fly'"],
    ['an unknown option', ['up', '--fast'], "unknown option '--fast'"],
    ['a missing argument', ['flow', 'check'], "missing required argument 'FILE'"],
    ['a fault that does not exist', ['emulate', '--fault', 'rain'], 'unknown fault "rain": takes 429'],
    ['an id that is none', ['flow', 'replay', '7'], 'CONVERSATION_ID takes a UUID'],
    ['a name that is none', ['migrate', 'add', 'Add Sellers'], 'lower-case letters'],
  ]
  for (const [name, argumentList, words] of cases)
    test(name, async () => {
      const { status, output } = await run(argumentList)
      expect(output).toContain(words)
      expect(status).toBe(2)
    })
})

test('--help works at every level, and lists the settings', async () => {
  for (const argumentList of [
    ['--help'],
    ['up', '--help'],
    ['migrate', '--help'],
    ['migrate', 'run', '--help'],
    ['flow', 'check', '--help'],
    ['flow', 'replay', '--help'],
    ['tenant', '--help'],
    ['tenant', 'limit', '--help'],
    ['emulate', '--help'],
  ]) {
    const { status, output } = await run(argumentList)
    expect(output).toContain('Usage: dashoffice')
    expect(status).toBe(0)
  }
  expect((await run(['--help'])).output).toContain('RATE_LIMIT_MESSAGES_PER_MINUTE')
})

describe('what an operator can put right is status 1 and one line', () => {
  test('a wrong setting', async () => {
    const { status, output } = await run(['up'], { GATEWAY_PORT: 'high' })
    expect(output).toBe('dashoffice: GATEWAY_PORT is "high", but takes a port from 0 to 65535 (0 picks a free one)\n')
    expect(status).toBe(1)
  })

  test('a weak secret, which is not printed', async () => {
    const { status, output } = await run(['up'], { JWT_SECRET: 'hunter2' })
    expect(output.trim().split('\n').length).toBe(1)
    expect(output).toContain('JWT_SECRET is a value of 7 characters (not shown), but takes at least 32 bytes')
    expect(status).toBe(1)
  })

  test('a single role without what it shares with the others', async () => {
    const { status, output } = await run(['adapter'])
    expect(output).toContain('DATABASE_URL and REDIS_URL are unset, but a single role takes both')
    expect(output.trim().split('\n').length).toBe(1)
    expect(status).toBe(1)
  })

  test('a database that is not there', async () => {
    const { status, output } = await run(['up'], {
      DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/none',
      LOG_LEVEL: 'error',
    })
    expect(output).toContain('DATABASE_URL cannot be reached')
    expect(output).not.toContain('hunter2')
    expect(status).toBe(1)
  })

  test('a flow with faults, step and field named', async () => {
    const file = join(dataDir, 'flow.json')
    writeFileSync(
      file,
      JSON.stringify({
        name: 'Bad',
        start: 'a',
        steps: { a: { type: 'decision', condition: 'x > 1', true: 'b', false: 'end' } },
      }),
    )
    const { status, output } = await run(['flow', 'check', file])
    expect(output).toContain('steps.a')
    expect(status).toBe(1)
  })

  test('a file that is not there', async () => {
    const { status, output } = await run(['flow', 'check', join(dataDir, 'nothing.json')])
    expect(output).toContain('cannot be read as JSON')
    expect(status).toBe(1)
  })
})

test("the demo's flow is good", async () => {
  const { status, output } = await run(['flow', 'check', join(import.meta.dirname, '../support/order-flow.json')])
  expect(output).toContain('good to publish')
  expect(status).toBe(0)
})

test('up answers on every port; a second one on the same data dir or port is refused; Ctrl-C ends it with 0', async () => {
  const ports = {
    GATEWAY: await freePort(),
    ADAPTER: await freePort(),
    ORCHESTRATOR: await freePort(),
    ANALYTICS: await freePort(),
  }
  const environment = Object.fromEntries(Object.entries(ports).map(([role, port]) => [`${role}_PORT`, String(port)]))
  const up = await startProcess(
    ['up'],
    { DASHOFFICE_DATA_DIR: dataDir, ...environment },
    `http://127.0.0.1:${ports.ANALYTICS}/health`,
  )
  try {
    for (const port of Object.values(ports)) {
      const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json()
      expect(health).toMatchObject({ status: 'ok', database: 'embedded', redis: 'embedded', mongodb: 'embedded' })
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      expect(metrics).toContain('process_resident_memory_bytes')
    }
    for (const line of up.output().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
    const sameDir = await run(['up'], { LOG_LEVEL: 'error' })
    expect(sameDir.output).toContain('which another DashOffice process is using')
    expect(sameDir.status).toBe(1)
    const other = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
    chmodSync(other, 0o755)
    const samePort = await run(['up'], {
      DASHOFFICE_DATA_DIR: other,
      GATEWAY_PORT: String(ports.GATEWAY),
      LOG_LEVEL: 'error',
    })
    expect(samePort.output).toBe(
      `dashoffice: GATEWAY_PORT is ${ports.GATEWAY}, but another program listens on that port\n`,
    )
    expect(samePort.status).toBe(1)
    rmSync(other, { recursive: true, force: true })
  } finally {
    expect(await up.stop()).toBe(0)
  }
}, 60_000)

test('told to stop while it starts, it stops, and leaves nothing running', async () => {
  const ownDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  chmodSync(ownDir, 0o755)
  const lock = join(ownDir, 'postgres', 'postmaster.pid')
  for (const command of ['up', 'demo']) {
    const starting = await startProcess([command], { DASHOFFICE_DATA_DIR: ownDir })
    await until(() => existsSync(lock))
    expect(await starting.stop()).toBe(0)
    expect(existsSync(lock)).toBe(false)
  }
  rmSync(ownDir, { recursive: true, force: true })
}, 60_000)

test('migrations are listed, undone and done again from the command line', async () => {
  const newest = readMigrations().at(-1)
  const name = `${String(newest?.version).padStart(4, '0')} ${newest?.name}`
  expect((await run(['migrate', 'run'])).output).toMatch(/nothing to apply|applied 0001/)
  expect((await run(['migrate', 'status'])).output).toMatch(/0001 core {2}applied \d{4}-/)
  expect((await run(['migrate', 'revert'])).output).toContain(`reverted ${name}`)
  expect((await run(['migrate', 'status'])).output).toContain(`${name}  not applied`)
  expect((await run(['migrate', 'run'])).output).toContain(`applied ${name}`)
}, 60_000)
