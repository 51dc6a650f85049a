import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { emulatedSides, publicUrl } from '../support/lines.ts'
import { echoFlow } from '../support/seed.ts'

// An Evolution server answers nothing until its licence is activated: what its bots have to say waits.

let shop: Installation
beforeAll(async () => {
  const environment = { PUBLIC_URL: publicUrl, ALLOW_PRIVATE_URLS: 'true' }
  shop = await startInstallation({ flow: echoFlow, environment })
})
afterAll(() => shop.stop())

async function requireLicense(license_required: boolean): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ license_required })
  const response = await fetch(`${shop.emulator.url}/emulator/evolution`, { method: 'PUT', headers, body })
  if (!response.ok) throw new Error(await response.text())
}

test('what a bot has to say waits for the licence with the reason, is not lost, and goes out once it is there', async () => {
  const evolution = emulatedSides.find(side => side.provider === 'evolution')
  if (evolution === undefined) throw new Error('there is no Evolution')
  const line = await evolution.open(shop, '34600200001')
  await line.say('hello')
  await line.shown(1)
  await requireLicense(true)
  await line.say('still there?')
  const bot = async () => (await shop.admin`select status, status_reason from bots where id = ${line.botId}`)[0]
  await until(async () => (await bot()).status === 'connecting' && /licence/.test((await bot()).status_reason))
  const [held] = await shop.admin`select status from messages
    where bot_id = ${line.botId} and direction = 'outbound' order by id desc limit 1`
  expect(held.status).toBe('queued')
  await requireLicense(false)
  // It is asked for again half a minute later at the latest; a person who is in a hurry connects it, which counts before
  // what a check finds that is under way.
  await shop.admin`update bots set check_due_at = now(), updated_at = now() where id = ${line.botId}`
  const shown = await line.shown(2)
  expect(shown.map(one => one.content.text)).toEqual(['You said: hello', 'You said: still there?'])
}, 60_000)
