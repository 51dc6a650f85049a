import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { type Emulator, type EmulatorOptions, startEmulator } from '../../emulator/emulator.ts'
import { type App, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { makeTestLog } from './log.ts'
import { createTestDatabase, databaseUrl } from './postgres.ts'
import { encryptionKey, type Shop, seedShop } from './seed.ts'

/** A message as the emulator shows it. */
export type ChatMessage = {
  readonly seq: number
  readonly id: string
  readonly direction: 'inbound' | 'outbound'
  readonly status: string
  readonly content: { readonly type: string; readonly text?: string } & Record<string, unknown>
}

/** Every role in this process, the emulator beside them, and one shop whose bot is on it. */
export type Installation = {
  readonly app: App
  readonly emulator: Emulator
  /** Owns the database: sees everything. */
  readonly admin: SQL
  readonly shop: Shop
  readonly webhookUrl: string
  /** A customer writes; a text, or any content. Waits until the webhook was answered. */
  say(customer: string, content: string | object): Promise<void>
  /** Waits until a customer has at least `count` messages of the bot, and returns them all. */
  replies(customer: string, count: number): Promise<readonly ChatMessage[]>
  /** What the emulator was asked to send so far, refused sends included. */
  sends(): Promise<
    readonly {
      readonly body: Record<string, unknown>
      readonly status: number | null
      readonly message_id: string | null
    }[]
  >
  setFaults(faults: readonly object[]): Promise<void>
  /** Signs a body with the bot's secret, and hands it over as the provider would. */
  webhook(body: object): Promise<void>
  /** Nothing waits for its turn or to be sent. */
  settled(): Promise<void>
  stop(): Promise<void>
}

const waitMs = 15_000

export async function startInstallation(
  options: {
    readonly flow?: unknown
    readonly environment?: Readonly<Record<string, string>>
    readonly emulator?: Partial<EmulatorOptions>
    /** Another way to the database, for the app alone. */
    readonly reach?: (connection: PostgresConnection) => Promise<PostgresConnection>
  } = {},
): Promise<Installation> {
  const created = await createTestDatabase()
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  const emulator = await startEmulator({ port: 0, rates: 'off', ...options.emulator })
  const config = readConfig({
    DATABASE_URL: databaseUrl((await options.reach?.(created.connection)) ?? created.connection),
    DASHOFFICE_DATA_DIR: dataDir,
    ENCRYPTION_KEY: encryptionKey,
    META_BASE_URL: `${emulator.url}/v25.0`,
    OFFICIAL_BASE_URL: `${emulator.url}/d360`,
    TWILIO_BASE_URL: `${emulator.url}/twilio`,
    RATE_LIMIT_MESSAGES_PER_MINUTE: '100000',
    ...Object.fromEntries(['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS'].map(role => [`${role}_PORT`, '0'])),
    ...options.environment,
  })
  const admin = connect(created.connection, 2)
  const shop = await seedShop(admin, {
    number: '100000000000010',
    ...(options.flow !== undefined && { flow: options.flow }),
  })
  const app = await startApp(config, makeTestLog())
  const webhookUrl = `${app.urls.adapter}/webhooks/meta/${shop.botId}`
  await registerNumber(emulator.url, shop, webhookUrl)
  const phone = phoneOf(emulator.url, shop)
  return {
    ...{ app, emulator, admin, shop, webhookUrl },
    ...phone,
    async settled() {
      await until(async () => {
        const [row] = await admin`select (select count(*) from inbox where failed_reason is null) +
          (select count(*) from outbox) as waiting`
        return Number(row.waiting) === 0
      })
    },
    async stop() {
      await app.stop()
      await emulator.stop()
      await admin.close()
      await created.drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** What a customer and a test do at the emulator. */
export function phoneOf(emulatorUrl: string, shop: Shop) {
  const control = `${emulatorUrl}/emulator`
  const number = shop.number.phone_number_id
  return {
    async say(customer: string, content: string | object): Promise<void> {
      const body = typeof content === 'string' ? { type: 'text', text: content } : content
      const url = `${control}/customers/${customer}/messages?number=${number}&wait=delivered`
      const answer = await json(url, 'POST', body)
      if (answer.delivered !== true) throw new Error(`the webhook of ${customer} was not taken`)
    },
    async replies(customer: string, count: number): Promise<readonly ChatMessage[]> {
      let last: readonly ChatMessage[] = []
      await until(async () => {
        const { data } = await json(`${control}/chats/${number}/${encodeURIComponent(customer)}/messages`, 'GET')
        last = data.filter((message: ChatMessage) => message.direction === 'outbound')
        return last.length >= count
      })
      return last
    },
    async sends() {
      return (await json(`${control}/requests?number=${number}`, 'GET')).data
    },
    async webhook(body: object): Promise<void> {
      const answer = await json(`${control}/numbers/${number}/webhooks`, 'POST', { body })
      if (answer.delivered !== 1) throw new Error('the webhook was not taken')
    },
    async setFaults(faults: readonly object[]): Promise<void> {
      await json(`${control}/faults`, 'PUT', faults)
    },
  }
}

export async function registerNumber(emulatorUrl: string, shop: Shop, webhookUrl: string): Promise<void> {
  const { phone_number_id, ...secrets } = shop.number
  const answer = await json(`${emulatorUrl}/emulator/numbers/${phone_number_id}`, 'PUT', {
    display_phone_number: '34910000010',
    webhook_url: webhookUrl,
    ...secrets,
  })
  if (answer.verified !== true) throw new Error(`the webhook was not verified: ${answer.reason}`)
}

/** Waits until a condition holds. Throws after a while, with the last error. */
export async function until(condition: () => boolean | Promise<boolean>, ms: number = waitMs): Promise<void> {
  let last: unknown = 'it never held'
  for (const end = Date.now() + ms; Date.now() < end; await Bun.sleep(10)) {
    try {
      if (await condition()) return
    } catch (error) {
      last = error
    }
  }
  throw new Error(`waited ${ms} ms: ${last}`)
}

// biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is checked by the test.
async function json(url: string, method: string, body?: unknown): Promise<any> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`)
  return response.status === 204 ? null : await response.json()
}
