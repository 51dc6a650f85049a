import { OFFSETS_MAX, ZONES_MAX } from './limits.ts'

/** A day of the calendar; `month` is 1 to 12. */
export type CalendarDay = { readonly year: number; readonly month: number; readonly day: number }

/** What the clock on the wall shows, to the minute. */
export type WallTime = CalendarDay & { readonly hour: number; readonly minute: number }

/** A moment as the clock of a time zone shows it; `weekday` is 0 (Sunday) to 6. */
export type LocalParts = WallTime & { readonly second: number; readonly weekday: number }

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const BUCKET_MS = DAY_MS / 4

/** What the clock of `timeZone` shows at `ms`. A zone that does not exist counts as UTC, here and everywhere below. */
export function localParts(timeZone: string, ms: number): LocalParts {
  const local = new Date(ms + offsetMsAt(timeZone, ms))
  return {
    ...dayOf(local),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    weekday: local.getUTCDay(),
  }
}

/** The hour of it alone, 0 to 23. */
export function localHour(timeZone: string, ms: number): number {
  const local = ms + offsetMsAt(timeZone, ms)
  return Math.floor((local - Math.floor(local / DAY_MS) * DAY_MS) / HOUR_MS)
}

/**
 * The moment at which the clock of `timeZone` shows `wall`; the first of two where it shows it twice. Null where it
 * never does: a time that the clocks skip, or a day that is in no calendar.
 */
export function zonedToUtcMs(timeZone: string, wall: WallTime): number | null {
  return isRealDay(wall) && wall.hour < 24 && wall.minute < 60 ? shownAt(timeZone, utcMs(wall)) : null
}

/** The same; where the clocks skip that time, the first moment after the gap. The 30th of February is the 2nd of March. */
export function momentAt(timeZone: string, wall: WallTime): number {
  return shownAt(timeZone, utcMs(wall)) ?? endOfGap(timeZone, utcMs(wall))
}

/** The day `days` after another one. */
export function addCalendarDays(day: CalendarDay, days: number): CalendarDay {
  return dayOf(new Date(utcMs({ ...day, day: day.day + days, hour: 0, minute: 0 })))
}

/** How many days lie between two days; negative where `to` is the earlier one. */
export function calendarDaysBetween(from: CalendarDay, to: CalendarDay): number {
  return (utcMs({ ...to, hour: 0, minute: 0 }) - utcMs({ ...from, hour: 0, minute: 0 })) / DAY_MS
}

/** Whether the calendar has that day. */
export function isRealDay({ year, month, day }: CalendarDay): boolean {
  const same = dayOf(new Date(utcMs({ year, month, day, hour: 0, minute: 0 })))
  return same.year === year && same.month === month && same.day === day
}

/** "2026-12-25". */
export function dateText({ year, month, day }: CalendarDay): string {
  return `${String(year).padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`
}

/** "17:05". */
export function timeText({ hour, minute }: { readonly hour: number; readonly minute: number }): string {
  return `${twoDigits(hour)}:${twoDigits(minute)}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

function dayOf(utc: Date): CalendarDay {
  return { year: utc.getUTCFullYear(), month: utc.getUTCMonth() + 1, day: utc.getUTCDate() }
}

/** Date.UTC without its reading of the years 0 to 99 as 1900 to 1999. */
function utcMs({ year, month, day, hour, minute }: WallTime): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.setUTCHours(hour, minute)
}

// The offset in force is one of those a day before and a day after, whatever the clocks do in between: no zone is
// farther than 14 hours from UTC, and none changed its clocks twice within two days.
function shownAt(timeZone: string, wallMs: number): number | null {
  const candidates = [wallMs - DAY_MS, wallMs, wallMs + DAY_MS].map(ms => wallMs - offsetMsAt(timeZone, ms))
  const shown = candidates.filter(ms => ms + offsetMsAt(timeZone, ms) === wallMs)
  return shown.length === 0 ? null : Math.min(...shown)
}

/** The moment at which the clocks skip `wallMs`: its gap lies between the two readings of it. */
function endOfGap(timeZone: string, wallMs: number): number {
  const [before, after] = [offsetMsAt(timeZone, wallMs - DAY_MS), offsetMsAt(timeZone, wallMs + DAY_MS)]
  return firstSecond(wallMs - after, wallMs - before, ms => offsetMsAt(timeZone, ms) !== before)
}

/** The offset of a quarter of a day, and the other one from the moment on at which the clocks change in it, if they do. */
type Offsets = { readonly beforeMs: number; readonly changeMs: number; readonly afterMs: number }

type Zone = { readonly format: Intl.DateTimeFormat | null; readonly offsets: Map<number, Offsets> }

// Asking a formatter costs 1 µs, making one 60 µs and 54 KB (measured on Bun 1.4.5), so both are kept at hand.
const zones = new Map<string, Zone>()

function offsetMsAt(timeZone: string, ms: number): number {
  const { format, offsets } = zoneOf(timeZone)
  if (format === null) return 0
  const bucket = Math.floor(ms / BUCKET_MS)
  const { beforeMs, changeMs, afterMs } = offsets.get(bucket) ?? keepOffsets(format, offsets, bucket)
  return ms < changeMs ? beforeMs : afterMs
}

function keepOffsets(format: Intl.DateTimeFormat, kept: Map<number, Offsets>, bucket: number): Offsets {
  if (kept.size >= OFFSETS_MAX) kept.clear()
  const made = readOffsets(format, bucket * BUCKET_MS, (bucket + 1) * BUCKET_MS)
  kept.set(bucket, made)
  return made
}

/** The clocks change at full seconds. */
function readOffsets(format: Intl.DateTimeFormat, fromMs: number, toMs: number): Offsets {
  const [beforeMs, afterMs] = [readOffsetMs(format, fromMs), readOffsetMs(format, toMs - 1_000)]
  if (beforeMs === afterMs) return { beforeMs, changeMs: toMs, afterMs }
  return { beforeMs, changeMs: firstSecond(fromMs, toMs, ms => readOffsetMs(format, ms) !== beforeMs), afterMs }
}

/** The first full second after `fromMs` of which `isThere` holds, as it does of all later ones. */
function firstSecond(fromMs: number, toMs: number, isThere: (ms: number) => boolean): number {
  let [from, to] = [fromMs, toMs]
  while (to - from > 1_000) {
    const middle = from + Math.floor((to - from) / 2_000) * 1_000
    if (isThere(middle)) to = middle
    else from = middle
  }
  return to
}

function zoneOf(timeZone: string): Zone {
  const known = zones.get(timeZone)
  if (known !== undefined) return known
  if (zones.size >= ZONES_MAX) zones.clear()
  const zone: Zone = { format: makeFormat(timeZone), offsets: new Map() }
  zones.set(timeZone, zone)
  return zone
}

function makeFormat(timeZone: string): Intl.DateTimeFormat | null {
  const parts = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...parts, second: 'numeric' })
  } catch {
    return null
  }
}

// Before it no zone differs, and the formatter writes years without their era.
const FIRST_MS = Date.UTC(1_000, 0, 1)

/** Reads "12/25/2026, 17:00:00". */
function readOffsetMs(format: Intl.DateTimeFormat, ms: number): number {
  const asked = Math.max(ms, FIRST_MS)
  const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] =
    format.format(asked).match(/\d+/g)?.map(Number) ?? []
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(asked / 1_000) * 1_000
}
