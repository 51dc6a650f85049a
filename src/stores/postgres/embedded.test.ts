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

test('what was committed is there after the server was killed, and one left over by a killed process is ended', async () => {
  const folder = dataDir()
  const first = await start(folder)
  await ask(first, 'create table kept (n int); insert into kept values (42)')
  process.kill(first.pid, 'SIGKILL')
  await Bun.sleep(100)
  const second = await start(folder)
  expect(await ask(second, 'select n from kept')).toEqual([{ n: 42 }])
  // A start on the same folder without a stop before: what its lock holder does after a kill -9 of the other process.
  const third = await start(folder)
  expect(await ask(third, 'select n from kept')).toEqual([{ n: 42 }])
  expect(existsSync(`/proc/${second.pid}/exe`)).toBe(false)
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
       lockDataDir('${folder}'); console.log('held'); setInterval(() => {}, 1000)`,
    ],
    { stdout: 'pipe' },
  )
  await other.stdout.getReader().read()
  expect(() => lockDataDir(folder)).toThrow(/another DashOffice process/)
  other.kill('SIGKILL')
  await other.exited
  lockDataDir(folder).release()
})
