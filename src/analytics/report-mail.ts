import { formatMoney } from '../flow/money.ts'
import { csvName, reportCsv } from '../messaging/analytics/report-csv.ts'
import type { Report } from '../messaging/analytics/reports.ts'
import type { Language } from '../messaging/tenant-settings.ts'
import type { Mail } from './mailer.ts'
import { type MailTexts, mailTexts } from './report-mail-texts.ts'

const dayMs = 86_400_000

/** A report as a mail: the main figures in the language of the business, and all of them in a file. */
export function reportMail(
  report: Report,
  { name, language }: { readonly name: string; readonly language: Language },
): Pick<Mail, 'subject' | 'text' | 'attachment'> {
  const texts = mailTexts[language]
  const title = `${report.kind === 'weekly' ? texts.weekly : texts.daily}: ${dateOf(report, language)}`
  const business = name.replaceAll(/\s+/g, ' ')
  return {
    subject: `${title} · ${business}`,
    text: [`${business}\n${title} (${report.time_zone})`, ...sections(report, language, texts)].join('\n\n'),
    attachment: { filename: csvName(report), content: reportCsv(report) },
  }
}

/** Days of the tenant's calendar, which no zone moves: they are written as days of UTC. */
function dateOf({ kind, starts_on }: Report, language: Language): string {
  const first = new Date(`${starts_on}T00:00:00Z`)
  const dates = (dateStyle: 'full' | 'long') => new Intl.DateTimeFormat(language, { dateStyle, timeZone: 'UTC' })
  if (kind === 'daily') return dates('full').format(first)
  return dates('long')
    .formatRange(first, new Date(first.getTime() + 6 * dayMs))
    .replaceAll('\u2009', ' ')
}

function sections({ data }: Report, language: Language, texts: MailTexts): readonly string[] {
  const [number, percent] = [new Intl.NumberFormat(language), percentIn(language)]
  const line = (label: string, value: string, change: number | null = null) =>
    `${label}: ${value}${change === null || change === 0 ? '' : ` (${change > 0 ? '+' : ''}${percent(change)})`}`
  const { kpis, change, orders, top_products } = data
  const ms = (value: number | null) => (value === null ? texts.none : `${number.format(value / 1_000)} s`)
  const figures = [
    line(texts.inbound, number.format(kpis.messages.inbound), change.messages.inbound),
    line(texts.outbound, number.format(kpis.messages.outbound), change.messages.outbound),
    line(texts.errorRate, percent(kpis.error_rate)),
    line(texts.response, `${ms(kpis.avg_response_ms)} · p95 ${ms(kpis.p95_response_ms)}`),
    line(
      texts.conversions,
      `${number.format(kpis.conversions)} · ${percent(kpis.conversion_rate)}`,
      change.conversions,
    ),
  ]
  const sold = orders.map(one =>
    line(
      texts.orders,
      `${number.format(one.orders)} · ${formatMoney(one.revenue_minor, one.currency, language)}`,
      one.change.revenue_minor,
    ),
  )
  const products = top_products.map(one => `  ${one.name.replaceAll(/\s+/g, ' ')}: ${number.format(one.quantity)}`)
  return [
    figures.join('\n'),
    ...(sold.length > 0 ? [sold.join('\n')] : []),
    ...(products.length > 0 ? [`${texts.topProducts}:\n${products.join('\n')}`] : []),
    texts.attached,
  ]
}

function percentIn(language: Language): (share: number) => string {
  const format = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1 })
  return share => format.format(share).replaceAll('\u00a0', ' ')
}
