import { Hono } from 'hono'
import * as v from 'valibot'
import { findTenant, lockTenant, updateTenant } from '../../identity/tenants.ts'
import { invalid } from '../../lib/check-fields.ts'
import { answerChange } from '../change.ts'
import { named, writtenAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { readOnly, text, time, uuid } from '../schemas.ts'
import { body, conditional, describe, found, makeGuard, mustMatch } from '../steps.ts'

const timeZoneMessage = 'Must be a time zone of IANA, like America/Bogota'

const timeZone = writtenAs(
  { type: 'string', maxLength: 64, description: 'IANA, as in America/Bogota' },
  v.pipe(v.string('Must be a text'), v.maxLength(64, timeZoneMessage), v.check(isTimeZone, timeZoneMessage)),
)

/** By name: a bare offset knows no summer time. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export const tenant = named(
  'Tenant',
  v.strictObject({
    id: uuid,
    name: v.string(),
    time_zone: v.string(),
    requests_per_minute: v.pipe(
      v.nullable(v.number()),
      v.description("What the API takes of all its users together; null is the installation's limit"),
    ),
    created_at: time,
  }),
)
const tenantChanges = v.strictObject({
  name: v.optional(text(100)),
  time_zone: v.optional(timeZone),
  ...readOnly('id', 'requests_per_minute', 'created_at'),
})

const tag = 'Tenant'

export function tenantRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ id: 'getTenant', tag, summary: 'The business whose users all of them are', answers: { 200: tenant } }),
    // Its limit is changed from outside of the API.
    may('tenant:read', { isFresh: true }),
    async context => {
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findTenant(tx, tenantId))
      return context.json(found(one, 'tenant'))
    },
  )
  app.put(
    '/',
    describe({
      id: 'updateTenant',
      tag,
      summary: 'Change the name or the time zone',
      description: 'Fields that are left out stay as they are.',
      answers: { 200: tenant },
    }),
    may('tenant:write'),
    conditional,
    body(tenantChanges),
    async context => {
      const { name, time_zone } = context.req.valid('json')
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockTenant(tx, tenantId), 'tenant')
        mustMatch(context, before)
        const after = await updateTenant(tx, before, { name, time_zone })
        if (after === undefined) throw invalid([{ path: 'time_zone', message: timeZoneMessage }])
        record({ action: 'tenant.updated', resource: 'tenant', id: tenantId, before, after })
        return after
      })
    },
  )
  return app
}
