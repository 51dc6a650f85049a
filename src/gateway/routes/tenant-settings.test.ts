import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, openTestGateway, type TestGateway } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const path = '/api/tenant/settings'

test('are those of a shop that said nothing yet, until they are changed', async () => {
  const as = await gateway.addCaller()
  expect((await gateway.call('GET', path, { as })).json).toEqual({
    language: 'es',
    country_code: null,
    currency: null,
    hours: null,
    holidays: [],
    words: {},
    texts: {},
    handoff: {},
    retention: {},
    reports: {},
  })
  const hours = {
    mon: [
      ['09:00', '14:00'],
      ['17:00', '24:00'],
    ],
    sat: [],
  }
  const holidays = [
    { date: '2026-12-25', name: 'Navidad' },
    { date: '2026-12-24', hours: [['09:00', '12:00']] },
  ]
  const words = { stop: ['no más'], menu: [] }
  const body = { hours, holidays, words, country_code: '34', currency: 'EUR', handoff: { waiting_timeout: '2h' } }
  const changed = await gateway.call('PUT', path, { as, body })
  expect(changed.json).toMatchObject({ language: 'es', ...body })
  expect((await gateway.call('GET', path, { as })).json).toEqual(changed.json)
  const again = await gateway.call('PUT', path, { as, body: { hours: null, language: 'pt' } })
  expect(again.json).toMatchObject({ hours: null, language: 'pt', currency: 'EUR', words })
})

test('an agent reads them, and does not change them; another tenant has its own', async () => {
  const owner = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', owner.tenantId)
  await gateway.call('PUT', path, { as: owner, body: { language: 'en' } })
  expect(at(await gateway.call('GET', path, { as: agent }), 'language')).toBe('en')
  expect((await gateway.call('PUT', path, { as: agent, body: { language: 'pt' } })).status).toBe(403)
  expect(at(await gateway.call('GET', path, { as: await gateway.addCaller() }), 'language')).toBe('es')
})

test.each([
  [{ language: 'fr' }, 'language'],
  [{ country_code: '0034' }, 'country_code'],
  [{ currency: 'PESO' }, 'currency'],
  [{ hours: { mon: [['9:00', '14:00']] } }, 'hours.mon.0.0'],
  [{ hours: { mon: [['14:00', '09:00']] } }, 'hours.mon.0'],
  [
    {
      hours: {
        mon: [
          ['09:00', '14:00'],
          ['13:00', '15:00'],
        ],
      },
    },
    'hours.mon',
  ],
  [{ hours: { lunes: [] } }, 'hours.lunes'],
  [{ holidays: [{ date: '2026-02-30' }] }, 'holidays.0.date'],
  [{ holidays: [{ date: '2026-12-25' }, { date: '2026-12-25' }] }, 'holidays'],
  [{ words: { stop: ['…'] } }, 'words.stop.0'],
  [{ words: { stopp: [] } }, 'words.stopp'],
  // A word of two kinds, case and accents aside; the language's own where a kind is left out; what stops and starts always.
  [{ words: { cancel: ['nada', 'Fuera'], stop: ['fuera!'] } }, 'words.cancel.1'],
  [{ words: { start: ['hola', 'MENÚ'] } }, 'words.start.1'],
  [{ words: { menu: ['menú', 'baja'], stop: [] } }, 'words.menu.1'],
  [{ words: { stop: ['alta'] } }, 'words.stop.0'],
  [{ language: 'en', words: { stop: ['cancel'] } }, 'words.stop.0'],
  [{ texts: { stopped: ' ' } }, 'texts.stopped'],
  [{ handoff: { waiting_timeout: '10s' } }, 'handoff.waiting_timeout'],
  [{ handoff: { agent_timeout: '40d' } }, 'handoff.agent_timeout'],
  [{ retention: { conversations_days: 6 } }, 'retention.conversations_days'],
  [{ retention: { audit_days: 29 } }, 'retention.audit_days'],
  [{ retention: { logs_days: 0 } }, 'retention.logs_days'],
  [{ retention: { reports_days: 30.5 } }, 'retention.reports_days'],
  [{ retention: { conversations_days: 3_651 } }, 'retention.conversations_days'],
  [{ retention: { customers_days: 30 } }, 'retention.customers_days'],
  [{ reports: { emails: ['owner'] } }, 'reports.emails.0'],
  [{ reports: { emails: ['a@shop.example\r\nBcc: b@shop.example'] } }, 'reports.emails.0'],
  [{ reports: { emails: ['a@shop.example', 'a@shop.example'] } }, 'reports.emails'],
  [{ reports: { emails: Array.from({ length: 11 }, (_, index) => `a${index}@shop.example`) } }, 'reports.emails'],
  [{ colour: 1 }, 'colour'],
])('%j is refused, and the field named', async (body, field) => {
  const as = await gateway.addCaller()
  const refused = await gateway.call('PUT', path, { as, body })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, field])
  expect(at(await gateway.call('GET', path, { as }), 'language')).toBe('es')
})

test('of two who read the same and change it, the second is refused; each change is in the audit log', async () => {
  const as = await gateway.addCaller()
  const etag = (await gateway.call('GET', path, { as })).headers.get('etag') ?? ''
  const put = (language: string) => gateway.call('PUT', path, { as, body: { language }, headers: { 'if-match': etag } })
  const statuses = (await Promise.all([put('en'), put('pt')])).map(answer => answer.status)
  expect(statuses.sort()).toEqual([200, 412])
  const audit = await gateway.call('GET', '/api/audit?action=tenant.settings_updated', { as })
  expect(at(audit, 'data.0.before.language')).toBe('es')
})

test('words are held against those of the language, also when only that is changed', async () => {
  const as = await gateway.addCaller()
  const put = (body: object) => gateway.call('PUT', path, { as, body })
  expect((await put({ words: { start: ['hola'], menu: ['subscribe'], stop: ['baja', 'no más'] } })).status).toBe(200)
  const refused = await put({ language: 'en', words: { menu: ['subscribe'] } })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'words.menu.0'])
  const bySettings = await put({ words: { menu: ['subscribe'] } })
  expect(bySettings.status).toBe(200)
  expect([(await put({ language: 'en' })).status, (await put({ texts: {} })).status]).toEqual([422, 200])
})
