import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { systemClock } from '../lib/clock.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { type LoggedIn, login, refresh, type Session, type SessionOptions } from './sessions.ts'
import { changePassword } from './set-password.ts'
import { addTenant } from './tenants.ts'
import { addUser } from './users.ts'

const origin = { address: null, userAgent: null, requestId: 'request', at: new Date() }
const password = 'a long password'
const hash = Bun.password.hashSync(password, { algorithm: 'bcrypt', cost: 4 })

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let options: SessionOptions
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 1)
  options = { database, clock: systemClock, ids: uuids, secret: 'a-secret-for-tests-of-32-bytes-or-more' }
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

type User = { readonly tenantId: string; readonly userId: string; readonly email: string }

async function addPerson(): Promise<User> {
  const [tenantId, userId] = [uuids.next(), uuids.next()]
  const email = `${userId}@example.com`
  await database.transaction({ role: 'app', tenantId }, async tx => {
    await addTenant(tx, { id: tenantId, name: 'T' })
    await addUser(tx, { tenantId, id: userId, name: 'N', email, passwordHash: hash, role: 'owner' })
  })
  return { tenantId, userId, email }
}

function sessionOf(loggedIn: LoggedIn): Session {
  if (loggedIn.kind !== 'opened') throw new Error('not logged in')
  return loggedIn.session
}

function change({ tenantId, userId }: User, checkedHash = hash): Promise<boolean> {
  const given = { tenantId, userId, loginId: null, checkedHash, passwordHash: 'another', nowMs: Date.now() }
  return database.transaction({ role: 'app', tenantId }, tx => changePassword(tx, given))
}

/** The database, whose transactions that change something are held open before they are committed. */
function held() {
  const [isReady, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding: Database = {
    ...database,
    transaction: (scope, work) =>
      database.transaction(scope, async tx => {
        const result = await work(tx)
        isReady.resolve()
        await mayCommit.promise
        return result
      }),
  }
  return { database: holding, isReady: isReady.promise, commit: mayCommit.resolve }
}

async function somebodyWaits(): Promise<void> {
  await until(async () => {
    const [row] = await admin`select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    return row.waiting > 0
  })
}

test('a login that is renewed while the password is changed ends too', async () => {
  const person = await addPerson()
  const before = sessionOf(await login(options, { email: person.email, password }, origin))
  const slow = held()
  const renewing = refresh({ ...options, database: slow.database }, before.refresh_token)
  await slow.isReady
  const changing = change(person)
  await somebodyWaits()
  slow.commit()
  expect(await changing).toBe(true)
  const renewed = await renewing
  if (renewed.kind !== 'refreshed') throw new Error('not renewed')
  expect((await refresh(options, renewed.session.refresh_token)).kind).toBe('reused')
})

test('a login that begins while the password is changed ends too', async () => {
  const person = await addPerson()
  const slow = held()
  const opening = login({ ...options, database: slow.database }, { email: person.email, password }, origin)
  await slow.isReady
  const changing = change(person)
  await somebodyWaits()
  slow.commit()
  expect(await changing).toBe(true)
  expect((await refresh(options, sessionOf(await opening).refresh_token)).kind).toBe('reused')
})

test('a password that was right when it was checked, and is not any more, opens nothing', async () => {
  const person = await addPerson()
  const late: Database = {
    ...database,
    async read(scope, work) {
      const found = await database.read(scope, work)
      await change(person)
      return found
    },
  }
  const refused = await login({ ...options, database: late }, { email: person.email, password }, origin)
  expect(refused.kind).toBe('refused')
  expect(await change(person)).toBe(false)
  expect(await change(person, 'another')).toBe(true)
})
