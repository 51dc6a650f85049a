import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { freePort } from '../../test/support/process.ts'
import { readMail, startTestSmtp, type TestSmtp } from '../../test/support/smtp.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import type { Kpis } from '../messaging/analytics/kpis.ts'
import { changesOf, ordersBeside, type ReportData } from '../messaging/analytics/report-data.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { type Mailer, makeMailer } from './mailer.ts'
import { sendReportMails } from './send-report-mails.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
let smtp: TestSmtp
const never = new AbortController().signal

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  database = openDatabase(created.connection, makeMetrics())
})
beforeEach(async () => {
  await admin`delete from reports`
  smtp = startTestSmtp()
})
afterEach(() => smtp.stop())
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

function mailerOf(url: string): Mailer {
  const mailer = makeMailer({ SMTP_URL: url, MAIL_FROM: 'DashOffice <reports@office.example>' })
  if (mailer === undefined) throw new Error('no mailer')
  return mailer
}

const send = (url = `smtp://127.0.0.1:${smtp.port}`) =>
  sendReportMails({ database, log: makeTestLog(), mailer: mailerOf(url) }, never)

const kpis = (inbound: number): Kpis => ({
  messages: { total: inbound + 2_000, inbound, outbound: 2_000 },
  ...{ error_rate: 0.015, avg_response_ms: 900, p95_response_ms: 2_100, active_bots: 1 },
  ...{ conversions: 3, conversion_rate: 0.25 },
  engagement_by_hour: Array.from({ length: 24 }, () => 0),
})
const data: ReportData = {
  ...{ kpis: kpis(1_500), before: kpis(1_200), change: changesOf(kpis(1_500), kpis(1_200)) },
  ...{ providers: [], flows: [] },
  orders: ordersBeside(
    [{ currency: 'EUR', orders: 2, revenue_minor: 123_450, cancelled: 0 }],
    [{ currency: 'EUR', orders: 4, revenue_minor: 246_900, cancelled: 0 }],
  ),
  top_products: [{ product_id: uuids.next(), name: 'Café con\nleche', quantity: 7, currency: 'EUR', revenue_minor: 1 }],
}

async function addReport(
  addresses: readonly string[],
  language = 'es',
  name = 'Panadería Ñandú',
  kind = 'daily',
): Promise<string> {
  const [tenant, report] = [uuids.next(), uuids.next()]
  await admin`insert into tenants (id, name, time_zone, settings)
    values (${tenant}, ${name}, 'America/Bogota', ${JSON.stringify({ language })}::text::jsonb)`
  await admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    values (${tenant}, ${report}, ${kind}, '2026-03-09'::date + ${kind === 'daily' ? 1 : 0}::int, now(), now(), 'America/Bogota', ${JSON.stringify(data)}::text::jsonb)`
  for (const address of addresses)
    await admin`insert into report_mails (tenant_id, report_id, address) values (${tenant}, ${report}, ${address})`
  return report
}

type MailRow = { address: string; state: string; attempts: number; error: string | null; waits: number }

async function stateOf(report: string): Promise<MailRow[]> {
  const rows: MailRow[] = await admin`select address, state, attempts, error,
    extract(epoch from due_at - now())::int as waits from report_mails where report_id = ${report} order by address`
  return [...rows]
}

test('each address gets the report once: the main figures in the language of the business, and all in a file', async () => {
  const report = await addReport(['a@shop.example', 'b@shop.example'])
  await send()
  await send()
  expect(smtp.taken.map(mail => mail.to).sort()).toEqual([['a@shop.example'], ['b@shop.example']])
  expect((await stateOf(report)).map(one => [one.state, one.attempts])).toEqual([
    ['sent', 1],
    ['sent', 1],
  ])
  const [mail] = smtp.taken
  expect(mail?.from).toBe('reports@office.example')
  const { headers, parts } = readMail(mail ?? { from: '', to: [], data: '' })
  expect(headers).toContain('Subject: Informe diario: martes, 10 de marzo de 2026 · Panadería Ñandú')
  expect(headers).toContain('From: DashOffice <reports@office.example>')
  expect(headers).toMatch(new RegExp(`Message-ID: <report\\.${report}\\.\\w+@office\\.example>`, 'i'))
  expect(parts[0]?.replaceAll('\r\n', '\n').trim()).toBe(
    [
      'Panadería Ñandú\nInforme diario: martes, 10 de marzo de 2026 (America/Bogota)',
      'Mensajes recibidos: 1500 (+25 %)\nMensajes enviados: 2000\nEnvíos fallidos: 1,5 %',
      'Tiempo de respuesta: 0,9 s · p95 2,1 s\nConversiones: 3 · 25 %',
      'Pedidos: 2 · 1234,50 EUR (-50 %)',
      'Lo más vendido:\n  Café con leche: 7',
      'Todas las cifras están en el archivo adjunto.',
    ]
      .join('\n\n')
      .replace('1,5 %\n\nTiempo', '1,5 %\nTiempo'),
  )
  expect(mail?.data).toContain('filename=report-daily-2026-03-10.csv')
  expect(parts[1]).toContain('kpi,,messages_inbound,1500,1200,0.25\r\n')
  expect(parts[1]).toContain('"Café con\nleche"')
})

test.each([
  ['en', 'Daily report: Tuesday, March 10, 2026', 'Orders: 2 · EUR 1,234.50 (-50%)'],
  ['pt', 'Relatório diário: terça-feira, 10 de março de 2026', 'Pedidos: 2 · EUR 1.234,50 (-50%)'],
])('in %s', async (language, subject, orders) => {
  await addReport(['a@shop.example'], language)
  await send()
  const { headers, parts } = readMail(smtp.taken[0] ?? { from: '', to: [], data: '' })
  expect(headers).toContain(`Subject: ${subject}`)
  expect(parts[0]).toContain(orders)
})

test.each([
  ['es', 'Informe semanal: 9–15 de marzo de 2026'],
  ['en', 'Weekly report: March 9 – 15, 2026'],
  ['pt', 'Relatório semanal: 9 – 15 de março de 2026'],
])('a week, in %s', async (language, subject) => {
  await addReport(['a@shop.example'], language, 'Shop', 'weekly')
  await send()
  const mail = smtp.taken[0] ?? { from: '', to: [], data: '' }
  expect(readMail(mail).headers).toContain(`Subject: ${subject} · Shop`)
  expect(mail.data).toContain('filename=report-weekly-2026-03-09.csv')
})

test('a name of a business is a name, whatever stands in it', async () => {
  await addReport(['a@shop.example'], 'en', 'Shop\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<x@y.example>')
  await send()
  expect(smtp.taken.map(mail => mail.to)).toEqual([['a@shop.example']])
  const { headers } = readMail(smtp.taken[0] ?? { from: '', to: [], data: '' })
  expect(headers).not.toMatch(/^bcc:/im)
})

test('who is refused for good is given up, with what the server said, and the others get theirs', async () => {
  smtp.answerTo('gone@shop.example', '550 5.1.1 No such mailbox')
  const report = await addReport(['gone@shop.example', 'here@shop.example'])
  await send()
  const [gone, here] = await stateOf(report)
  expect([gone?.state, here?.state]).toEqual(['failed', 'sent'])
  expect(gone?.error).toContain('No such mailbox')
})

test('who is put off is tried again later, under the same id', async () => {
  smtp.answerTo('busy@shop.example', '451 4.7.1 Later')
  const report = await addReport(['busy@shop.example'])
  await send()
  expect(await stateOf(report)).toMatchObject([{ state: 'queued', attempts: 1 }])
  expect((await stateOf(report))[0]?.waits).toBeGreaterThan(30)
  await send()
  expect((await stateOf(report))[0]?.attempts).toBe(1)
  smtp.answerTo('busy@shop.example', null)
  await admin`update report_mails set due_at = now()`
  await send()
  expect(await stateOf(report)).toMatchObject([{ state: 'sent', attempts: 2, error: null }])
})

test('a server that took it and did not say so may get it twice, under one id', async () => {
  smtp.hangUpAfter(1)
  const report = await addReport(['a@shop.example'])
  await send()
  await admin`update report_mails set due_at = now()`
  await send()
  expect(await stateOf(report)).toMatchObject([{ state: 'sent', attempts: 2 }])
  const ids = smtp.taken.map(mail => /^message-id: (.*)$/im.exec(mail.data)?.[1])
  expect(ids).toHaveLength(2)
  expect(new Set(ids).size).toBe(1)
})

test('what a process was ended in is sent by another one, and not before that one is taken for dead', async () => {
  const report = await addReport(['a@shop.example'])
  await admin`update report_mails set state = 'sending', attempts = 1, due_at = now() + interval '1 minute'`
  await send()
  expect(smtp.taken).toHaveLength(0)
  await admin`update report_mails set due_at = now()`
  await send()
  expect(await stateOf(report)).toMatchObject([{ state: 'sent', attempts: 2 }])
})

test('several processes send each mail once', async () => {
  const addresses = Array.from({ length: 10 }, (_, index) => `a${index}@shop.example`)
  await addReport(addresses)
  await Promise.all([send(), send(), send()])
  expect(smtp.taken.map(mail => mail.to[0]).sort()).toEqual(addresses)
})

test('a server that is away is asked again later, for about a day', async () => {
  const report = await addReport(['a@shop.example'])
  const url = `smtp://127.0.0.1:${await freePort()}`
  await send(url)
  expect(await stateOf(report)).toMatchObject([{ state: 'queued', attempts: 1 }])
  for (let attempts = 2; attempts <= 7; attempts++) {
    await admin`update report_mails set due_at = now()`
    await send(url)
  }
  expect(await stateOf(report)).toMatchObject([{ state: 'failed', attempts: 7 }])
})

test('a wrong password is no fault of the mail: it is tried again, and never told', async () => {
  smtp.login = { name: 'office', password: 'hunter2' }
  const report = await addReport(['a@shop.example'])
  await send(`smtp://office:wrong-hunter3@127.0.0.1:${smtp.port}`)
  const [mail] = await stateOf(report)
  expect(mail).toMatchObject({ state: 'queued', attempts: 1 })
  expect(mail?.error).toContain('The password is wrong')
  expect(mail?.error).not.toContain('hunter3')
  await admin`update report_mails set due_at = now()`
  await send(`smtp://office:hunter2@127.0.0.1:${smtp.port}`)
  expect(await stateOf(report)).toMatchObject([{ state: 'sent' }])
})

test('without a server there is no mailer', () => {
  expect(makeMailer({ SMTP_URL: undefined, MAIL_FROM: 'a@office.example' })).toBeUndefined()
})
