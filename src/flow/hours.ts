import type { Business, Span, Weekday } from './business.ts'
import { OPENING_DAYS_MAX } from './limits.ts'
import { addCalendarDays, type CalendarDay, dateText, localParts, momentAt, timeText } from './time-zone.ts'

/** When a business is open; without `hours` always, but for its holidays. */
export type OpeningHours = Pick<Business, 'time_zone' | 'hours' | 'holidays'>

const WEEKDAYS: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const ALL_DAY: readonly Span[] = [['00:00', '24:00']]

/** Whether the business is open at that moment. */
export function isOpenAt(business: OpeningHours, nowMs: number): boolean {
  const local = localParts(business.time_zone, nowMs)
  const time = timeText(local)
  return spansOn(business, local).some(([from, to]) => from <= time && time < to)
}

/**
 * The first moment after `nowMs` at which the business opens, having been closed; null where it never does within
 * 60 days (it is always open, or closed for longer).
 */
export function nextOpening(business: OpeningHours, nowMs: number): number | null {
  const today = localParts(business.time_zone, nowMs)
  for (let days = 0; days <= OPENING_DAYS_MAX; days++) {
    const day = addCalendarDays(today, days)
    const openings = spansOn(business, day).map(([from]) => momentAt(business.time_zone, { ...day, ...readTime(from) }))
    const next = openings.find(ms => ms > nowMs && isOpenAt(business, ms) && !isOpenAt(business, ms - 1))
    if (next !== undefined) return next
  }
  return null
}

/**
 * The first moment after `nowMs` at which the clock of the zone shows `time` ("17:00"). Where the clocks skip it, the
 * first moment after the gap; where they show it twice, only the first one counts.
 */
export function nextTimeOfDay(timeZone: string, time: string, nowMs: number): number {
  const today = localParts(timeZone, nowMs)
  let days = 0
  let next = nowMs
  while (next <= nowMs) next = momentAt(timeZone, { ...addCalendarDays(today, days++), ...readTime(time) })
  return next
}

function spansOn({ hours, holidays }: OpeningHours, day: CalendarDay): readonly Span[] {
  const date = dateText(day)
  const holiday = holidays.find(one => one.date === date)
  if (holiday !== undefined) return holiday.hours ?? []
  if (hours === null) return ALL_DAY
  const weekday = WEEKDAYS[new Date(`${date}T00:00:00Z`).getUTCDay()]
  return weekday === undefined ? [] : hours[weekday]
}

function readTime(time: string): { hour: number; minute: number } {
  return { hour: Number(time.slice(0, 2)), minute: Number(time.slice(3)) }
}
