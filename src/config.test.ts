import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig, readSettings } from './config.ts'

function inDataDir(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  try {
    work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('without any setting the defaults hold', () => {
  expect(readSettings({})).toMatchObject({
    GATEWAY_PORT: 3009,
    ADAPTER_PORT: 3010,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
  })
})

const wrong = [
  ['GATEWAY_PORT', 'abc', 'GATEWAY_PORT is "abc", but takes a port from 0 to 65535 (0 picks a free one)'],
  ['GATEWAY_PORT', '70000', 'GATEWAY_PORT is "70000", but takes a port'],
  ['LOG_LEVEL', 'loud', 'LOG_LEVEL is "loud", but takes trace, debug, info, warn, error'],
  ['ALLOW_PRIVATE_URLS', 'yes', 'ALLOW_PRIVATE_URLS is "yes", but takes true or false'],
  ['PUBLIC_URL', 'shop.example', 'PUBLIC_URL is "shop.example", but takes a URL with http:// or https://'],
  ['MAIL_FROM', 'reports', 'MAIL_FROM is "reports", but takes an address like reports@shop.example'],
  ['MAIL_FROM', 'a@b.example\nBcc: c@d.example', 'MAIL_FROM is'],
  ['RATE_LIMIT_MESSAGES_PER_MINUTE', '0', 'RATE_LIMIT_MESSAGES_PER_MINUTE is "0", but takes a whole number from 1'],
] as const

for (const [name, value, line] of wrong)
  test(`${name}=${value} is one line that says what it takes`, () => {
    expect(() => readSettings({ [name]: value })).toThrow(line)
  })

test('a secret that is wrong is never printed', () => {
  for (const name of ['JWT_SECRET', 'ENCRYPTION_KEY', 'DATABASE_URL', 'REDIS_URL', 'MONGODB_URL', 'SMTP_URL'])
    try {
      readSettings({ [name]: 'hunter2hunter2' })
      expect.unreachable()
    } catch (error) {
      expect(String(error)).toContain(`${name} is a value of 14 characters (not shown), but takes`)
      expect(String(error)).not.toContain('hunter2')
    }
})

test('mail takes a server and somebody whom it comes from', () => {
  const SMTP_URL = 'smtp://name:hunter2@mail.example:587'
  expect(() => readSettings({ SMTP_URL })).toThrow('MAIL_FROM is unset, but SMTP_URL is set')
  const MAIL_FROM = 'Shop <reports@shop.example>'
  expect(readSettings({ SMTP_URL, MAIL_FROM })).toMatchObject({ SMTP_URL, MAIL_FROM })
  expect(readSettings({ MAIL_FROM })).toMatchObject({ SMTP_URL: undefined })
})

test('an empty variable counts as unset', () => {
  expect(readSettings({ GATEWAY_PORT: '', DATABASE_URL: '' })).toMatchObject({
    GATEWAY_PORT: 3009,
    DATABASE_URL: undefined,
  })
})

test('the first start makes the secrets, readable by their owner only, and the next one finds them again', () => {
  inDataDir(folder => {
    const first = readConfig({ DASHOFFICE_DATA_DIR: folder })
    const file = join(folder, 'secrets.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(first.JWT_SECRET.length).toBeGreaterThanOrEqual(32)
    expect(new Set([first.JWT_SECRET, first.ENCRYPTION_KEY, first.DATABASE_PASSWORD]).size).toBe(3)
    expect(readConfig({ DASHOFFICE_DATA_DIR: folder })).toEqual(first)
    expect(readFileSync(file, 'utf8')).toContain(first.JWT_SECRET)
  })
})

test('a secret that is set wins over the generated one', () => {
  inDataDir(folder => {
    const secret = 'x'.repeat(32)
    expect(readConfig({ DASHOFFICE_DATA_DIR: folder, JWT_SECRET: secret }).JWT_SECRET).toBe(secret)
  })
})

test('a secrets file that was damaged is told apart from a missing one: nothing new is made over it', () => {
  inDataDir(folder => {
    const file = join(folder, 'secrets.json')
    writeFileSync(file, '{"JWT_SECRET":"short"}')
    expect(() => readConfig({ DASHOFFICE_DATA_DIR: folder })).toThrow(/restore the file from a backup/)
    expect(readFileSync(file, 'utf8')).toBe('{"JWT_SECRET":"short"}')
  })
})

test('a data dir that cannot be used is one line', () => {
  inDataDir(folder => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => readConfig({ DASHOFFICE_DATA_DIR: join(folder, 'file') })).toThrow(
      /DASHOFFICE_DATA_DIR is .* which cannot be used/,
    )
  })
})
