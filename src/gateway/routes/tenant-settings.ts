import { Hono } from 'hono'
import * as v from 'valibot'
import { invalid } from '../../lib/check-fields.ts'
import {
  findSettings,
  lockSettings,
  reportEmailsMax,
  saveSettings,
  settingsEntries,
  type TenantSettings,
  wordFaults,
} from '../../messaging/tenant-settings.ts'
import { answerChange } from '../change.ts'
import { named, writtenAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { currency } from '../schemas.ts'
import { body, conditional, describe, found, makeGuard, mustMatch } from '../steps.ts'

const timeOfDay = { type: 'string', pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$' }
const span = { type: 'array', items: timeOfDay, minItems: 2, maxItems: 2, description: 'From one to a later one' }
const spans = { type: 'array', items: span, maxItems: 6 }
const week = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map(day => [day, spans])
const words = { type: 'array', maxItems: 30, items: { type: 'string', minLength: 1, maxLength: 100, pattern: '\\S' } }
const duration = {
  anyOf: [{ type: 'string', pattern: '^[1-9][0-9]{0,6}[smhd]$' }, { type: 'null' }],
  description: 'Like 30m or 2h, from 1m to 30d; null: as long as it takes',
}

/** What the checks of the fields mean, in JSON Schema. */
const entries = {
  ...settingsEntries,
  currency: v.nullable(currency),
  hours: writtenAs(
    {
      anyOf: [
        { type: 'object', properties: Object.fromEntries(week), additionalProperties: false },
        { type: 'null', description: 'Always open' },
      ],
      description: 'Opening hours by day of the week, in the time zone of the tenant; a day that is left out is closed',
    },
    settingsEntries.hours,
  ),
  words: writtenAs(
    {
      type: 'object',
      properties: Object.fromEntries(['menu', 'cancel', 'agent', 'stop', 'start'].map(kind => [kind, words])),
      additionalProperties: false,
      description:
        "Instead of the language's own words for the same; each has a letter, a digit or a symbol, and is of one kind only",
    },
    settingsEntries.words,
  ),
  holidays: writtenAs(
    {
      type: 'array',
      maxItems: 200,
      description: 'Days on which `hours` do not hold: closed, or open as their own `hours` say',
      items: {
        type: 'object',
        properties: {
          date: { type: 'string', format: 'date' },
          name: { type: 'string', maxLength: 100 },
          hours: spans,
        },
        required: ['date'],
        additionalProperties: false,
      },
    },
    settingsEntries.holidays,
  ),
  handoff: writtenAs(
    {
      type: 'object',
      properties: { waiting_timeout: duration, agent_timeout: duration },
      additionalProperties: false,
      description:
        'How long a customer waits for a person to take the conversation (then the bot goes on), and for one who has it to answer (then it waits for others)',
    },
    settingsEntries.handoff,
  ),
  retention: v.pipe(
    settingsEntries.retention,
    v.description(
      'Days that are kept: conversations since they were closed, with messages and files, the audit log, logs and analytics events, reports. Null: as long as there is the tenant; logs as long as the installation says, at most',
    ),
  ),
  reports: writtenAs(
    {
      type: 'object',
      properties: {
        emails: {
          type: 'array',
          items: { type: 'string', format: 'email', maxLength: 254 },
          maxItems: reportEmailsMax,
          uniqueItems: true,
        },
      },
      additionalProperties: false,
      description: 'Whom the daily and weekly reports are sent to, where the installation sends mail',
    },
    settingsEntries.reports,
  ),
}

const settings = named('TenantSettings', v.strictObject(entries))
const changes = v.partial(v.strictObject(entries))
const tag = 'Tenant'

export function tenantSettingsRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'getTenantSettings',
      tag,
      summary: 'How the business talks: language, opening hours, words',
      answers: { 200: settings },
    }),
    may('tenant:read'),
    async context => {
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findSettings(tx, tenantId))
      return context.json(found(one, 'tenant'))
    },
  )
  app.put(
    '/',
    describe({
      id: 'updateTenantSettings',
      tag,
      summary: 'Change how the business talks',
      description: 'Fields that are left out stay as they are; each that is given is replaced as a whole.',
      answers: { 200: settings },
    }),
    may('tenant:write'),
    conditional,
    body(changes),
    async context => {
      const given = context.req.valid('json')
      const response = await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockSettings(tx, tenantId), 'tenant')
        mustMatch(context, before)
        const after: TenantSettings = { ...before, ...withoutUndefined(given) }
        const faults = given.words === undefined && given.language === undefined ? [] : wordFaults(after)
        if (faults.length > 0) throw invalid(faults)
        await saveSettings(tx, tenantId, after)
        record({ action: 'tenant.settings_updated', resource: 'tenant', id: tenantId, before, after })
        return after
      })
      parts.bus.publish('tenant.changed', context.get('caller').tenantId)
      return response
    },
  )
  return app
}

/** A field that is undefined was left out. */
function withoutUndefined(given: object): Partial<TenantSettings> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
