import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Hono } from 'hono'
import { type Caller, openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import type { Database } from '../stores/postgres/database.ts'
import { makeCallers } from './callers.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

/** Which role the caller has, as a gateway on this database finds out. */
function askRoleOn(database: Database): (as: Caller) => Promise<string> {
  const callers = makeCallers({ ...gateway, database })
  const app = new Hono().get('/', async context => context.text((await callers.of(context))?.role ?? 'nobody'))
  return async as => await (await app.request('/', { headers: { authorization: `Bearer ${as.token}` } })).text()
}

test('who was looked up while they were changed is looked up again', async () => {
  const owner = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', owner.tenantId)
  const [wasRead, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slow: Database = {
    ...gateway.database,
    async read(scope, work) {
      const result = await gateway.database.read(scope, work)
      wasRead.resolve()
      await mayGoOn.promise
      return result
    },
  }
  const askRole = askRoleOn(slow)
  const first = askRole(agent)
  await wasRead.promise
  const changed = await gateway.call('PUT', `/api/users/${agent.userId}`, { as: owner, body: { role: 'viewer' } })
  expect(changed.status).toBe(200)
  mayGoOn.resolve()
  expect(await first).toBe('agent')
  expect(await askRole(agent)).toBe('viewer')
})

test('who is known is not read again, until they are changed or half a minute has passed', async () => {
  let [nowMs, reads] = [Date.now(), 0]
  const counting: Database = {
    ...gateway.database,
    read(scope, work) {
      reads++
      return gateway.database.read(scope, work)
    },
  }
  const as = await gateway.addCaller('admin')
  const callers = makeCallers({ ...gateway, database: counting, clock: { now: () => nowMs } })
  const app = new Hono().get('/', async context => context.text((await callers.of(context))?.role ?? 'nobody'))
  const ask = () => app.request('/', { headers: { authorization: `Bearer ${as.token}` } })
  await ask()
  await ask()
  expect(reads).toBe(1)
  nowMs += 30_000
  await ask()
  expect(reads).toBe(2)
  gateway.bus.publish('caller.changed', as.tenantId)
  await Promise.resolve()
  await ask()
  expect(reads).toBe(3)
})
