import { afterEach, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeLog } from '../../lib/log.ts'
import { lockDataDir } from '../data-dir-lock.ts'
import { connect } from './database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'

const log = makeLog({ level: 'error', dir: undefined })
const running: EmbeddedPostgres[] = []
const folders: string[] = []

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  chmodSync(folder, 0o755)
  folders.push(folder)
  return folder
}

async function start(folder: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir: folder, password: 'a-test-password', log })
  running.push(server)
  return server
}

async function ask<T>(server: EmbeddedPostgres, sql: string): Promise<T[]> {
  const pool = connect(server.connection, 1)
  try {
    return [...(await pool.unsafe(sql))]
  } finally {
    await pool.close()
  }
}

test('it is PostgreSQL 18, durable, with a password, and nobody but its owner can read its files', async () => {
  const folder = dataDir()
  const server = await start(folder)
  const settings = await ask<{ name: string; setting: string }>(
    server,
    `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')`,
  )
  expect(settings.map(row => row.setting)).toEqual(['on', 'on', 'on'])
  const [version] = await ask<{ version: string }>(server, `select current_setting('server_version') as version`)
  expect(version?.version).toStartWith('18.')
  expect(statSync(join(folder, 'postgres')).mode & 0o077).toBe(0)
  const wrong = connect({ ...server.connection, password: 'wrong' }, 1)
  expect(wrong`select 1`).rejects.toThrow()
  await wrong.close()
})

test('a server that a killed process left behind is ended by the next start, and what was committed is there', async () => {
  const folder = dataDir()
  const module = (path: string) => JSON.stringify(join(import.meta.dirname, path))
  const other = Bun.spawn(
    [
      process.execPath,
      '-e',
      `import { connect } from ${module('database.ts')}
       import { startEmbeddedPostgres } from ${module('embedded.ts')}
       import { makeLog } from ${module('../../lib/log.ts')}
       const log = makeLog({ level: 'error' })
       const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(folder)}, password: 'a-test-password', log })
       const pool = connect(server.connection, 1)
       await pool.unsafe('create table kept (n int)')
       await pool.unsafe('insert into kept values (42)')
       console.log(server.pid)
       setInterval(() => undefined, 1000)`,
    ],
    { stdout: 'pipe', stderr: 'inherit' },
  )
  const printed = (await other.stdout.getReader().read()).value
  const left = Number(new TextDecoder().decode(printed))
  other.kill('SIGKILL')
  await other.exited
  expect(existsSync(`/proc/${left}/exe`)).toBe(true)
  const server = await start(folder)
  expect(existsSync(`/proc/${left}/exe`)).toBe(false)
  expect(await ask(server, 'select n from kept')).toEqual([{ n: 42 }])
})

test('a server that ends by itself is started again on the same address, and what was committed is there', async () => {
  const server = await startEmbeddedPostgres({
    dataDir: dataDir(),
    password: 'a-test-password',
    log,
  })
  running.push(server)
  await ask(server, 'create table kept (n int); insert into kept values (42)')
  const before = server.pid
  process.kill(before, 'SIGKILL')
  for (const end = Date.now() + 20_000; Date.now() < end; await Bun.sleep(100)) {
    const found = await ask<{ n: number }>(server, 'select n from kept').catch(() => [])
    if (found[0]?.n === 42 && server.pid !== before) break
  }
  expect(server.pid).not.toBe(before)
  expect(await ask(server, 'select n from kept')).toEqual([{ n: 42 }])
})

test('a data dir that another process uses is refused with one line that says so', () => {
  const folder = dataDir()
  const lock = lockDataDir(folder)
  const other = Bun.spawnSync([
    process.execPath,
    '-e',
    `import { lockDataDir } from '${join(import.meta.dirname, '../data-dir-lock.ts')}'
     try { lockDataDir('${folder}'); console.log('got it') } catch (error) { console.log(error.message) }`,
  ])
  expect(other.stdout.toString()).toContain('which another DashOffice process is using')
  lock.release()
  lockDataDir(folder).release()
})

test('the lock of a process that was killed holds nobody up', async () => {
  const folder = dataDir()
  const other = Bun.spawn(
    [
      process.execPath,
      '-e',
      `import { lockDataDir } from '${join(import.meta.dirname, '../data-dir-lock.ts')}'
       globalThis.lock = lockDataDir('${folder}'); console.log('held'); setInterval(() => {}, 1000)`,
    ],
    { stdout: 'pipe' },
  )
  await other.stdout.getReader().read()
  expect(() => lockDataDir(folder)).toThrow(/another DashOffice process/)
  other.kill('SIGKILL')
  await other.exited
  lockDataDir(folder).release()
})
