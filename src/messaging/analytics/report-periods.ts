import { addCalendarDays, type CalendarDay, dateText, localParts, momentAt } from '../../flow/time-zone.ts'

// Days and weeks of a tenant's calendar, as its clock shows them: a day on which the clocks change has 23 or 25 hours.

export const reportKinds = ['daily', 'weekly'] as const
export type ReportKind = (typeof reportKinds)[number]

/** A day, or a week from Monday on. */
export type ReportPeriod = {
  readonly kind: ReportKind
  readonly timeZone: string
  readonly firstDay: CalendarDay
  readonly from: Date
  /** The first moment that does not count. */
  readonly to: Date
}

const daysOf = { daily: 1, weekly: 7 } as const satisfies Record<ReportKind, number>
/** How many periods are made up for after a time without reports: a week of days, and a month of weeks. */
const caughtUpMax = { daily: 7, weekly: 4 } as const satisfies Record<ReportKind, number>

export function periodOf(kind: ReportKind, timeZone: string, firstDay: CalendarDay): ReportPeriod {
  const startOf = (day: CalendarDay) => new Date(momentAt(timeZone, { ...day, hour: 0, minute: 0 }))
  const from = startOf(firstDay)
  return { kind, timeZone, firstDay, from, to: startOf(addCalendarDays(firstDay, daysOf[kind])) }
}

/** What a report compares its period with. */
export function periodBefore({ kind, timeZone, firstDay }: ReportPeriod): ReportPeriod {
  return periodOf(kind, timeZone, addCalendarDays(firstDay, -daysOf[kind]))
}

/** "2026-12-25". */
export function startsOn({ firstDay }: ReportPeriod): string {
  return dateText(firstDay)
}

/** The last day of a period. */
export function endsOn({ kind, firstDay }: ReportPeriod): string {
  return dateText(addCalendarDays(firstDay, daysOf[kind] - 1))
}

/**
 * The periods of which a tenant has no report, the oldest first: those that have ended by `nowMs`, from after the last
 * one that it has, or from when there was the tenant.
 */
export function duePeriods(given: {
  readonly kind: ReportKind
  readonly timeZone: string
  /** The first day of the last report's period; null: there is none. */
  readonly last: string | null
  readonly createdAt: Date
  readonly nowMs: number
}): readonly ReportPeriod[] {
  const { kind, timeZone, last, createdAt, nowMs } = given
  const present = firstDayOf(kind, timeZone, nowMs)
  return Array.from({ length: caughtUpMax[kind] }, (_, index) => index - caughtUpMax[kind])
    .map(back => periodOf(kind, timeZone, addCalendarDays(present, back * daysOf[kind])))
    .filter(({ from, to }) => from < to && to > createdAt && to.getTime() <= nowMs)
    .filter(period => last === null || startsOn(period) > last)
}

/** The first day of the period that a moment lies in. */
function firstDayOf(kind: ReportKind, timeZone: string, nowMs: number): CalendarDay {
  const today = localParts(timeZone, nowMs)
  return addCalendarDays(today, kind === 'daily' ? 0 : -((today.weekday + 6) % 7))
}

/** When the present day of a time zone ends. */
export function endOfDay(timeZone: string, nowMs: number): Date {
  return periodOf('daily', timeZone, firstDayOf('daily', timeZone, nowMs)).to
}
