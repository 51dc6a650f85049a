import type { Transaction } from '../../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'

// Whom reports are sent to by e-mail, and how far that has come.

const insert = statement({
  name: 'report_mail_insert',
  params: ['tenant_id', 'report_id', 'addresses'],
  row: {},
  sql: `insert into report_mails (tenant_id, report_id, address)
    select $1, $2, address from unnest($3::text[]) as address on conflict do nothing`,
})

/** Has a report sent, in the transaction that makes it. */
export async function queueReportMails(
  tx: Transaction,
  report: { readonly tenantId: string; readonly reportId: string; readonly addresses: readonly string[] },
): Promise<void> {
  const { tenantId, reportId, addresses } = report
  if (addresses.length > 0) await tx.run(insert, { tenant_id: tenantId, report_id: reportId, addresses })
}

const claimedRow = { tenant_id: 'uuid', report_id: 'uuid', address: 'text', attempts: 'int4' } as const

/** A mail that is to be sent now. `attempts` counts this one. */
export type ClaimedMail = RowOf<typeof claimedRow>

const claim = statement({
  name: 'report_mail_claim',
  params: ['limit', 'lease_ms'],
  row: claimedRow,
  sql: `update report_mails set state = 'sending', attempts = attempts + 1,
      due_at = now() + $2::float8 * interval '1 millisecond'
    where ctid = any (array(
      select ctid from report_mails where state in ('queued', 'sending') and due_at <= now()
      order by due_at limit $1 for update skip locked))
    returning tenant_id, report_id, address, attempts`,
})

/** Takes mails that are due: among them those whose process was ended while it sent them, after `leaseMs`. */
export async function claimReportMails(tx: Transaction, limit: number, leaseMs: number): Promise<ClaimedMail[]> {
  return await tx.run(claim, { limit, lease_ms: leaseMs })
}

/** What came of a try; `queued`: it is to be tried again after `waitMs`. */
export type MailTried = ClaimedMail & {
  readonly state: 'queued' | 'sent' | 'failed'
  readonly error: string | null
  readonly waitMs: number
}

const record = statement({
  name: 'report_mail_record',
  params: ['tenant_id', 'report_id', 'address', 'attempts', 'state', 'error', 'wait_ms'],
  row: {},
  sql: `update report_mails set state = $5, error = $6, due_at = now() + $7::float8 * interval '1 millisecond',
      ended_at = case when $5 <> 'queued' then now() end
    where tenant_id = $1 and report_id = $2 and address = $3 and attempts = $4 and state = 'sending'`,
})

/** A try that was taken for dead has no say any more. */
export async function recordReportMail(tx: Transaction, tried: MailTried): Promise<void> {
  const { tenant_id, report_id, address, attempts, state, error, waitMs } = tried
  await tx.run(record, { tenant_id, report_id, address, attempts, state, error, wait_ms: waitMs })
}

const shownRow = { address: 'text', state: 'text', error: nullable('text'), ended_at: nullable('timestamptz') } as const
export type ReportMail = RowOf<typeof shownRow>

const selectOf = statement({
  name: 'report_mail_list',
  params: ['tenant_id', 'report_id'],
  row: shownRow,
  sql: `select address, state, error, ended_at from report_mails
    where tenant_id = $1 and report_id = $2 order by address`,
})

/** Whom a report is sent to. */
export async function mailsOfReport(tx: Transaction, tenantId: string, reportId: string): Promise<ReportMail[]> {
  return await tx.run(selectOf, { tenant_id: tenantId, report_id: reportId })
}
