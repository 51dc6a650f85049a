import { findTenant } from '../identity/tenants.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import {
  type ClaimedMail,
  claimReportMails,
  type MailTried,
  recordReportMail,
} from '../messaging/analytics/report-mails.ts'
import { findReport } from '../messaging/analytics/reports.ts'
import { findSettings, settingsDefault } from '../messaging/tenant-settings.ts'
import type { Database } from '../stores/postgres/database.ts'
import { inTenant } from '../stores/postgres/in-tenant.ts'
import type { Mailer } from './mailer.ts'
import { reportMail } from './report-mail.ts'

const atOnceMax = 4
/** A mail whose process was ended while it was sent is tried again after this: longer than any try takes. */
const leaseMs = 5 * 60_000
/** After each try that was put off, until the next: about a day in all. */
const retriesMs = [60_000, 300_000, 1_800_000, 7_200_000, 28_800_000, 43_200_000]

export type MailOptions = {
  readonly database: Database
  readonly log: Log
  readonly mailer: Mailer
}

/**
 * Sends the mails that are due, each until the server has taken it, has refused it for good, or a day is over. One may be
 * sent twice where a process ended between the server's yes and the record of it: both have the same Message-ID.
 */
export async function sendReportMails(options: MailOptions, signal: AbortSignal): Promise<void> {
  const { database } = options
  while (!signal.aborted) {
    const mails = await database.transaction({ role: 'worker' }, tx => claimReportMails(tx, atOnceMax, leaseMs))
    await Promise.all(mails.map(mail => sendOne(options, mail, signal)))
    if (mails.length < atOnceMax) return
  }
}

async function sendOne(options: MailOptions, mail: ClaimedMail, signal: AbortSignal): Promise<void> {
  const tried = await tryOnce(options, mail, signal)
  if (tried.state === 'failed')
    options.log.warn(
      { tenant_id: mail.tenant_id, report_id: mail.report_id, error: tried.error },
      'a report was not sent',
    )
  await options.database.transaction({ role: 'worker' }, tx => recordReportMail(tx, tried))
}

async function tryOnce(options: MailOptions, mail: ClaimedMail, signal: AbortSignal): Promise<MailTried> {
  try {
    const made = await makeMail(options, mail)
    if (made === undefined) return { ...mail, state: 'failed', error: 'The report was removed.', waitMs: 0 }
    const sent = await options.mailer.send(made, signal)
    if (sent.kind === 'sent') return { ...mail, state: 'sent', error: null, waitMs: 0 }
    return sent.kind === 'refused'
      ? { ...mail, state: 'failed', error: sent.message, waitMs: 0 }
      : again(mail, sent.message)
  } catch (error) {
    options.log.error({ report_id: mail.report_id, error: messageOf(error) }, 'a mail could not be made')
    return again(mail, 'It could not be made.')
  }
}

async function makeMail({ database }: MailOptions, { tenant_id, report_id, address }: ClaimedMail) {
  return await inTenant(database, tenant_id, async tx => {
    const report = await findReport(tx, tenant_id, report_id)
    const [tenant, settings] = [await findTenant(tx, tenant_id), await findSettings(tx, tenant_id)]
    if (report === undefined || tenant === undefined) return undefined
    const { language } = settings ?? settingsDefault
    const id = `report.${report_id}.${Bun.hash(address).toString(36)}`
    return { to: address, id, ...reportMail(report, { name: tenant.name, language }) }
  })
}

/** As long as there are tries left. */
function again(mail: ClaimedMail, error: string): MailTried {
  const waitMs = retriesMs[mail.attempts - 1]
  return waitMs === undefined
    ? { ...mail, state: 'failed', error, waitMs: 0 }
    : { ...mail, state: 'queued', error, waitMs }
}
