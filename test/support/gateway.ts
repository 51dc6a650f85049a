import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSettings } from '../../src/config.ts'
import { type Gateway, makeGateway } from '../../src/gateway/gateway.ts'
import type { Env, GatewayOptions } from '../../src/gateway/options.ts'
import { signAccessToken } from '../../src/identity/access-token.ts'
import type { Role } from '../../src/identity/permissions.ts'
import { issueRefreshToken } from '../../src/identity/refresh-tokens.ts'
import { addTenant } from '../../src/identity/tenants.ts'
import { addUser } from '../../src/identity/users.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { type Server, serve } from '../../src/lib/serve.ts'
import { makeMediaLinks } from '../../src/messaging/media-links.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeFiles } from '../../src/stores/files.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryMetricsCache } from '../../src/stores/memory/metrics-cache.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { connect, openDatabase } from '../../src/stores/postgres/database.ts'
import { makePostgresLogStore } from '../../src/stores/postgres/log-store.ts'
import { type ApiDocument, faultsOf } from './api-document.ts'
import { makeTestLog } from './log.ts'
import { createTestDatabase } from './postgres.ts'

const encryptionKey = 'an-encryption-key-for-tests-of-32-bytes'
const secret = 'a-secret-for-tests-of-32-bytes-or-more'

/** Of every user that `addCaller` makes; hashed at the least cost. */
export const testPassword = 'a password for tests'
const hashOfTestPassword = Bun.password.hashSync(testPassword, { algorithm: 'bcrypt', cost: 4 })

/** A user of a tenant, as the gateway knows them. */
export type Caller = {
  readonly tenantId: string
  readonly userId: string
  readonly loginId: string
  readonly token: string
}

/** A request: a body that is no string goes as JSON. */
export type Call = {
  readonly as?: Caller
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer, read. */
export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: unknown
}

/** The value at a place like `data.0.id` in an answer; undefined where there is none. */
export function at(answer: Answer, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (value === null || typeof value !== 'object' ? undefined : Reflect.get(value, key)),
      answer.json,
    )
}

/** The same, for a text that must be there. */
export function textAt(answer: Answer, path: string): string {
  const value = at(answer, path)
  if (typeof value !== 'string') throw new Error(`No text at ${path} of ${answer.status} ${answer.text}`)
  return value
}

/** The values under a key of each item of a list's answer. */
export function column(answer: Answer, key: string): unknown[] {
  const data = at(answer, 'data')
  return Array.isArray(data) ? data.map(item => item[key]) : []
}

export type TestGateway = Awaited<ReturnType<typeof openTestGateway>>

/**
 * A gateway on a database of its own, called without a socket. Every answer is held against the API document: one
 * that it does not describe is an error of the test.
 */
export async function openTestGateway(changes: Partial<GatewayOptions> = {}) {
  const { connection, drop } = await createTestDatabase()
  const metrics = makeMetrics()
  const [bus, gate] = [changes.bus ?? makeMemoryBus(), changes.gate ?? makeMemoryGate(changes.clock ?? systemClock)]
  const log = makeTestLog()
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  const database = openDatabase(connection, metrics)
  const parts: GatewayOptions = {
    config: {
      ...readSettings({}),
      JWT_SECRET: secret,
      RATE_LIMIT_API_PER_MINUTE: 1_000_000,
      RATE_LIMIT_AUTH_PER_5_MINUTES: 1_000_000,
    },
    database,
    ...{ bus, gate, feed: makeFeed({ bus, gate, log }), log },
    metricsCache: makeMemoryMetricsCache(changes.clock ?? systemClock),
    logs: makePostgresLogStore({ database, clock: systemClock, keptDays: 30 }),
    clock: systemClock,
    ids: uuids,
    metrics,
    sealer: makeSealer(encryptionKey),
    files: makeFiles(join(dataDir, 'media')),
    links: makeMediaLinks({ encryptionKey, publicUrl: 'http://adapter.test' }),
    health: async () => healthy,
    ...changes,
  }
  const gateway = makeGateway(parts)
  const admin = connect(connection, 1)
  const fetch = (path: string, init?: RequestInit, peer?: Env['Bindings']) =>
    gateway.fetch(new Request(`http://gateway.test${path}`, init), peer)
  const api: ApiDocument = await (await fetch('/openapi.json')).json()

  async function call(method: string, path: string, { as, body, headers }: Call = {}): Promise<Answer> {
    const response = await fetch(path, {
      method,
      headers: {
        ...(as && { authorization: `Bearer ${as.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const answer = { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
    const faults = faultsOf(api, method, path.replace(/\?.*/, ''), answer)
    if (faults.length > 0)
      throw new Error(`${method} ${path} → ${answer.status} is not as documented: ${faults.join('; ')}\n${text}`)
    return answer
  }

  /** A user with this role, of a new tenant unless one is given. */
  async function addCaller(role: Role = 'owner', tenantId?: string): Promise<Caller> {
    const [tenant, userId, loginId] = [tenantId ?? uuids.next(), uuids.next(), uuids.next()]
    await parts.database.transaction({ role: 'app', tenantId: tenant }, async tx => {
      if (tenantId === undefined) await addTenant(tx, { id: tenant, name: 'Test' })
      const user = { tenantId: tenant, id: userId, name: role, email: `${userId}@example.com`, role }
      await addUser(tx, { ...user, passwordHash: hashOfTestPassword })
      await issueRefreshToken(tx, uuids, { tenantId: tenant, userId, familyId: loginId, nowMs: parts.clock.now() })
    })
    return renewed({ tenantId: tenant, userId, loginId })
  }

  /** The same user with a token of now. */
  function renewed({ tenantId, userId, loginId }: Omit<Caller, 'token'>): Caller {
    const login = { userId, tenantId, loginId }
    return { ...login, token: signAccessToken(login, secret, parts.clock.now()) }
  }

  return {
    ...parts,
    connection,
    dataDir,
    api,
    fetch,
    call,
    /** Listens on a port, for what takes a real connection. */
    listen: () => listen(gateway),
    /** The same for another gateway of the same parts, but for some. */
    another: (others: Partial<GatewayOptions>) => listen(makeGateway({ ...parts, ...others })),
    addCaller,
    renewed,
    /** Owns the database: sees everything. */
    admin,
    async setRequestsPerMinute(tenantId: string, limit: number) {
      await admin`update tenants set requests_per_minute = ${limit} where id = ${tenantId}`
    },
    async close() {
      await admin.close()
      await parts.database.close()
      await parts.bus.close()
      await parts.gate.close()
      await drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function listen({ fetch, sockets, drain }: Gateway): Server {
  return serve({ host: '127.0.0.1', port: 0, setting: 'none', fetch, sockets, onStop: drain })
}

const healthy = {
  status: 'ok',
  version: '0.0.0',
  uptime: 1,
  memory_mb: 50,
  database: 'embedded',
  redis: 'embedded',
  mongodb: 'embedded',
} as const
