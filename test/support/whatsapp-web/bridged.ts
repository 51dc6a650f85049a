import type { SQL } from 'bun'
import { makeSealer } from '../../../src/lib/crypto.ts'
import { makeGuardedFetch } from '../../../src/lib/guarded-fetch.ts'
import { uuids } from '../../../src/lib/ids.ts'
import { makeMetrics } from '../../../src/lib/metrics.ts'
import { connect, openDatabase } from '../../../src/stores/postgres/database.ts'
import { type Bridge, startBridge } from '../../../src/whatsapp/baileys/bridge.ts'
import { loadLibrary } from '../../../src/whatsapp/baileys/library.ts'
import { bridgeToken } from '../../../src/whatsapp/baileys/protocol.ts'
import type { SessionLimits } from '../../../src/whatsapp/baileys/sessions.ts'
import type { ProviderBot, Webhook, WhatsAppProvider } from '../../../src/whatsapp/provider.ts'
import { baileysProvider } from '../../../src/whatsapp/providers/baileys.ts'
import { until } from '../installation.ts'
import { makeTestLog } from '../log.ts'
import { createTestDatabase } from '../postgres.ts'
import { encryptionKey } from '../seed.ts'
import { startWhatsAppWeb, type WhatsAppWeb } from './server.ts'

/** The bridge, the provider that asks it, and WhatsApp Web; in the adapter's place what it was told. */
export type Bridged = {
  readonly web: WhatsAppWeb
  readonly admin: SQL
  readonly token: string
  readonly adapter: TestAdapter
  readonly connection: Awaited<ReturnType<typeof createTestDatabase>>['connection']
  /** Another bridge on the same database. */
  startBridge(limits?: SessionLimits): Bridge
  /** The provider, which asks this bridge. */
  providerOf(url: string | (() => string | null)): WhatsAppProvider
  makeBot(options?: { readonly phone?: string; readonly status?: string }): Promise<ProviderBot>
  /** Pairs a bot by its QR code, and waits until its device can be written to. */
  pair(provider: WhatsAppProvider, bot: ProviderBot, number: string): Promise<void>
  stop(): Promise<void>
}

/** What the adapter does with what the bridge tells: has the provider read it. */
export type TestAdapter = {
  readonly url: string
  /** All that it took, as the provider read it. */
  readonly taken: Webhook
  /** What it answers instead of taking anything; null: it takes. */
  refuseWith: number | null
  /** How often it was asked. */
  asked(): number
}

export const fastLimits: SessionLimits = { sessionsMax: 50, leaseMs: 4_000, renewMs: 200 }

export async function startBridged(): Promise<Bridged> {
  const created = await createTestDatabase()
  const { connection } = created
  const [admin, metrics] = [connect(connection, 2), makeMetrics()]
  const database = openDatabase(connection, metrics)
  const web = startWhatsAppWeb()
  const token = bridgeToken(encryptionKey)
  const library = await loadLibrary()
  const adapter = startTestAdapter(token)
  const bridges: Bridge[] = []

  function providerOf(url: string | (() => string | null)): WhatsAppProvider {
    const bridge = { token, url: async () => (typeof url === 'string' ? url : url()), problem: () => null }
    return baileysProvider({ bridge, guardedFetch: makeGuardedFetch({ allowsPrivate: true }) })
  }

  return {
    ...{ web, admin, token, adapter, connection, providerOf },
    startBridge(limits = fastLimits) {
      const bridge = startBridge({
        ...{ library, database, metrics, token, limits },
        sealer: makeSealer(encryptionKey),
        log: makeTestLog(),
        ...{ host: '127.0.0.1', port: 0 },
        adapterUrl: adapter.url,
        webSocketUrl: web.url,
      })
      bridges.push(bridge)
      return bridge
    },
    async makeBot({ phone, status = 'connecting' } = {}) {
      const [tenantId, id] = [uuids.next(), uuids.next()]
      await admin`insert into tenants (id, name) values (${tenantId}, 'Shop')`
      await admin`insert into bots (tenant_id, id, name, provider, config, status, pairing_phone)
        values (${tenantId}, ${id}, 'Bot', 'baileys', '{}', ${status}, ${phone ?? null})`
      return { tenantId, id, config: {} }
    },
    async pair(provider, bot, number) {
      let code: string | null | undefined
      await until(async () => {
        const shown = await provider.connect?.(bot, { phone: null }, AbortSignal.timeout(10_000))
        if (shown?.kind === 'pairing') code = shown.qr
        return code !== undefined
      })
      web.account(number).scan(code ?? '')
      await until(async () => (await provider.getStatus(bot, AbortSignal.timeout(5_000))).kind === 'connected')
      await until(() => web.account(number).hasKeys())
    },
    async stop() {
      await Promise.all(bridges.map(bridge => bridge.stop()))
      await web.stop()
      await adapter.stop()
      await database.close()
      await admin.close()
      await created.drop()
    },
  }
}

function startTestAdapter(token: string): TestAdapter & { stop(): Promise<void> } {
  const reader = baileysProvider({
    bridge: { token, url: async () => null, problem: () => null },
    guardedFetch: makeGuardedFetch({ allowsPrivate: true }),
  })
  const taken = { messages: [], phoneMessages: [], statuses: [], connection: null, ignored: [] } as {
    -readonly [K in keyof Webhook]: Webhook[K] extends readonly (infer T)[] ? T[] : Webhook[K]
  }
  const state: { refuseWith: number | null; asked: number } = { refuseWith: null, asked: 0 }

  async function take(request: Request): Promise<number> {
    state.asked++
    if (state.refuseWith !== null) return state.refuseWith
    const body = new Uint8Array(await request.arrayBuffer())
    const id = new URL(request.url).pathname.split('/').at(-1) ?? ''
    const bot = { tenantId: '', id, config: {} }
    const handled = await reader.handleWebhook({ headers: request.headers, body, url: request.url }, bot)
    if (handled.kind === 'refused') return 401
    taken.messages.push(...handled.webhook.messages)
    taken.phoneMessages.push(...handled.webhook.phoneMessages)
    taken.statuses.push(...handled.webhook.statuses)
    taken.ignored.push(...handled.webhook.ignored)
    taken.connection = handled.webhook.connection ?? taken.connection
    return 200
  }

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async request => new Response(null, { status: await take(request) }),
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    taken,
    set refuseWith(status: number | null) {
      state.refuseWith = status
    },
    get refuseWith() {
      return state.refuseWith
    },
    asked: () => state.asked,
    stop: () => server.stop(true),
  }
}
